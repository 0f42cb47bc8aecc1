import { ACTIONS, type Action, actionsOf, hasUrl } from "../../functions/sign-url/actions";
import { createHandler, prefersText } from "../../functions/sign-url/handler";
import { isKey } from "../../functions/sign-url/keys";
import { DIGEST, ENVIRONMENT, KEY, parse, signer } from "./tools";

const ask = signer();

const URL_ACTIONS = Object.entries(ACTIONS).filter(([, action]) => hasUrl(action));

/** The least that each action asks for. */
const LEAST: Record<string, object> = Object.fromEntries(
  URL_ACTIONS.map(([name, { fields }]: [string, Action]) => [
    name,
    {
      object_key: name === "putObject" || name === "createMultipartUpload" ? "cat.jpg" : KEY,
      ...("upload_id" in fields && { upload_id: "upload-1" }),
      ...("part_numbers" in fields && { part_numbers: [1] }),
    },
  ]),
);

describe("the signer answers", () => {
  test.each(Object.keys(LEAST))("%s on its own path and on POST / alike", async (name) => {
    const [onPath, onRoot] = await Promise.all([
      ask(`/${name}`, LEAST[name]),
      ask("/", { action: name, ...LEAST[name] }),
    ]);
    expect([onPath.statusCode, onRoot.statusCode]).toEqual([200, 200]);
    expect(Object.keys(parse(onRoot))).toEqual(Object.keys(parse(onPath)));
    expect(parse(onPath)).toMatchObject({ action: name, method: ACTIONS[name]?.method });
  });

  test("a new key for every payload, which it alone accepts back", async () => {
    const answers = await Promise.all([1, 2].map(() => ask("/putObject", { object_key: "folder/cat.jpg" })));
    const [first = "", second = ""] = answers.map((answer) => parse(answer).object_key);
    expect(first).toMatch(/^input\/[0-9a-f-]{36}\/folder\/cat\.jpg$/);
    expect(first).not.toBe(second);
    expect(isKey(first)).toBe(true);
    expect(parse(await ask("/getObject", { object_key: first })).object_key).toBe(first);
  });

  test("the same key for the same client token, which S3 lets nobody write over", async () => {
    const client_token = "6f1c2f6e-0a4b-4c1d-9e2f-0123456789ab";
    const fields = { object_key: "folder/cat.jpg", client_token, if_none_match: "*" };
    for (const { object_key, headers } of [
      await ask("/putObject", fields),
      await ask("/putObject", fields),
    ].map(parse)) {
      expect(object_key).toBe(`input/${client_token}/folder/cat.jpg`);
      expect(headers).toEqual({ "if-none-match": "*" });
    }
  });

  test("the key of another action as it was given", async () => {
    for (const name of ["uploadPart", "getObject", "deleteObject", "listParts"]) {
      expect(parse(await ask(`/${name}`, LEAST[name])).object_key).toBe(KEY);
    }
  });

  test("the stage's cap, where there is one and no header is bound to it", async () => {
    const capped = signer({ maxObjectBytes: 1000 });
    const capOf = async (of: typeof ask, action: string, fields: object) =>
      parse(await of(`/${action}`, { object_key: "a", ...fields })).max_object_bytes;
    expect([
      await capOf(capped, "createMultipartUpload", {}),
      await capOf(ask, "createMultipartUpload", {}),
      await capOf(capped, "putObject", { content_length: 1 }),
    ]).toEqual([1000, undefined, undefined]);
  });

  test("the end of the URL: 100 seconds from now, or what was asked", async () => {
    const { url, expires_at } = parse(await ask("/putObject", { object_key: "a" }));
    expect(url).toContain("X-Amz-Expires=100&");
    expect(url).toContain("X-Amz-Date=20261123T123456Z");
    expect(expires_at).toBe("2026-11-23T12:36:36Z");
    const longest = parse(await ask("/putObject", { object_key: "a", expires_in: 900 }));
    expect(longest.url).toContain("X-Amz-Expires=900&");
    expect(longest.expires_at).toBe("2026-11-23T12:49:56Z");
  });

  test("every header that the caller must send, each of them signed", async () => {
    const { headers, url } = parse(
      await ask("/putObject", {
        object_key: "a",
        content_type: "text/plain; charset=utf-8",
        content_length: 0,
        checksum_sha256: DIGEST,
        metadata: { author: "Lewis Carroll", "x-1": "b" },
        if_none_match: "*",
      }),
    );
    expect(headers).toEqual({
      "content-type": "text/plain; charset=utf-8",
      "content-length": "0",
      "x-amz-checksum-sha256": DIGEST,
      "x-amz-meta-author": "Lewis Carroll",
      "x-amz-meta-x-1": "b",
      "if-none-match": "*",
    });
    const signed = new URL(url).searchParams.get("X-Amz-SignedHeaders")?.split(";");
    expect(signed).toEqual([...Object.keys(headers), "host"].toSorted());
    // Hoisted into the query, a header would bind nothing.
    expect([...new URL(url).searchParams.keys()].filter((name) => name.toLowerCase() in headers)).toEqual([]);
  });

  test("one URL for each part, in the order asked", async () => {
    const answer = parse(await ask("/uploadPart", { ...LEAST["uploadPart"], part_numbers: [3, 10_000, 1] }));
    expect(answer.url).toBeUndefined();
    expect(answer.parts.map(({ part_number }) => part_number)).toEqual([3, 10_000, 1]);
    for (const { part_number, url } of answer.parts) {
      expect(new URL(url).searchParams.get("partNumber")).toBe(String(part_number));
      expect(new URL(url).searchParams.get("uploadId")).toBe("upload-1");
    }
  });

  test("1,000 parts in one call, within what API Gateway passes on", async () => {
    const part_numbers = Array.from({ length: 1000 }, (_, index) => index + 9001);
    const answer = await ask("/uploadPart", { object_key: KEY, upload_id: "u".repeat(200), part_numbers });
    expect(parse(answer).parts).toHaveLength(1000);
    expect(answer.body.length).toBeLessThan(6_000_000);
  });

  test("a download that a browser saves and never runs", async () => {
    const { url } = parse(await ask("/getObject", { object_key: KEY, version_id: "v.1_a" }));
    expect(new URL(url).searchParams.get("response-content-disposition")).toBe("attachment");
    expect(new URL(url).searchParams.get("versionId")).toBe("v.1_a");
  });

  test.each(["getObject", "headObject"])(
    "%s with the checksum, which S3 tells only where it is signed",
    async (name) => {
      const { headers, url } = parse(await ask(`/${name}`, { object_key: KEY, checksum_mode: "ENABLED" }));
      expect(headers).toEqual({ "x-amz-checksum-mode": "ENABLED" });
      expect(new URL(url).searchParams.get("X-Amz-SignedHeaders")).toBe("host;x-amz-checksum-mode");
    },
  );

  test("a completed upload whose length S3 checks", async () => {
    const { headers } = parse(
      await ask("/completeMultipartUpload", {
        ...LEAST["completeMultipartUpload"],
        content_length: 6_000_000_000,
      }),
    );
    expect(headers).toEqual({ "x-amz-mp-object-size": "6000000000" });
  });

  test("the bare URL, one a line, to a caller that wants text", async () => {
    const accept = { aCCept: "text/plain" };
    const answer = await ask("/putObject", { object_key: "cat.jpg" }, accept);
    expect(answer.headers?.["content-type"]).toBe("text/plain; charset=utf-8");
    expect(answer.body).toMatch(
      /^https:\/\/tweedle-test-content\.s3\.eu-central-1\.amazonaws\.com\/input\/\S+$/,
    );
    const parts = await ask("/uploadPart", { ...LEAST["uploadPart"], part_numbers: [1, 2] }, accept);
    expect(parts.body.split("\n")).toHaveLength(2);
  });

  test.each([
    ["text/plain", true],
    ["text/*", true],
    ["text/plain, application/json", true],
    ["TEXT/PLAIN; q=0.9, application/json; q=0.1", true],
    ["application/json, text/plain, */*", false],
    ["text/plain; q=0.5, application/json", false],
    ["text/plain; q=0, */*", false],
    ["text/html, */*", false],
    ["*/*", false],
    ["", false],
  ])("to Accept: %s text? %s", (accept, text) => {
    expect(prefersText(accept)).toBe(text);
  });

  test("nothing that a cache may keep, a browser may guess at, or that may be asked for without TLS again", async () => {
    for (const answer of [await ask("/putObject", { object_key: "a" }), await ask("/putObject", "{")]) {
      expect(answer.headers).toMatchObject({
        "cache-control": "no-store",
        "strict-transport-security": "max-age=63072000",
        "x-content-type-options": "nosniff",
      });
    }
  });

  test("a body in base64, as API Gateway sends binary ones", async () => {
    const handler = createHandler(ENVIRONMENT, { openApi: () => "" });
    const event = { httpMethod: "POST", resource: "/putObject", headers: {}, isBase64Encoded: true };
    const encode = (bytes: Uint8Array | string) => Buffer.from(bytes as string).toString("base64");
    const good = await handler({ ...event, body: encode('{"object_key":"ü"}') });
    expect(parse(good).object_key).toMatch(/\/ü$/);
    const bad = await handler({ ...event, body: Buffer.from([0x22, 0xff, 0x22]).toString("base64") });
    expect([bad.statusCode, parse(bad).error.code]).toEqual([400, "InvalidJson"]);
  });

  test("a body that begins with a byte order mark, and none that has one elsewhere", async () => {
    const body = '{"object_key":"cat.jpg"}';
    const inBase64 = (text: string) => ({
      body: Buffer.from(text).toString("base64"),
      isBase64Encoded: true,
    });
    const handler = createHandler(ENVIRONMENT, { openApi: () => "" });
    const event = { httpMethod: "POST", resource: "/putObject", headers: {} };
    for (const [text, status] of [
      [`\ufeff${body}`, 200],
      [`\ufeff\ufeff${body}`, 400],
      [`${body}\ufeff`, 400],
      ["\ufeff", 400],
    ] as const) {
      const sent = [{ body: text, isBase64Encoded: false }, inBase64(text)];
      const answers = await Promise.all(sent.map((one) => handler({ ...event, ...one })));
      expect(answers.map(({ statusCode }) => [text, statusCode])).toEqual([
        [text, status],
        [text, status],
      ]);
    }
  });

  test("its description on GET /openapi.json", async () => {
    const answer = await ask("/openapi.json", null, {}, "GET");
    expect([answer.statusCode, answer.body]).toEqual([200, '{"openapi":"3.0.1"}']);
    const head = await ask("/openapi.json", null, {}, "HEAD");
    expect(head).toEqual({ ...answer, body: "" });
  });
});

test.each([undefined, "/sendMessage"])(
  "what has no URL is refused, and where it is done is said (%s)",
  async (path = "/") => {
    const body = { action: "sendMessage", object_key: "cat.jpg", body: "" };
    for (const sent of [body, { action: "sendMessage" }]) {
      const answer = await ask(path, sent);
      expect([answer.statusCode, parse(answer).error.code]).toEqual([403, "ActionNotAllowed"]);
      expect(parse(answer).error.message).toContain("POST /sendMessage");
    }
  },
);

describe("on a stage whose consumers sign", () => {
  const open = signer({ roles: ["producer"] });
  const signed = signer({ roles: ["consumer"] });

  test.each(actionsOf(["consumer"]))("POST / refuses %s and says where to go", async (action) => {
    const answer = await open("/", { action, object_key: KEY });
    expect([answer.statusCode, parse(answer).error.code]).toEqual([403, "ActionNotAllowed"]);
    expect(parse(answer).error.message).toContain(`POST /${action}`);
  });

  test("the consumers' function signs for them and for nobody else", async () => {
    expect((await signed("/getObject", { object_key: KEY })).statusCode).toBe(200);
    expect((await signed("/putObject", { object_key: "a" })).statusCode).toBe(403);
    expect((await open("/putObject", { object_key: "a" })).statusCode).toBe(200);
  });
});

describe("on a stage that caps objects", () => {
  const capped = signer({ maxObjectBytes: 1000 });

  test("a length is required wherever bytes are announced", async () => {
    for (const name of ["putObject", "uploadPart", "completeMultipartUpload"]) {
      const answer = await capped(`/${name}`, LEAST[name]);
      expect([answer.statusCode, parse(answer).error.code]).toEqual([400, "MissingField"]);
      expect((await capped(`/${name}`, { ...LEAST[name], content_length: 1000 })).statusCode).toBe(200);
    }
  });

  test("a length over the cap is too much, and so are parts that are together", async () => {
    for (const name of ["putObject", "uploadPart", "completeMultipartUpload"]) {
      const answer = await capped(`/${name}`, { ...LEAST[name], content_length: 1001 });
      expect([answer.statusCode, parse(answer).error.code]).toEqual([413, "EntityTooLarge"]);
    }
    const together = await capped("/uploadPart", {
      ...LEAST["uploadPart"],
      part_numbers: [1, 2],
      content_length: 501,
    });
    expect([together.statusCode, parse(together).error.code]).toEqual([413, "EntityTooLarge"]);
  });
});
