import { once } from "node:events";
import { type IncomingHttpHeaders, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { SenderEnvironment } from "../../functions/send-message/environment";
import { createHandler } from "../../functions/send-message/handler";
import type { SqsOptions } from "../../functions/send-message/sqs";

export const UUID = "6f1c2f6e-0a4b-4c1d-9e2f-0123456789ab";

export interface Sent {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly message: {
    QueueUrl: string;
    MessageBody: string;
    MessageAttributes?: Record<string, { DataType: string; BinaryValue: string }>;
  };
}

/** What the server does with a request: an answer, half of one, a reset, or nothing at all. */
export type Behaviour = readonly [status: number, body: unknown] | "half" | "reset" | "silence";

const TAKEN: Behaviour = [200, { MessageId: "m-1", MD5OfMessageBody: "" }];

/** An SQS that behaves so, request by request, and then takes every message. */
export async function startServer(behaviours: readonly Behaviour[] = []) {
  const sent: Sent[] = [];
  const server = createServer((request, response) => {
    void request.toArray().then((chunks) => {
      const body = Buffer.concat(chunks as Buffer[]).toString("utf8");
      sent.push({ headers: request.headers, body, message: JSON.parse(body) as Sent["message"] });
      const behaviour = behaviours[sent.length - 1] ?? TAKEN;
      if (behaviour === "reset") return request.socket.destroy();
      if (behaviour === "silence") return undefined;
      if (behaviour === "half") {
        response.writeHead(200, { "content-length": 100 }).write("{");
        return setImmediate(() => request.socket.destroy());
      }
      const [status, answer] = behaviour;
      const text = typeof answer === "string" ? answer : JSON.stringify(answer);
      return response.writeHead(status, { "content-type": "application/x-amz-json-1.0" }).end(text);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    sent,
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

export const CREDENTIALS = { accessKeyId: "ASIAEXAMPLE", secretAccessKey: "secret", sessionToken: "token" };

/** A sender to such a server, a function that asks it, and its log. It does not wait between attempts, but says how long. */
export function sender(origin: string, changes: Partial<SenderEnvironment> = {}, options: SqsOptions = {}) {
  const waits: number[] = [];
  const lines: string[] = [];
  const handler = createHandler(
    {
      queueUrl: new URL("/123456789012/tweedle-test-queue", origin),
      region: "eu-central-1",
      credentials: CREDENTIALS,
      maxObjectBytes: undefined,
      ...changes,
    },
    {
      random: () => 0.5,
      wait: (milliseconds) => Promise.resolve(waits.push(milliseconds)),
      log: (line) => lines.push(line),
      ...options,
    },
  );
  const ask = async (body: unknown, resource = "/sendMessage", httpMethod = "POST") => {
    const text = typeof body === "string" || body === null ? body : JSON.stringify(body);
    const answer = await handler({ httpMethod, resource, headers: {}, body: text, isBase64Encoded: false });
    return { status: answer.statusCode, headers: answer.headers, ...(JSON.parse(answer.body) as Answer) };
  };
  return { ask, waits, lines };
}

export interface Answer {
  readonly action: string;
  readonly object_key: string;
  readonly message_id: string;
  readonly error: { readonly code: string; readonly message: string };
}
