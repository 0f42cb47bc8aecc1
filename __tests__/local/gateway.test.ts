import { once } from "node:events";
import { type IncomingMessage, request as send } from "node:http";
import { buffer } from "node:stream/consumers";
import { gunzipSync, inflateSync } from "node:zlib";
import { CREDENTIALS, type Chain, start } from "../../local/chain";
import { startGateway } from "../../local/api-gateway/gateway";
import { signedHeaders } from "../../functions/send-message/signed-headers";
import { ask, synthesize } from "./tools";

const stackOf = synthesize();
let open: Chain;
let signing: Chain;

beforeAll(async () => {
  [open, signing] = await Promise.all([start({ stack: stackOf("dev") }), start({ stack: stackOf("test") })]);
});

afterAll(() => Promise.all([open.stop(), signing.stop()]));

const KEY = "input/6f1c2f6e-0a4b-4c1d-9e2f-0123456789ab/cat.jpg";

const signed = (
  url: string,
  body: string,
  changes: Partial<typeof CREDENTIALS> = {},
  service = "execute-api",
) =>
  signedHeaders(new URL(url), body, {
    service,
    region: "eu-central-1",
    credentials: { ...CREDENTIALS, ...changes },
  });

describe("a stage whose consumers sign", () => {
  const body = JSON.stringify({ object_key: KEY });
  const post = (headers: Record<string, string>, sent = body) =>
    fetch(`${signing.apiUrl}/getObject`, { method: "POST", body: sent, headers });

  test("answers a request that is signed", async () => {
    const response = await post(await signed(`${signing.apiUrl}/getObject`, body));
    expect([response.status, ((await response.json()) as { object_key: string }).object_key]).toEqual([
      200,
      KEY,
    ]);
  });

  test("refuses one that is not, or that was changed, or by another key, or for another service", async () => {
    const url = `${signing.apiUrl}/getObject`;
    const good = await signed(url, body);
    const refused: [string, string, Record<string, string>, string?][] = [
      ["no signature", "AccessDenied", {}],
      ["another body", "InvalidSignature", good, JSON.stringify({ object_key: KEY, expires_in: 900 })],
      ["a date of long ago", "InvalidSignature", { ...good, "x-amz-date": "20200101T000000Z" }],
      ["a date to come", "InvalidSignature", { ...good, "x-amz-date": "20990101T000000Z" }],
      ["another secret", "InvalidSignature", await signed(url, body, { secretAccessKey: "x" as never })],
      ["another key", "AccessDenied", await signed(url, body, { accessKeyId: "x" as never })],
      ["another service", "InvalidSignature", await signed(url, body, {}, "s3")],
      ["another path", "InvalidSignature", await signed(`${signing.apiUrl}/headObject`, body)],
      ["no header to speak of", "AccessDenied", { authorization: "AWS4-HMAC-SHA256 nonsense" }],
    ];
    for (const [what, code, headers, sent] of refused) {
      const response = await post(headers, sent);
      const { error } = (await response.json()) as { error: { code: string; request_id: string } };
      expect([what, response.status, error.code, typeof error.request_id]).toEqual([
        what,
        403,
        code,
        "string",
      ]);
    }
  });

  test("refuses the consumer's actions on POST /, and takes the producer's unsigned", async () => {
    const refused = await ask(signing, "/", { action: "getObject", object_key: KEY });
    expect([refused.status, refused.error.code]).toEqual([403, "ActionNotAllowed"]);
    expect(
      (await ask(signing, "/", { action: "putObject", object_key: "a", content_length: 1 })).status,
    ).toBe(200);
  });

  test("says so in its description", async () => {
    const read = async (chain: Chain) =>
      (await (await fetch(`${chain.apiUrl}/openapi.json`)).json()) as {
        paths: Record<string, { post?: { security: unknown[] } }>;
      };
    const [without, withSecurity] = await Promise.all([read(open), read(signing)]);
    const secured = (paths: (typeof without)["paths"]) =>
      Object.keys(paths).filter((path) => (paths[path]?.post?.security ?? []).length > 0);
    expect(secured(without.paths)).toEqual([]);
    expect(secured(withSecurity.paths)).toEqual(["/getObject", "/headObject", "/deleteObject"]);
  });
});

describe("the gateway", () => {
  test.each([
    ["GET", "/nope", 404, "NoSuchRoute", null],
    ["POST", "/putobject", 404, "NoSuchRoute", null],
    ["POST", "/putObject/more", 404, "NoSuchRoute", null],
    ["GET", "/putObject", 405, "MethodNotAllowed", "POST"],
    ["DELETE", "", 405, "MethodNotAllowed", "GET, HEAD, POST"],
    ["POST", "/openapi.json", 405, "MethodNotAllowed", "GET, HEAD"],
  ])("answers %s %s with %i in our JSON", async (method, path, status, code, allow) => {
    const response = await fetch(open.apiUrl + path, { method });
    const { error } = (await response.json()) as { error: object };
    expect([response.status, response.headers.get("allow")]).toEqual([status, allow]);
    expect(error).toEqual({
      code,
      message: expect.any(String),
      request_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
  });

  test.each(["", "/", "/openapi.json"])("answers HEAD %j as GET, without a body", async (path) => {
    const [get, head] = await Promise.all(
      ["GET", "HEAD"].map((method) => fetch(open.apiUrl + path, { method })),
    );
    // And of a body, of which HEAD has none that could be compressed.
    const ofConnection =
      /^(connection|keep-alive|transfer-encoding|content-(length|encoding)|date|x-amzn-requestid)$/;
    const headersOf = (response: Response | undefined) =>
      [...(response?.headers ?? [])].filter(([name]) => !ofConnection.test(name));
    expect([get?.status, head?.status, await head?.text()]).toEqual([200, 200, ""]);
    expect(headersOf(head)).toEqual(headersOf(get));
    expect(head?.headers.get("strict-transport-security")).toBe("max-age=63072000");
  });

  test("answers HEAD of a path without GET by itself, as the page asks whether the API is there", async () => {
    const steps: string[] = [];
    open.events.on("gateway", ({ kind }) => steps.push(kind));
    expect((await fetch(`${open.apiUrl}/putObject`, { method: "HEAD" })).status).toBe(405);
    expect(steps).toEqual(["passed-on"]);
  });

  test("refuses a body over 10 MB without keeping it, and goes on", async () => {
    const response = await fetch(open.apiUrl, { method: "POST", body: Buffer.alloc(20 * 1024 ** 2) });
    expect(response.status).toBe(413);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect((await ask(open, "", { action: "putObject", object_key: "a" })).status).toBe(200);
  });

  test("takes the stage alone and with a slash for POST /, and knows no other stage", async () => {
    const { origin } = new URL(open.apiUrl);
    const body = JSON.stringify({ action: "putObject", object_key: "a" });
    const post = async (path: string) => (await fetch(origin + path, { method: "POST", body })).status;
    expect([await post("/dev"), await post("/dev/"), await post("/prod"), await post("/device")]).toEqual([
      200, 200, 403, 403,
    ]);
  });

  test("has nothing from the request in a URL that it passes on", async () => {
    const { url } = await ask(
      open,
      "/putObject",
      { object_key: "a" },
      { "x-forwarded-host": "evil.example", forwarded: "host=evil.example" },
    );
    expect(new URL(url).origin).toBe(open.s3Endpoint);
  });
});

/** Sends a POST, and takes the response's bytes as they come. */
async function exchange(url: string, acceptEncoding: string | undefined) {
  const headers = acceptEncoding === undefined ? {} : { "accept-encoding": acceptEncoding };
  const request = send(url, { method: "POST", headers }).end();
  const [response] = (await once(request, "response")) as [IncomingMessage];
  return { headers: response.headers, bytes: await buffer(response) };
}

describe("a gateway of its own", () => {
  const integration = {
    type: "aws_proxy",
    uri: "arn:aws:apigateway:r:lambda:path/x/functions/arn:aws:lambda:f/invocations",
  };
  const options = (invoke: () => Promise<unknown>, changes = {}) => ({
    definition: { paths: { "/": { post: { "x-amazon-apigateway-integration": integration } } } },
    apiId: "local",
    accountId: "123456789012",
    region: "eu-central-1",
    stageName: "x",
    functions: new Map([["arn:aws:lambda:f", { invoke, stop: () => {} }]]),
    throttling: { rateLimit: 1000, burstLimit: 1000 },
    principals: [],
    port: 0,
    ...changes,
  });
  const statusOf = async (invoke: () => Promise<unknown>, changes = {}) => {
    const log = jest.spyOn(console, "error").mockImplementation(() => {});
    const gateway = await startGateway(options(invoke, changes));
    const response = await fetch(gateway.url, { method: "POST" });
    await gateway.stop();
    log.mockRestore();
    return response.status;
  };

  test("answers 502 where the function throws, or answers in another form", async () => {
    expect(await statusOf(() => Promise.reject(new Error("no")))).toBe(502);
    expect(await statusOf(() => Promise.resolve("hello"))).toBe(502);
    expect(await statusOf(() => Promise.resolve({ statusCode: "200" }))).toBe(502);
    expect(await statusOf(() => Promise.resolve({ statusCode: 204 }))).toBe(204);
  });

  test("answers 504 where the function takes longer than the integration allows", async () => {
    const slow = { "x-amazon-apigateway-integration": { ...integration, timeoutInMillis: 10 } };
    const definition = { paths: { "/": { post: slow } } };
    expect(await statusOf(() => new Promise(() => {}), { definition })).toBe(504);
  });

  test("throttles by rate and burst", async () => {
    const throttling = { rateLimit: 0.001, burstLimit: 3 };
    const gateway = await startGateway(options(() => Promise.resolve({ statusCode: 200 }), { throttling }));
    const statuses = [];
    for (let request = 0; request < 5; request += 1) {
      statuses.push((await fetch(gateway.url, { method: "POST" })).status);
    }
    expect(statuses).toEqual([200, 200, 200, 429, 429]);
    await gateway.stop();
  });

  test.each([
    ["gzip", "gzip"],
    ["deflate", "deflate"],
    // As browsers say it.
    ["gzip, deflate, br, zstd", "gzip"],
    ["GZIP;q=0.5", "gzip"],
    ["gzip;q=0.5, deflate;q=0.9", "deflate"],
    // The coding that the caller prefers is not one of API Gateway's.
    ["br, gzip", undefined],
    ["gzip;q=0.1, br;q=0.2", undefined],
    ["gzip;q=0", undefined],
    ["identity", undefined],
    ["*", undefined],
    ["", undefined],
    [undefined, undefined],
  ])("compresses a large answer for a caller who accepts %j: %s", async (accepted, coding) => {
    const body = "x".repeat(1000);
    const gateway = await startGateway(
      options(() => Promise.resolve({ statusCode: 200, body }), { minimumCompressionBytes: 1000 }),
    );
    const { headers, bytes } = await exchange(gateway.url, accepted);
    await gateway.stop();
    expect(headers["content-encoding"]).toBe(coding);
    const decode = { gzip: gunzipSync, deflate: inflateSync, none: (same: Buffer) => same };
    expect(decode[(coding as "gzip" | undefined) ?? "none"](bytes).toString()).toBe(body);
  });

  test.each([
    ["is small", { body: "x".repeat(999) }, 1000],
    ["is encoded already", { body: "x".repeat(1000), headers: { "Content-Encoding": "br" } }, 1000],
    ["is of an API that compresses nothing", { body: "x".repeat(1000) }, undefined],
  ])("compresses no answer that %s", async (_, answer, minimumCompressionBytes) => {
    const gateway = await startGateway(
      options(() => Promise.resolve({ statusCode: 200, ...answer }), { minimumCompressionBytes }),
    );
    const { bytes } = await exchange(gateway.url, "gzip");
    await gateway.stop();
    expect(bytes.toString()).toBe(answer.body);
  });

  test("holds 64 MB of bodies that have not come whole, and tells further large ones to come back, but no small one", async () => {
    const gateway = await startGateway(options(() => Promise.resolve({ statusCode: 200 })));
    const most = Buffer.alloc(9 * 1024 ** 2);
    const large = Array.from({ length: 8 }, () => {
      const headers = { "content-length": most.length + 1 };
      const asked = send(gateway.url, { method: "POST", headers });
      const status = once(asked, "response").then(
        ([answer]) => (answer as IncomingMessage).resume().statusCode,
      );
      asked.write(most);
      return { asked, status };
    });
    const statuses = large.map(({ status }) => status);
    expect(await Promise.race(statuses)).toBe(429);
    expect((await fetch(gateway.url, { method: "POST", body: "{}" })).status).toBe(200);
    for (const { asked } of large) asked.end("x");
    const all = await Promise.all(statuses);
    expect(new Set(all)).toEqual(new Set([200, 429]));
    expect(all.filter((status) => status === 200).length).toBeGreaterThan(4);
    await gateway.stop();
  });

  test("serves who signed only as far as his policies go", async () => {
    const may = (path: string) => ({
      ...CREDENTIALS,
      policies: [
        {
          Statement: [
            {
              Effect: "Allow" as const,
              Action: "execute-api:Invoke",
              Resource: `arn:aws:execute-api:eu-central-1:123456789012:local/x/POST/${path}`,
            },
          ],
        },
      ],
    });
    const operation = { security: [{ sigv4: [] }], "x-amazon-apigateway-integration": integration };
    const definition = { paths: { "/": { post: operation } } };
    const statuses = [];
    for (const principals of [[may("")], [may("other")], [{ ...CREDENTIALS, policies: [] }], []]) {
      const invoke = () => Promise.resolve({ statusCode: 200 });
      const gateway = await startGateway(options(invoke, { definition, principals }));
      const url = `${gateway.url}/`;
      const headers = await signed(url, "{}");
      statuses.push((await fetch(url, { method: "POST", body: "{}", headers })).status);
      await gateway.stop();
    }
    expect(statuses).toEqual([200, 403, 403, 403]);
  });

  test("does not start with what it cannot do", async () => {
    const withOperation = (operation: object) =>
      startGateway(
        options(() => Promise.resolve({}), { definition: { paths: { "/": { post: operation } } } }),
      );
    await expect(withOperation({ "x-amazon-apigateway-integration": { type: "http" } })).rejects.toThrow(
      /integration http/,
    );
    await expect(
      withOperation({
        "x-amazon-apigateway-integration": { ...integration, uri: "functions/arn:other/invocations" },
      }),
    ).rejects.toThrow(/no function arn:other/);
    await expect(
      withOperation({ "x-amazon-apigateway-integration": integration, security: [{ cognito: [] }] }),
    ).rejects.toThrow(/cognito/);
  });
});
