import * as fc from "fast-check";
import { createHandler as createSender } from "../../functions/send-message/handler";
import { createHandler as createSigner, prefersText } from "../../functions/sign-url/handler";
import { KEY_PREFIX, isKey } from "../../functions/sign-url/keys";
import { LIMITS } from "../../functions/sign-url/limits";
import type { ProxyEvent } from "../../functions/sign-url/proxy";
import { CREDENTIALS } from "../send-message/tools";
import { ENVIRONMENT, KEY, NOW, parse } from "../sign-url/tools";

const HOST = `${ENVIRONMENT.bucketName}.s3.${ENVIRONMENT.region}.amazonaws.com`;
const QUEUE_URL = "https://sqs.eu-central-1.amazonaws.com/123456789012/tweedle-test-queue";
const UUID = KEY.slice(6, 42);

const sign = createSigner(ENVIRONMENT, { openApi: () => "{}", clock: () => NOW });

/** What was sent to SQS, which takes everything. */
const sent: { url: string; body: string }[] = [];
const send = createSender(
  {
    queueUrl: new URL(QUEUE_URL),
    region: "eu-central-1",
    credentials: CREDENTIALS,
    maxObjectBytes: undefined,
  },
  {
    fetch: (url, { body } = {}) => {
      sent.push({ url: new Request(url).url, body: body as string });
      return Promise.resolve(new Response('{"MessageId":"m-1"}'));
    },
  },
);
afterEach(() => sent.splice(0));

const event = (resource: string, body: unknown, changes: Partial<ProxyEvent> = {}): ProxyEvent => ({
  httpMethod: "POST",
  resource,
  headers: {},
  body: typeof body === "string" ? body : JSON.stringify(body),
  isBase64Encoded: false,
  ...changes,
});

/** Names of all kinds, most of which are nearly fit. */
const name = fc.oneof(
  fc.string({ unit: "binary", minLength: 1, maxLength: 40 }),
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }),
  fc
    .array(
      fc.constantFrom(
        "a",
        "ü",
        "😀",
        " ",
        "+",
        "%",
        "%2f",
        "%2e%2e",
        "..",
        ".",
        "/",
        "\\",
        "?",
        "#",
        "&",
        "=",
        "'",
        "\u202e",
        "\ud800",
      ),
      { minLength: 1, maxLength: 12 },
    )
    .map((pieces) => pieces.join("")),
);
/** Text that is within what JSON, headers and keys are made of. */
const word = fc.oneof(
  fc.constantFrom(
    "host",
    "Host",
    "x-forwarded-host",
    "X-Forwarded-Proto",
    "accept",
    "Accept",
    "authorization",
    "x-amz-date",
    "content-type",
    "x-http-method-override",
    "__proto__",
    "constructor",
    "evil.example",
    "https://evil.example",
  ),
  fc.string({ unit: "grapheme-ascii", maxLength: 20 }),
);

describe("Whatever a payload is called,", () => {
  test("it is refused, or its URL leads to its key by every parser's reading, and nowhere else", async () => {
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(name, async (object_key) => {
        const answer = await sign(event("/putObject", { object_key }));
        const isTaken = answer.statusCode === 200;
        expect(isTaken || parse(answer).error.code === "InvalidObjectKey").toBe(true);
        if (!isTaken) return;
        taken += 1;
        const { url: text, object_key: key } = parse(answer);
        const url = new URL(text);
        // A parser that found dots to resolve, or something to encode, would write it otherwise.
        expect(url.href).toBe(text);
        expect([url.host, url.hash, url.username]).toEqual([HOST, "", ""]);
        expect(decodeURIComponent(url.pathname.slice(1))).toBe(key);
        expect(key.slice(KEY_PREFIX.length + 37)).toBe(object_key);
        expect([...url.searchParams.keys()].filter((parameter) => !/^X-Amz-|^x-id$/.test(parameter))).toEqual(
          [],
        );
        // The same key is taken back, and refused with a step out of it.
        expect((await sign(event("/getObject", { object_key: key }))).statusCode).toBe(200);
        expect((await sign(event("/getObject", { object_key: `${key}/..` }))).statusCode).toBe(400);
      }),
      { numRuns: 500 },
    );
    expect(taken).toBeGreaterThan(50);
  });

  test("two producers never have one key, and one has it again by its token alone", async () => {
    const keyOf = async (fields: object) =>
      parse(await sign(event("/putObject", { if_none_match: "*", ...fields }))).object_key;
    await fc.assert(
      fc.asyncProperty(fc.uuid({ version: 4 }), fc.uuid({ version: 4 }), async (token, other) => {
        fc.pre(token !== other);
        const keys = await Promise.all([
          keyOf({ object_key: "a" }),
          keyOf({ object_key: "a" }),
          keyOf({ object_key: "a", client_token: token }),
          keyOf({ object_key: "a", client_token: token }),
        ]);
        expect(new Set(keys).size).toBe(3);
        expect(keys[2]).toBe(`input/${token}/a`);
        expect(await keyOf({ object_key: "a", client_token: other })).not.toBe(keys[2]);
      }),
      { numRuns: 200 },
    );
  });
});

describe("Whatever the headers say,", () => {
  const headers = fc.dictionary(word, fc.oneof(word, fc.constant(undefined)), { maxKeys: 8 });
  const body = { object_key: "a", client_token: UUID, if_none_match: "*" };

  test("the answer is the same, but for the form that Accept asks for", async () => {
    const { body: usual } = await sign(event("/putObject", body));
    const { url } = parse({ body: usual });
    await fc.assert(
      fc.asyncProperty(headers, async (given) => {
        const { statusCode, body: said } = await sign(
          event("/putObject", body, { headers: given, multiValueHeaders: {} } as Partial<ProxyEvent>),
        );
        expect(statusCode).toBe(200);
        expect([usual, url]).toContain(said);
      }),
      { numRuns: 1000 },
    );
  });

  test("an error stays JSON", async () => {
    await fc.assert(
      fc.asyncProperty(headers, async (given) => {
        const {
          statusCode,
          headers: answered,
          body: said,
        } = await sign(event("/putObject", { object_key: "../a" }, { headers: given }));
        expect([statusCode, parse({ body: said }).error.code]).toEqual([400, "InvalidObjectKey"]);
        expect(answered?.["content-type"]).toMatch(/^application\/json/);
      }),
    );
  });

  /** Media types that a page may send to another site without being allowed to, and JSON under other names. */
  const otherTypes = fc.oneof(
    fc.constantFrom(
      undefined,
      "",
      "text/plain",
      "text/plain;charset=UTF-8",
      "text/plain; application/json",
      "text/plain;a=application/json",
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=application/json",
      "application/jsonp",
      "application/json-patch+json",
      "application/problem+json",
      "text/json",
    ),
    word,
  );
  const origin = fc.constantFrom("https://evil.example", "null", "", "https://local");
  const isJson = (type: string | undefined) => /^application\/json *(;|$)/i.test(type ?? "");

  test.each([
    ["signer", sign, "/putObject", { object_key: "a" }],
    ["sender", send, "/sendMessage", { object_key: "a", body: "" }],
  ] as const)(
    "the %s takes no form's POST from a page, and every media type from a program",
    async (_, handle, path, fit) => {
      await fc.assert(
        fc.asyncProperty(otherTypes, origin, fc.boolean(), async (type, site, lower) => {
          fc.pre(!isJson(type));
          const given = type === undefined ? {} : { [lower ? "content-type" : "Content-Type"]: type };
          const page = await handle(
            event(path, fit, { headers: { ...given, [lower ? "origin" : "Origin"]: site } }),
          );
          expect([page.statusCode, parse(page).error.code]).toEqual([415, "UnsupportedMediaType"]);
          expect((await handle(event(path, fit, { headers: given }))).statusCode).toBe(200);
        }),
        { numRuns: 300 },
      );
      for (const type of ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON;a=b"]) {
        const ofPage = { Origin: "https://evil.example", "Content-Type": type };
        expect((await handle(event(path, fit, { headers: ofPage }))).statusCode).toBe(200);
      }
    },
  );

  test("Accept of any length is read in a moment", () => {
    const accept = fc
      .array(
        fc.constantFrom(
          "text/plain",
          "*/*",
          ",",
          ";",
          "q=",
          "=",
          "0.5",
          " ",
          "\t",
          "é",
          "application/json",
          "q=1e999",
        ),
        {
          maxLength: 3000,
        },
      )
      .map((pieces) => pieces.join(""));
    fc.assert(
      fc.property(accept, (text) => {
        const began = performance.now();
        expect(typeof prefersText(text)).toBe("boolean");
        expect(performance.now() - began).toBeLessThan(500);
      }),
      { numRuns: 500 },
    );
  });
});

describe("Whatever the body is,", () => {
  const fit = JSON.stringify({
    object_key: "cat.jpg",
    content_type: 'text/plain; charset="utf-8"',
    metadata: { author: "Lewis Carroll" },
    client_token: UUID,
  });
  /** A fit body of which some bytes are others, more or fewer. */
  const damaged = (text: string) =>
    fc
      .array(fc.tuple(fc.nat(text.length), fc.nat(3), fc.uint8Array({ maxLength: 4 })), {
        minLength: 1,
        maxLength: 4,
      })
      .map((changes) =>
        changes.reduce((bytes, [at, drop, put]) => {
          const cut = Math.min(at, bytes.length);
          return Buffer.concat([bytes.subarray(0, cut), put, bytes.subarray(cut + drop)]);
        }, Buffer.from(text)),
      );

  test("damaged on the way, it is refused with a code, or it is fit: never half taken, never our fault", async () => {
    await fc.assert(
      fc.asyncProperty(damaged(fit), async (bytes) => {
        const request = { body: bytes.toString("base64"), isBase64Encoded: true };
        const { statusCode, body } = await sign(event("/createMultipartUpload", "", request));
        expect([200, 400, 413]).toContain(statusCode);
        const { object_key, error } = parse({ body });
        expect(statusCode === 200 ? isKey(object_key) : /^[A-Z]\w+$/.test(error.code)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test("an upload's URL holds what the caller said as values, and no parameter that he chose", async () => {
    const opaque = fc.string({
      unit: fc.constantFrom(..."aZ09._~+/=-".split("")),
      minLength: 1,
      maxLength: 30,
    });
    await fc.assert(
      fc.asyncProperty(
        opaque,
        fc.uniqueArray(fc.integer({ min: 1, max: 10_000 }), { minLength: 1, maxLength: 5 }),
        async (upload_id, part_numbers) => {
          const { parts } = parse(
            await sign(event("/uploadPart", { object_key: KEY, upload_id, part_numbers })),
          );
          expect(parts.map(({ part_number }) => part_number)).toEqual(part_numbers);
          for (const { url, part_number } of parts) {
            const { searchParams } = new URL(url);
            expect([searchParams.get("uploadId"), searchParams.get("partNumber")]).toEqual([
              upload_id,
              String(part_number),
            ]);
            expect(
              [...searchParams.keys()].filter((parameter) => !/^X-Amz-|^x-id$/.test(parameter)).toSorted(),
            ).toEqual(["partNumber", "uploadId"]);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test("what the sender takes is one message to its own queue, which says what was said; else there is none", async () => {
    const field = fc.record(
      {
        object_key: name,
        body: fc.oneof(
          fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString("base64")),
          word,
        ),
        content_type: fc.constantFrom("text/plain", "a/b;c=d", "text", "a/b\r\n"),
        metadata: fc.dictionary(word, word, { maxKeys: 3 }),
        QueueUrl: fc.constant("https://sqs.eu-central-1.amazonaws.com/999999999999/evil"),
      },
      { requiredKeys: ["object_key", "body"] },
    );
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(field, async (fields) => {
        sent.splice(0);
        const { statusCode, body: said } = await send(event("/sendMessage", fields));
        expect([200, 400, 413]).toContain(statusCode);
        expect(sent).toHaveLength(statusCode === 200 ? 1 : 0);
        if (statusCode !== 200) return;
        taken += 1;
        const [{ url, body } = { url: "", body: "" }] = sent;
        const { QueueUrl, MessageBody, MessageAttributes, ...others } = JSON.parse(body) as {
          QueueUrl: string;
          MessageBody: string;
          MessageAttributes?: { payload: { DataType: string; BinaryValue: string } };
        };
        expect([new URL(url).origin, QueueUrl, others]).toEqual([new URL(QUEUE_URL).origin, QUEUE_URL, {}]);
        const { object_key, metadata } = JSON.parse(MessageBody) as { object_key: string; metadata?: object };
        expect([object_key, object_key.slice(KEY_PREFIX.length + 37)]).toEqual([
          parse({ body: said }).object_key,
          fields.object_key,
        ]);
        expect(metadata).toEqual(fields.metadata);
        expect(MessageAttributes?.payload.BinaryValue ?? "").toBe(fields.body);
        expect(Buffer.byteLength(MessageBody)).toBeLessThanOrEqual(LIMITS.messageBytes);
      }),
      { numRuns: 2000 },
    );
    expect(taken).toBeGreaterThan(20);
  });
});

test("No answer, good or bad, holds the secret key, and none but a URL the session's token", async () => {
  const request = fc.record({
    resource: fc.constantFrom("/", "/putObject", "/getObject", "/sendMessage", "/x"),
    body: fc.oneof(
      fc.json(),
      fc.constant('{"object_key":"a","body":""}'),
      fc.constant(JSON.stringify({ object_key: KEY })),
    ),
    headers: fc.dictionary(word, word, { maxKeys: 3 }),
  });
  const secrets = { accessKeyId: "KEYID", secretAccessKey: "THE-SECRET-KEY", sessionToken: "THE-TOKEN" };
  const careful = createSigner({ ...ENVIRONMENT, credentials: secrets }, { openApi: () => "{}" });
  await fc.assert(
    fc.asyncProperty(request, async ({ resource, body, headers }) => {
      const { statusCode, body: said, headers: answered } = await careful(event(resource, body, { headers }));
      const all = said + JSON.stringify(answered);
      expect(all).not.toMatch(statusCode === 200 ? /THE-SECRET-KEY/ : /THE-SECRET-KEY|THE-TOKEN|KEYID/);
    }),
    { numRuns: 500 },
  );
});
