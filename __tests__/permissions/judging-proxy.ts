import { once } from "node:events";
import { type IncomingMessage, createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

/** A request that went to a service, before it is answered. */
export interface Incoming {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** Starts a proxy before a service that refuses what is not allowed, as IAM does before AWS's. */
export async function startJudgingProxy(upstream: string, isAllowed: (incoming: Incoming) => boolean) {
  const server = createServer((incoming, outgoing) => {
    const { method = "GET", url: target = "/", headers } = incoming;
    const url = new URL(target, upstream);
    async function pass(): Promise<void> {
      const body = await buffer(incoming);
      if (!isAllowed({ method, url, headers, body: body.toString() })) {
        outgoing.writeHead(403, { "content-type": "application/x-amz-json-1.0" });
        outgoing.end('{"__type": "com.amazonaws.sqs#AccessDeniedException", "message": "Access denied."}');
        return;
      }
      const call = request(url, { method, headers }).end(body);
      const [answer] = (await once(call, "response")) as [IncomingMessage];
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(outgoing);
    }
    pass().catch(() => outgoing.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    /** An address of the service, by way of the proxy. */
    through: (address: string) => {
      const url = new URL(address);
      url.port = String((server.address() as AddressInfo).port);
      return url.href;
    },
    stop: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
