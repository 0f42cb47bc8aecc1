import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

/** A response in place of the queue's: its status, and its body as it is. */
export type Answer = readonly [status: number, body: string];

/** How engines that lack operations say so. */
export const LACKS = {
  goaws: [400, "Bad Request"],
  moto: [500, "<!doctype html>\n<html lang=en>\n<title>500 Internal Server Error</title>"],
  ministack: [400, '{"__type":"InvalidAction","message":"The action is not valid."}'],
  elasticmq: [400, '{"__type":"com.amazon.coral.service#UnknownOperationException"}'],
} as const satisfies Readonly<Record<string, Answer>>;

/** An SQS that is another one, but for some operations. */
export interface LimitedSqs {
  readonly endpoint: string;
  /** The operations that were asked for, in order. */
  readonly asked: readonly string[];
  /** What to answer to an operation from now on, by its name. */
  answers: Readonly<Record<string, Answer>>;
  readonly stop: () => Promise<void>;
}

export async function startLimitedSqs(upstream: string): Promise<LimitedSqs> {
  const asked: string[] = [];
  const limited = { asked, answers: {} as LimitedSqs["answers"] };
  const server = createServer((request, response) => {
    void (async () => {
      const operation = String(request.headers["x-amz-target"]).replace("AmazonSQS.", "");
      asked.push(operation);
      const body = await buffer(request);
      const answer = limited.answers[operation];
      if (answer) {
        response.writeHead(answer[0]).end(answer[1]);
        return;
      }
      const { host: _, "content-length": __, ...headers } = request.headers as Record<string, string>;
      const passed = await fetch(upstream, { method: "POST", headers, body });
      response.writeHead(passed.status, { "content-type": "application/x-amz-json-1.0" });
      response.end(await passed.text());
    })();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return Object.assign(limited, {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  });
}
