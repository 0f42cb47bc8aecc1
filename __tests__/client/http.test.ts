import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { close, connections, send } from "../../client/http";

test.each([
  ["S3's XML", "s3", `<Error><Code>Bad</Code><Message>No \u009b2J${"x".repeat(10_000)}</Message></Error>`],
  [
    "the API's JSON",
    "api",
    JSON.stringify({ error: { code: "Bad", message: `No \u009b2J${"x".repeat(10_000)}` } }),
  ],
] as const)("an error's sentence in %s is escaped and cut", async (_, service, body) => {
  const server = createServer((_request, response) => response.writeHead(400).end(body)).listen(
    0,
    "127.0.0.1",
  );
  await once(server, "listening");
  const own = connections();
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    await expect(send({ service, method: "GET", url, connections: own })).rejects.toMatchObject({
      code: "Bad",
      message: expect.stringMatching(/^No \\u009b2Jx{400,500}…$/) as string,
    });
  } finally {
    close(own);
    server.close();
  }
});
