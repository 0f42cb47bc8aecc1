import { createHash } from "node:crypto";
import { ACTIONS, hasUrl } from "../../functions/sign-url/actions";
import { createHandler } from "../../functions/sign-url/handler";
import { requestLine } from "../../functions/sign-url/log";
import { DIGEST, ENVIRONMENT, KEY, NOW } from "./tools";

/** A signer's answers, and its log. */
function signer(openApi = () => "{}") {
  const lines: string[] = [];
  const credentials = { ...ENVIRONMENT.credentials, sessionToken: "a-session-token" };
  const handler = createHandler(
    { ...ENVIRONMENT, credentials },
    { openApi, clock: () => NOW, log: (line) => lines.push(line) },
  );
  const ask = async (resource: string, body: unknown, requestId = "r-1", httpMethod = "POST") => {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const event = { httpMethod, resource, headers: {}, body: text, isBase64Encoded: false };
    const answer = await handler({ ...event, requestContext: { requestId } });
    return { answer, line: JSON.parse(lines.at(-1) ?? "") as Record<string, unknown> };
  };
  return { ask, lines };
}

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

/** What each action is asked with, so that it answers a URL. */
const fieldsOf = (name: string) => ({
  object_key: ACTIONS[name]?.newKey ? "cat.jpg" : KEY,
  ...("upload_id" in (ACTIONS[name]?.fields ?? {}) && { upload_id: "an-upload" }),
  ...("part_numbers" in (ACTIONS[name]?.fields ?? {}) && { part_numbers: [1, 2] }),
});
const withUrl = Object.entries(ACTIONS).flatMap(([name, action]) => (hasUrl(action) ? [name] : []));

test.each(withUrl)(
  "%s is logged in one line: who, what, how it went, and of the key the digest of its name",
  async (name) => {
    const { ask, lines } = signer();
    for (const path of ["/", `/${name}`]) {
      const { line } = await ask(path, { ...fieldsOf(name), action: name });
      expect(line).toEqual({
        level: "INFO",
        request_id: "r-1",
        action: name,
        name_sha256: sha256("cat.jpg"),
        status: 200,
        duration_ms: expect.any(Number),
      });
    }
    expect(lines.join("")).toMatch(/^(\{[^\n]*\}\n){2}$/);
  },
);

test.each<[string, unknown, number, string, string | undefined]>([
  ["/putObject", "no JSON", 400, "InvalidJson", "putObject"],
  ["/", { action: "getObject", object_key: "cat.jpg" }, 400, "InvalidObjectKey", undefined],
  ["/", { action: "https://example.com/a-url", object_key: KEY }, 400, "UnknownAction", undefined],
  ["/getObject", { object_key: KEY, [KEY]: 1 }, 400, "UnknownField", "getObject"],
  ["/putObject", `"${"a".repeat(20_000)}"`, 413, "RequestTooLarge", "putObject"],
  ["/nowhere", {}, 404, "NoSuchRoute", undefined],
])("a refusal is a warning with its code: %s %j", async (path, body, status, code, action) => {
  const { line } = await signer().ask(path, body);
  expect(line).toEqual({
    level: "WARN",
    request_id: "r-1",
    ...(action && { action }),
    status,
    code,
    duration_ms: expect.any(Number),
  });
});

test("no line holds a URL, a signature, a token, a key's UUID or what the body says, whatever is asked", async () => {
  const { ask, lines } = signer();
  const secret = "wonderland";
  const bodies = (name: string): unknown[] => [
    { ...fieldsOf(name), content_type: `text/${secret}`, metadata: { secret }, checksum_sha256: DIGEST },
    fieldsOf(name),
    { ...fieldsOf(name), object_key: `${KEY}/${secret}/..` },
    { ...fieldsOf(name), [secret]: secret },
    { ...fieldsOf(name), action: secret },
    { ...fieldsOf(name), version_id: `${secret} ${KEY}`, upload_id: `${secret}\n` },
    `{"object_key": "${KEY}", ${secret}`,
    [secret, KEY],
    secret,
  ];
  const answers: string[] = [];
  for (const name of Object.keys(ACTIONS)) {
    for (const body of bodies(name)) {
      for (const path of ["/", `/${name}`, `/${secret}`]) {
        answers.push((await ask(path, body)).answer.body);
        await ask(path, body, `r-1 https://${secret} ${KEY}`, "GET");
      }
    }
  }
  const [, uuid = ""] = KEY.split("/");
  const signatures = [...answers.join().matchAll(/X-Amz-Signature=(\w+)/g)].map(([, signature]) => signature);
  expect(signatures.length).toBeGreaterThan(10);
  const uuids = [...answers.join().matchAll(/input\/([0-9a-f-]{36})\//g)].map(([, made]) => made);
  const log = lines.join("");
  for (const text of [
    secret,
    uuid,
    "http",
    "X-Amz",
    "a-session-token",
    "input/",
    DIGEST,
    ...signatures,
    ...uuids,
  ]) {
    expect(log).not.toContain(text);
  }
});

test("a fault of ours is an error with its stack, in one line and without what a stack may quote", async () => {
  const { ask, lines } = signer(() => {
    const cause = new TypeError("fetch failed: https://example.com/?X-Amz-Signature=abc");
    throw new Error(`It broke\nat ${KEY}`, { cause });
  });
  const { answer, line } = await ask("/openapi.json", "", "r-1", "GET");
  expect([answer.statusCode, answer.body.includes("It broke")]).toEqual([500, false]);
  expect(line).toMatchObject({ level: "ERROR", status: 500, code: "InternalError" });
  expect(line["stack"]).toMatch(
    /^Error: It broke\nat input\/…\/cat\.jpg\n +at .* Cause: TypeError: fetch failed: …\n/s,
  );
  expect(lines.join("")).toMatch(/^[^\n]*\n$/);
});

test("a stack that quotes what a caller sent is cut, and has no character that changes how a line is read", async () => {
  const controls = "\u001b[2J\u202e\u2028\u009b";
  const { ask, lines } = signer(() => {
    throw new Error(controls + "x".repeat(200_000));
  });
  const { line } = await ask("/openapi.json", "", "r-1", "GET");
  expect(String(line["stack"]).startsWith(`Error: ${controls}xxx`)).toBe(true);
  expect(lines.join("")).toMatch(/^[^\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]{1,10000}\n$/u);
});

test("a request id that a caller made up is left out, unless it is a word", async () => {
  const { ask } = signer();
  const idOf = async (id: string) => (await ask("/getObject", { object_key: KEY }, id)).line["request_id"];
  const uuid = "5a1b7c9e-0000-4000-8000-000000000000";
  expect([await idOf(uuid), await idOf('"},{'), await idOf("a".repeat(65))]).toEqual([
    uuid,
    undefined,
    undefined,
  ]);
});

test("a line costs microseconds", async () => {
  const { ask } = signer();
  const { line } = await ask("/getObject", { object_key: KEY });
  const start = performance.now();
  for (let index = 0; index < 10_000; index += 1)
    requestLine("r-1", { action: "getObject", name: "cat.jpg" }, 200, undefined, 1);
  // Some 3 µs; the rest is for a machine that is busy.
  expect((performance.now() - start) / 10_000).toBeLessThan(0.1);
  expect(Number(line["duration_ms"])).toBeGreaterThan(0);
});
