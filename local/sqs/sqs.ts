import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { createRequestHandler } from "local-aws-sqs";
import { type Refusal, type Role, judge, refuseLarge } from "./guard";
import { currentResponse, mendQueues } from "./queue";
import { HOST, close, listen, urlOf } from "../server";
import type { StackQueue } from "../stack/stack";

export interface SqsOptions {
  readonly queues: readonly StackQueue[];
  readonly region: string;
  readonly accountId: string;
  /** The stack's functions: what they ask is judged by their roles' policies. */
  readonly roles: readonly Role[];
  readonly port: number;
}

export interface LocalSqs {
  readonly endpoint: string;
  readonly urlOf: (queueArn: string) => string;
  readonly send: (queueArn: string, body: string) => Promise<void>;
  readonly stop: () => Promise<void>;
}

/**
 * SQS on this machine: local-aws-sqs, with the stack's queues. Like any local SQS it serves whoever reaches it, but the
 * stack's own functions only as far as they may.
 */
export async function startSqs(options: SqsOptions): Promise<LocalSqs> {
  const { queues, region, accountId, port } = options;
  const { service, requestHandler } = createRequestHandler({
    region,
    accountId,
    hostname: HOST,
    port: 0,
    // The dead-letter queue first: the other's redrive policy must find it.
    queues: queues
      .toSorted((a, b) => Number("RedrivePolicy" in a.attributes) - Number("RedrivePolicy" in b.attributes))
      .map(({ name, attributes }) => ({ QueueName: name, Attributes: attributes })),
  });
  mendQueues(service.Queues);
  const handle: RequestListener = (request, response) => {
    // A page's form reaches us without a preflight, and nobody signs here: no page has business with the queues.
    if (request.headers.origin !== undefined) {
      response.writeHead(403, { connection: "close" }).end();
      return;
    }
    readBody(request)
      .then((body) => {
        const refusal = judge(request, body, options) ?? refusalOf(request, body);
        if (refusal) return refuse(response, refusal);
        const mended = withAttributeNames(request, body);
        return currentResponse.run(response, () => requestHandler(mended, withBody(response)));
      })
      .catch((error: unknown) => response.writeHead(400).end(String(error)));
  };
  const server = await listen(handle, port, "SQS");
  const endpoint = urlOf(server);
  // Part of the queues' URLs.
  service.PORT = Number(new URL(endpoint).port);
  const queueUrl = (arn: string) => `${endpoint}/${accountId}/${arn.split(":").at(-1)}`;
  return {
    endpoint,
    urlOf: queueUrl,
    send: async (queueArn, body) => {
      const response = await fetch(endpoint, {
        method: "POST",
        headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.SendMessage" },
        body: JSON.stringify({ QueueUrl: queueUrl(queueArn), MessageBody: body }),
      });
      if (!response.ok) throw new Error(`SQS refused a message: ${await response.text()}`);
    },
    stop: () => close(server),
  };
}

/** Where there is nothing to say, SQS says {}; local-aws-sqs says nothing, which is no JSON. */
function withBody(response: ServerResponse): ServerResponse {
  const end = response.end.bind(response) as (body: unknown) => ServerResponse;
  const isJson = () => String(response.getHeader("content-type")).includes("json");
  return Object.assign(response, { end: (body: unknown) => end(body || (isJson() ? "{}" : body)) });
}

/** SQS takes 1 MiB; JSON's escapes may double it. */
const MAX_BODY = 4 * 1024 ** 2;

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY) throw new Error(`A request may have ${MAX_BODY} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const targetOf = ({ headers }: IncomingMessage) => headers["x-amz-target"];
const parametersOf = (body: Buffer) =>
  (JSON.parse(body.toString("utf8") || "{}") ?? {}) as Record<string, unknown>;

/** @returns why a message is not taken */
function refusalOf(request: IncomingMessage, body: Buffer): Refusal | undefined {
  return targetOf(request) === "AmazonSQS.SendMessage" ? refuseLarge(parametersOf(body)) : undefined;
}

function refuse(response: ServerResponse, { status, type, code, message }: Refusal): void {
  response
    .writeHead(status, { "content-type": "application/x-amz-json-1.0", "x-amzn-query-error": code })
    .end(JSON.stringify({ __type: type, message }));
}

/** local-aws-sqs knows a message's system attributes only under their old name, which SDKs no longer send. */
function withAttributeNames(request: IncomingMessage, body: Buffer): IncomingMessage {
  let mended = body;
  if (targetOf(request) === "AmazonSQS.ReceiveMessage") {
    const parameters = parametersOf(body);
    const names = parameters["MessageSystemAttributeNames"];
    if (names) mended = Buffer.from(JSON.stringify({ ...parameters, AttributeNames: names }));
  }
  const { method, url, headers } = request;
  return Object.assign(Readable.from([mended]), { method, url, headers }) as unknown as IncomingMessage;
}
