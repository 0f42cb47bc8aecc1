import { createHandler } from "../../functions/sign-url/handler";
import { LIMITS } from "../../functions/sign-url/limits";
import { DIGEST, ENVIRONMENT, KEY, parse, signer } from "./tools";

const ask = signer();
const UUID = KEY.slice(6, 42);

/** What the caller sends to POST <path>, the status, the code. Strings are bodies as they are. */
const REFUSALS: readonly (readonly [
  what: string,
  path: string,
  body: unknown,
  status: number,
  code: string,
])[] = [
  ["an empty body", "/", "", 400, "InvalidJson"],
  ["no body", "/", null, 400, "InvalidJson"],
  ["a body that is no JSON", "/", "object_key=cat.jpg", 400, "InvalidJson"],
  ["JSON that breaks off", "/", '{"action": "putObject"', 400, "InvalidJson"],
  ["an array", "/", "[]", 400, "InvalidRequest"],
  ["a string", "/", '"putObject"', 400, "InvalidRequest"],
  ["a number", "/", "1", 400, "InvalidRequest"],
  ["null", "/", "null", 400, "InvalidRequest"],
  ["no action", "/", { object_key: "a" }, 400, "MissingAction"],
  ["an unknown action", "/", { action: "copyObject", object_key: "a" }, 400, "UnknownAction"],
  ["an action in another case", "/", { action: "PutObject", object_key: "a" }, 400, "UnknownAction"],
  ["an action that is no string", "/", { action: ["putObject"], object_key: "a" }, 400, "UnknownAction"],
  ["a prototype's name", "/", { action: "constructor", object_key: "a" }, 400, "UnknownAction"],
  ["__proto__ as action", "/", '{"action":"__proto__","object_key":"a"}', 400, "UnknownAction"],
  ["toString as action", "/", { action: "toString", object_key: "a" }, 400, "UnknownAction"],
  ["two actions", "/putObject", { action: "getObject", object_key: "a" }, 400, "ActionMismatch"],
  ["an unknown field", "/putObject", { object_key: "a", acl: "public-read" }, 400, "UnknownField"],
  ["a field of another action", "/getObject", { object_key: KEY, content_length: 1 }, 400, "UnknownField"],
  ["__proto__ as field", "/putObject", '{"object_key":"a","__proto__":{"x":1}}', 400, "UnknownField"],
  ["a bucket", "/putObject", { object_key: "a", bucket: "b" }, 400, "UnknownField"],
  ["no key", "/putObject", {}, 400, "MissingField"],
  ["no upload id", "/listParts", { object_key: KEY }, 400, "MissingField"],
  ...(
    [
      ["an empty name", ""],
      ["a number", 7],
      ["null", null],
      ["a slash first", "/etc/passwd"],
      ["a slash last", "folder/"],
      ["two slashes", "a//b"],
      ["..", "a/../b"],
      [".. alone", ".."],
      [".", "./a"],
      ["a backslash", "a\\b"],
      ["a null byte", "a\0b"],
      ["a line feed", "a\nb"],
      ["a delete", "a\x7fb"],
      ["a C1 control", "a\x85b"],
      ["a line separator", "a\u2028b"],
      ["a right-to-left override", "gpj.\u202etac"],
      ["a right-to-left mark", "a\u200fb"],
      ["an isolate", "a\u2066b"],
      ["half a surrogate pair", "a\ud800b"],
      ["a noncharacter", "a\uffffb"],
      ["1,025 bytes with its prefix", "a".repeat(LIMITS.keyBytes - 43 + 1)],
      ["1,025 bytes of two each", "ü".repeat((LIMITS.keyBytes - 43 + 1) / 2)],
    ] as const
  ).map(
    ([what, object_key]) =>
      [`a name with ${what}`, "/putObject", { object_key }, 400, "InvalidObjectKey"] as const,
  ),
  ...(
    [
      ["no prefix", "cat.jpg"],
      ["another prefix", KEY.replace("input", "output")],
      ["no UUID", "input/cat.jpg"],
      ["a UUID of another version", KEY.replace("-4c1d-", "-1c1d-")],
      ["a UUID in capitals", KEY.toUpperCase().replace("INPUT", "input")],
      ["nothing after the UUID", `input/${UUID}`],
      ["nothing after the slash", `input/${UUID}/`],
      ["a way out", `input/${UUID}/../../secret`],
      ["another key before it", `x/${KEY}`],
      ["a line feed before it", `\n${KEY}`],
    ] as const
  ).map(
    ([what, object_key]) =>
      [`a key with ${what}`, "/getObject", { object_key }, 400, "InvalidObjectKey"] as const,
  ),
  ...[-1, 1.5, "12", null, true, Number.MAX_VALUE].map(
    (content_length) =>
      [
        `a length of ${JSON.stringify(content_length)}`,
        "/putObject",
        { object_key: "a", content_length },
        content_length === Number.MAX_VALUE ? 413 : 400,
        content_length === Number.MAX_VALUE ? "EntityTooLarge" : "InvalidContentLength",
      ] as const,
  ),
  [
    "a length over one PUT",
    "/putObject",
    { object_key: "a", content_length: LIMITS.putBytes + 1 },
    413,
    "EntityTooLarge",
  ],
  [
    "a length over 10,000 parts",
    "/completeMultipartUpload",
    { object_key: KEY, upload_id: "u", content_length: LIMITS.objectBytes + 1 },
    413,
    "EntityTooLarge",
  ],
  ...[
    Buffer.alloc(31).toString("base64"),
    Buffer.alloc(33).toString("base64"),
    Buffer.alloc(32).toString("hex"),
    DIGEST.replace("=", ""),
    DIGEST.replace("A=", "B="),
    `${DIGEST}\n`,
    DIGEST.replace("A", "-"),
    "",
  ].map(
    (checksum_sha256) =>
      [
        `a digest of ${JSON.stringify(checksum_sha256)}`,
        "/putObject",
        { object_key: "a", checksum_sha256 },
        400,
        "InvalidChecksumSha256",
      ] as const,
  ),
  ...[
    [0],
    [10_001],
    [1.5],
    ["1"],
    [],
    [1, 1],
    1,
    null,
    Array.from({ length: 1001 }, (_, index) => index + 1),
  ].map(
    (part_numbers) =>
      [
        `part numbers ${JSON.stringify(part_numbers).slice(0, 30)}`,
        "/uploadPart",
        { object_key: KEY, upload_id: "u", part_numbers },
        400,
        "InvalidPartNumbers",
      ] as const,
  ),
  [
    "one digest for two parts",
    "/uploadPart",
    { object_key: KEY, upload_id: "u", part_numbers: [1, 2], checksum_sha256: DIGEST },
    400,
    "InvalidPartNumbers",
  ],
  ...[0, -1, 1.5, 901, "100", null].map(
    (expires_in) =>
      [
        `expires_in ${JSON.stringify(expires_in)}`,
        "/getObject",
        { object_key: KEY, expires_in },
        400,
        "InvalidExpiresIn",
      ] as const,
  ),
  ...(
    [
      ["an array", ["a"]],
      ["a string", "a=b"],
      ["a number for a value", { a: 1 }],
      ["an empty value", { a: "" }],
      ["a line feed in a value", { a: "b\r\nx-amz-acl: public-read" }],
      ["a space at the end", { a: "b " }],
      ["two spaces", { a: "b  c" }],
      ["an umlaut in a value", { a: "ü" }],
      ["a space in a name", { "a b": "c" }],
      ["a colon in a name", { "a:b": "c" }],
      ["a capital in a name", { A: "b" }],
      ["an empty name", { "": "b" }],
      ["2,049 bytes", { a: "b".repeat(2048) }],
    ] as const
  ).map(
    ([what, metadata]) =>
      [`metadata with ${what}`, "/putObject", { object_key: "a", metadata }, 400, "InvalidMetadata"] as const,
  ),
  [
    "__proto__ as metadata",
    "/putObject",
    '{"object_key":"a","metadata":{"__proto__":"b"}}',
    400,
    "InvalidMetadata",
  ],
  ...[
    "jpeg",
    "text/",
    "text/plain\r\nx: y",
    "text/plain;  charset=utf-8",
    "",
    1,
    `text/${"p".repeat(260)}`,
  ].map(
    (content_type) =>
      [
        `a content type of ${JSON.stringify(content_type).slice(0, 40)}`,
        "/putObject",
        { object_key: "a", content_type },
        400,
        "InvalidContentType",
      ] as const,
  ),
  [
    "an ETag in if_none_match",
    "/putObject",
    { object_key: "a", if_none_match: '"x"' },
    400,
    "InvalidIfNoneMatch",
  ],
  ...[
    UUID.toUpperCase(),
    UUID.replace("-4c1d-", "-1c1d-"),
    UUID.replace("-9e2f-", "-ce2f-"),
    UUID.replaceAll("-", ""),
    `{${UUID}}`,
    `${UUID}\n`,
    `${UUID}/x`,
    "",
    1,
    null,
  ].map(
    (client_token) =>
      [
        `a client token of ${JSON.stringify(client_token)}`,
        "/putObject",
        { object_key: "a", if_none_match: "*", client_token },
        400,
        "InvalidClientToken",
      ] as const,
  ),
  [
    "a client token that may write over a payload",
    "/putObject",
    { object_key: "a", client_token: UUID },
    400,
    "MissingField",
  ],
  [
    "a client token for parts",
    "/createMultipartUpload",
    { object_key: "a", client_token: UUID },
    400,
    "UnknownField",
  ],
  ...["enabled", "DISABLED", "", true, null].flatMap((checksum_mode) =>
    ["getObject", "headObject"].map(
      (action) =>
        [
          `${action} with the checksum mode ${JSON.stringify(checksum_mode)}`,
          `/${action}`,
          { object_key: KEY, checksum_mode },
          400,
          "InvalidChecksumMode",
        ] as const,
    ),
  ),
  [
    "a version id with a space",
    "/getObject",
    { object_key: KEY, version_id: "a b" },
    400,
    "InvalidVersionId",
  ],
  [
    "an upload id with an ampersand",
    "/listParts",
    { object_key: KEY, upload_id: "a&b" },
    400,
    "InvalidUploadId",
  ],
  [
    "another checksum algorithm",
    "/createMultipartUpload",
    { object_key: "a", checksum_algorithm: "MD5" },
    400,
    "InvalidChecksumAlgorithm",
  ],
  [
    "a body over 16 KB",
    "/putObject",
    { object_key: "a".repeat(LIMITS.requestBytes) },
    413,
    "RequestTooLarge",
  ],
];

describe("the signer refuses", () => {
  test.each(REFUSALS)("%s (POST %s)", async (_, path, body, status, code) => {
    const answer = await ask(path, body);
    expect([answer.statusCode, parse(answer).error.code]).toEqual([status, code]);
    expect(parse(answer).error.message).toMatch(/^.{10,700}\.$/s);
    expect(answer.body).not.toMatch(/X-Amz|amazonaws|tweedle-test-content|AKIDEXAMPLE|\bat .*\.ts/);
  });

  test.each([
    ["POST", "/nope", 404, "NoSuchRoute"],
    ["POST", "/constructor", 404, "NoSuchRoute"],
    ["POST", "/{proxy+}", 404, "NoSuchRoute"],
    ["GET", "/", 405, "MethodNotAllowed"],
    ["PUT", "/putObject", 405, "MethodNotAllowed"],
    ["POST", "/openapi.json", 405, "MethodNotAllowed"],
  ])("%s %s", async (method, path, status, code) => {
    const answer = await ask(path, {}, {}, method);
    expect([answer.statusCode, parse(answer).error.code]).toEqual([status, code]);
    expect(answer.headers?.["allow"]).toBe(
      status === 404 ? undefined : path === "/openapi.json" ? "GET" : "POST",
    );
  });

  test("at the edge, what is just allowed", async () => {
    const edges: [string, object][] = [
      ["/putObject", { object_key: "a".repeat(LIMITS.keyBytes - 43) }],
      ["/putObject", { object_key: "a", content_length: LIMITS.putBytes, metadata: { a: "b".repeat(2047) } }],
      ["/putObject", { object_key: " a..b/…/.hidden ", content_type: 'a/b;c="d"' }],
      ["/uploadPart", { object_key: KEY, upload_id: "u", part_numbers: [1, 10_000], content_length: 0 }],
      ["/completeMultipartUpload", { object_key: KEY, upload_id: "u", content_length: LIMITS.objectBytes }],
      ["/getObject", { object_key: KEY, expires_in: 1 }],
    ];
    for (const [path, body] of edges) expect((await ask(path, body)).statusCode).toBe(200);
  });

  test("a URL that could write over a payload, where the bucket takes new ones only", async () => {
    const strict = signer({ denyOverwrites: true });
    const upload = { object_key: KEY, upload_id: "u" };
    for (const [path, body] of [
      ["/putObject", { object_key: "a" }],
      ["/completeMultipartUpload", upload],
    ] as const) {
      const refused = await strict(path, body);
      expect([refused.statusCode, parse(refused).error]).toEqual([
        400,
        { code: "MissingField", message: `${path.slice(1)} needs if_none_match: "*".` },
      ]);
      expect((await strict(path, { ...body, if_none_match: "*" })).statusCode).toBe(200);
    }
    expect((await strict("/createMultipartUpload", { object_key: "a" })).statusCode).toBe(200);
    expect((await strict("/uploadPart", { ...upload, part_numbers: [1] })).statusCode).toBe(200);
  });

  test("our own fault with 500, which says nothing", async () => {
    const broken = createHandler(ENVIRONMENT, {
      openApi: () => {
        throw new Error("tweedle-test-content is broken");
      },
    });
    const answer = await broken({
      httpMethod: "GET",
      resource: "/openapi.json",
      headers: {},
      body: null,
      isBase64Encoded: false,
    });
    expect([answer.statusCode, parse(answer).error.code]).toEqual([500, "InternalError"]);
    expect(answer.body).not.toContain("broken");
  });
});
