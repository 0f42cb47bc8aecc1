import { createHandler } from "../../functions/sign-url/handler";
import { LIMITS } from "../../functions/sign-url/limits";
import { ENVIRONMENT, KEY, parse, signer } from "./tools";

const ask = signer();

/* What it refuses of a body is in the table of __tests__/abuse/cases.ts. */
describe("the signer refuses", () => {
  test.each([
    ["POST", "/nope", 404, "NoSuchRoute"],
    ["POST", "/constructor", 404, "NoSuchRoute"],
    ["POST", "/{proxy+}", 404, "NoSuchRoute"],
    ["GET", "/", 405, "MethodNotAllowed"],
    ["PUT", "/putObject", 405, "MethodNotAllowed"],
    ["POST", "/openapi.json", 405, "MethodNotAllowed"],
    ["DELETE", "/openapi.json", 405, "MethodNotAllowed"],
  ])("%s %s", async (method, path, status, code) => {
    const answer = await ask(path, {}, {}, method);
    expect([answer.statusCode, parse(answer).error.code]).toEqual([status, code]);
    expect(answer.headers?.["allow"]).toBe(
      status === 404 ? undefined : path === "/openapi.json" ? "GET, HEAD" : "POST",
    );
  });

  test("at the edge, what is just allowed", async () => {
    const edges: [string, object][] = [
      ["/putObject", { object_key: "a".repeat(LIMITS.keyBytes - 43) }],
      ["/putObject", { object_key: "a", content_length: LIMITS.putBytes, metadata: { a: "b".repeat(2047) } }],
      ["/putObject", { object_key: " a..b/…/.hidden ", content_type: 'a/b;c="d"' }],
      ["/putObject", { object_key: "a\ufeffb\u200bc/❤️/👨‍👩‍👧" }],
      // Made before names like this were refused.
      ["/getObject", { object_key: `${KEY}\ufeff` }],
      ["/uploadPart", { object_key: KEY, upload_id: "u", part_numbers: [1, 10_000], content_length: 0 }],
      ["/completeMultipartUpload", { object_key: KEY, upload_id: "u", content_length: LIMITS.objectBytes }],
      ["/getObject", { object_key: KEY, expires_in: 1 }],
    ];
    for (const [path, body] of edges) expect((await ask(path, body)).statusCode).toBe(200);
  });

  test.each([
    [
      "a text",
      `a\u001b[2J\u202e\n${"x".repeat(9000)}`,
      `"a\\u001b[2J\\u202e\\n${"x".repeat(93)}…" (9007 characters)`,
    ],
    ["a list", ["\u202e"], '["\\u202e"]'],
    ["an object", { a: "x".repeat(9000) }, `{"a":"${"x".repeat(94)}…`],
  ])("%s in place of a name, and quotes it cut and escaped", async (_, object_key, quoted) => {
    const answer = await ask("/putObject", { object_key });
    expect(parse(answer).error.message.endsWith(`, not ${quoted}.`)).toBe(true);
  });

  test("a name with what SQS and XML have no character for, or what is not seen, and says so", async () => {
    for (const [object_key, quoted] of [
      ["a\uffff", '"a\\uffff"'],
      ["a\ufeff", '"a\\ufeff"'],
    ] as const) {
      const { message } = parse(await ask("/putObject", { object_key })).error;
      expect(message).toContain("noncharacters (U+FFFE)");
      expect(message).toContain("zero-width character (U+200B, U+2060, U+FEFF)");
      expect(message.endsWith(`, not ${quoted}.`)).toBe(true);
    }
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

  describe("where a stage takes some media types only", () => {
    const picky = signer({ contentTypes: ["image/*", "application/vnd.a+b.c"] });
    const takes = "of a type that is taken here: image/*, application/vnd.a+b.c";

    test.each(["image/png", "image/svg+xml", 'image/png; a="b"', "application/vnd.a+b.c"])(
      "nothing of %s, which is one of them",
      async (content_type) => {
        for (const path of ["/putObject", "/createMultipartUpload"]) {
          const taken = await picky(path, { object_key: "a", content_type });
          expect([taken.statusCode, parse(taken).headers["content-type"]]).toEqual([200, content_type]);
        }
      },
    );

    test.each([
      "text/html",
      "image",
      "image/",
      "imagex/png",
      "ximage/png",
      "text/html; a=image/png",
      "image/png, text/html",
      "image/png;;text/html",
      "IMAGE/PNG",
      "application/vndxa+b.c",
      "application/vnd.a+b.c.d",
      "image/png\n",
    ])("%j, which is none", async (content_type) => {
      for (const [path, body] of [
        ["/putObject", {}],
        ["/createMultipartUpload", {}],
        ["/", { action: "putObject" }],
      ] as const) {
        const answer = await picky(path, { ...body, object_key: "a", content_type });
        expect([answer.statusCode, parse(answer).error]).toEqual([
          400,
          {
            code: "InvalidContentType",
            message: `content_type must be ${takes}, not ${JSON.stringify(content_type)}.`,
          },
        ]);
      }
    });

    test("a payload without one, and lets its parts be", async () => {
      const answer = await picky("/putObject", { object_key: "a" });
      expect([answer.statusCode, parse(answer).error]).toEqual([
        400,
        { code: "MissingField", message: `putObject needs content_type: ${takes}.` },
      ]);
      const part = { object_key: KEY, upload_id: "u", part_numbers: [1] };
      expect((await picky("/uploadPart", part)).statusCode).toBe(200);
    });
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
