import { createHash } from "node:crypto";
import { buildPage } from "../../functions/upload-form/build";
import { readEnvironment } from "../../functions/upload-form/environment";
import { createHandler } from "../../functions/upload-form/handler";
import { bundleForm } from "../../stacks/form";

const SETTINGS = { title: "Send us cats", maxObjectBytes: undefined, contentTypes: undefined };
const page = buildPage(SETTINGS);
const lines: string[] = [];
const handler = createHandler({ bucketOrigin: "https://bucket.example" }, page, {
  log: (line) => lines.push(line),
});

const get = async (headers: Record<string, string> | null = {}, httpMethod = "GET", resource = "/") =>
  handler({
    httpMethod,
    resource,
    headers: headers as Record<string, string>,
    body: null,
    isBase64Encoded: false,
    requestContext: { requestId: "r-1" },
  });
const headerOf = async (name: string) => String((await get()).headers?.[name]);

describe("the upload form", () => {
  test("answers GET / with a page that has nothing outside of it", async () => {
    const { statusCode, headers, body } = await get();
    expect([statusCode, headers?.["content-type"]]).toEqual([200, "text/html; charset=utf-8"]);
    expect(body.match(/\b(?:src|href|action)=["'](?!data:)|url\((?!data:)/g)).toBeNull();
    expect(body).not.toContain("{{");
  });

  test("lets run what is in the page and nothing else, and connect to the API and the bucket alone", async () => {
    const policy = Object.fromEntries(
      (await headerOf("content-security-policy")).split("; ").map((directive) => {
        const [name = "", ...sources] = directive.split(" ");
        return [name, sources];
      }),
    );
    const inlined = (tag: string) => {
      const [, text = "", ...others] = new RegExp(`<${tag}>(.*?)</${tag}>`, "s").exec(page.html) ?? [];
      expect(others).toEqual([]);
      return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
    };
    expect(policy).toEqual({
      "default-src": ["'none'"],
      "script-src": [inlined("script")],
      "style-src": [inlined("style")],
      "img-src": ["data:"],
      "connect-src": ["'self'", "https://bucket.example"],
      "base-uri": ["'none'"],
      "form-action": ["'none'"],
      "frame-ancestors": ["'none'"],
      "require-trusted-types-for": ["'script'"],
      "trusted-types": ["'none'"],
    });
    expect(page.html).not.toMatch(/ style=| on\w+="/);
  });

  test("is sniffed, framed and told of by nobody, and asked for by TLS from then on", async () => {
    expect((await get()).headers).toMatchObject({
      "strict-transport-security": "max-age=63072000",
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "x-frame-options": "DENY",
      "x-robots-tag": "noindex",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-resource-policy": "same-origin",
      "permissions-policy": expect.stringContaining("camera=()"),
      "cache-control": "no-cache",
      vary: "accept-encoding",
    });
  });

  test("says 304 to who has this page already, with the same headers and no body", async () => {
    const { headers: first } = await get();
    const etag = String(first?.["etag"]);
    expect(etag).toMatch(/^W\/"[\w-]{43}"$/);
    const strong = etag.replace("W/", "");
    for (const condition of [etag, strong, `"other", ${etag}`, `W/"other",${strong}`, "*"]) {
      for (const name of ["if-none-match", "If-None-Match"]) {
        const { statusCode, headers, body } = await get({ [name]: condition });
        expect([statusCode, body, headers]).toEqual([304, "", first]);
      }
    }
    for (const condition of ['"other"', 'W/"other"', "", strong.slice(1, -1), '"'.repeat(1000)]) {
      expect((await get({ "if-none-match": condition })).statusCode).toBe(200);
    }
    expect((await get(null)).statusCode).toBe(200);
  });

  test("is another page, with another ETag, where a stage says something else or its bucket is elsewhere", async () => {
    const tags = await Promise.all(
      [
        createHandler({ bucketOrigin: "https://other.example" }, page),
        createHandler({ bucketOrigin: "https://bucket.example" }, buildPage({ ...SETTINGS, title: "Dogs" })),
        handler,
      ].map(
        async (one) =>
          (await one({ httpMethod: "GET", resource: "/", headers: {}, body: null, isBase64Encoded: false }))
            .headers?.["etag"],
      ),
    );
    expect(new Set(tags).size).toBe(3);
  });

  test("answers HEAD as GET, without the page", async () => {
    const page200 = await get();
    expect(await get({}, "HEAD")).toEqual({ ...page200, body: "" });
    const condition = { "if-none-match": String(page200.headers?.["etag"]) };
    expect(await get(condition, "HEAD")).toEqual(await get(condition));
  });

  test.each([
    ["POST", "/", 405, "MethodNotAllowed"],
    ["HEADER", "/", 405, "MethodNotAllowed"],
    ["GET", "/putObject", 404, "NoSuchRoute"],
    ["GET", "/{proxy+}", 404, "NoSuchRoute"],
  ])("refuses %s %s, which is not its own", async (method, path, status, code) => {
    const { statusCode, body, headers } = await get({}, method, path);
    expect([statusCode, (JSON.parse(body) as { error: { code: string } }).error.code]).toEqual([
      status,
      code,
    ]);
    expect(headers).toMatchObject({
      "cache-control": "no-store",
      "content-type": "application/json; charset=utf-8",
    });
  });

  test("takes nothing of what a request says into its answer", async () => {
    const hostile = {
      host: "evil.example",
      origin: "https://evil.example",
      "x-forwarded-host": "evil.example",
    };
    expect(await get(hostile)).toEqual(await get());
  });

  test("logs a line for each request, with its id and nothing else that a caller made", async () => {
    lines.length = 0;
    await get({ "if-none-match": "secret" });
    expect(lines.map((line) => JSON.parse(line) as object)).toEqual([
      { level: "INFO", request_id: "r-1", status: 200, duration_ms: expect.any(Number) },
    ]);
  });

  test.each(["</title><script>alert(1)</script>", "{{style}}", "$& $1 $'", `"><img src=x onerror=alert(1)>`])(
    "shows a title as it is, whatever it is: %s",
    (title) => {
      const { html, policy } = buildPage({ ...SETTINGS, title });
      expect(policy).toBe(page.policy);
      const escaped = title.replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);
      expect(html).toBe(page.html.replaceAll("Send us cats", () => escaped));
    },
  );

  test("has its bucket where the signer's URLs lead", () => {
    const variables = { BUCKET_NAME: "b", AWS_REGION: "eu-central-1" };
    expect(readEnvironment(variables)).toEqual({ bucketOrigin: "https://b.s3.eu-central-1.amazonaws.com" });
    const local = { ...variables, AWS_ENDPOINT_URL_S3: "http://127.0.0.1:4601/" };
    expect(readEnvironment(local)).toEqual({ bucketOrigin: "http://127.0.0.1:4601" });
    expect(() => readEnvironment({ AWS_REGION: "eu-central-1" })).toThrow("BUCKET_NAME is not set");
    expect(() => readEnvironment({ BUCKET_NAME: "b" })).toThrow("AWS_REGION is not set");
  });

  test("has a bundle that is small, the same each time, and holds nothing that signs or reaches the network", () => {
    const [first, second] = [1, 2].map(() => bundleForm(SETTINGS));
    expect(first?.hash).toBe(second?.hash);
    const code = first?.code ?? "";
    expect(Buffer.byteLength(code)).toBeLessThan(10_000);
    const loaded = [...code.matchAll(/require\("(?:node:)?([^"]+)"\)/g)].map(([, name]) => name);
    expect(loaded.filter((name) => !["crypto", "fs", "path"].includes(name ?? ""))).toEqual([]);
    expect(code).not.toMatch(/AWS4|SECRET_ACCESS/);
  });
});
