import { once } from "node:events";
import { Agent, createServer } from "node:http";
import { Agent as HttpsAgent, createServer as createTlsServer } from "node:https";
import {
  type AddressInfo,
  type LookupFunction,
  type Server,
  createServer as createPlainServer,
} from "node:net";
import { Api } from "../../client/api";
import { selfSigned } from "./certificate";

/* What a client says of a URL that leads nowhere, or to something else, before it has ever been there. */

const servers: Server[] = [];
const listen = async (server: Server) => {
  servers.push(server.listen(0, "127.0.0.1"));
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
};
/** A name server that knows no host, wherever the tests run. */
const noHost: LookupFunction = (host, _, done) =>
  done(Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: "ENOTFOUND" }), "");
const ports = { http: 0, https: 0, ssh: 0, closed: 0 };

beforeAll(async () => {
  ports.http = await listen(createServer((_, response) => response.end("{}")));
  ports.https = await listen(
    createTlsServer(selfSigned("tweedle.test"), (_, response) => response.end("{}")),
  );
  ports.ssh = await listen(createPlainServer((socket) => socket.on("error", () => {}).end("SSH-2.0-x\r\n")));
  const closed = createPlainServer();
  ports.closed = await listen(closed);
  closed.close();
});
afterAll(() => {
  for (const server of servers) server.close();
});

test.each([
  [
    "https://no-such-host.invalid/dev",
    () => 0,
    /no such host \(getaddrinfo ENOTFOUND no-such-host\.invalid\)\. Check the URL\.$/,
  ],
  [
    "http://127.0.0.1:PORT/dev",
    () => ports.closed,
    /connection refused \(connect ECONNREFUSED 127\.0\.0\.1:\d+\)\. Check the URL\.$/,
  ],
  [
    "https://127.0.0.1:PORT/dev",
    () => ports.http,
    /does not speak TLS as expected\. Is it an http:\/\/ URL\?$/,
  ],
  ["http://127.0.0.1:PORT/dev", () => ports.https, /speaks TLS\. Use https:\/\/ in place of http:\/\/\.$/],
  [
    "https://127.0.0.1:PORT/dev",
    () => ports.https,
    /certificate .* is not accepted \(self-signed certificate\)/,
  ],
  ["http://127.0.0.1:PORT/dev", () => ports.ssh, /does not speak HTTP\./],
])("%s is told at once to be a mistake, in one line", async (url, port, says) => {
  const connections = { http: new Agent(), https: new HttpsAgent({ lookup: noHost }) };
  const api = new Api({ apiUrl: url.replace("PORT", String(port())), connections });
  const error: unknown = await api.ask("putObject", {}).catch((reason: unknown) => reason);
  api.close();
  expect(error).toMatchObject({
    name: "TweedleError",
    code: "Unavailable",
    message: expect.stringMatching(says),
  });
  expect((error as Error).message).toMatch(/^https?:\S+ cannot be reached: [^\n]+$/);
});
