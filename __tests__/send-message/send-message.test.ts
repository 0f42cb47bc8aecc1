import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { readEnvironment } from "../../functions/send-message/environment";
import { createHandler } from "../../functions/send-message/handler";
import { messageBytes, messageOf } from "../../functions/send-message/message";
import { signedHeaders } from "../../functions/send-message/signed-headers";
import { isKey } from "../../functions/sign-url/keys";
import { LIMITS } from "../../functions/sign-url/limits";
import { bundle } from "../../stacks/constructs/bundle";
import { type Behaviour, CREDENTIALS, type Sent, UUID, sender, startServer } from "./tools";

const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
const base64 = (bytes: Uint8Array | string) => Buffer.from(bytes as string).toString("base64");
const digest = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("base64");

let sqs: Awaited<ReturnType<typeof startServer>>;
let ask: ReturnType<typeof sender>["ask"];

beforeEach(async () => {
  sqs = await startServer();
  ask = sender(sqs.origin).ask;
});

afterEach(() => sqs.stop());

describe("the sender sends", () => {
  test("a payload as it is, in the message, which names it as S3's announcements do", async () => {
    const answer = await ask({
      object_key: "folder/ü.bin",
      content_type: "image/png",
      metadata: { author: "Carroll" },
      checksum_sha256: digest(ALL_BYTES),
      body: base64(ALL_BYTES),
    });
    expect(answer).toMatchObject({ status: 200, action: "sendMessage", message_id: "m-1" });
    expect(isKey(answer.object_key)).toBe(true);
    const [{ message } = { message: undefined }, ...others] = sqs.sent;
    expect(others).toEqual([]);
    expect(JSON.parse(message?.MessageBody ?? "")).toEqual({
      source: "tweedle",
      object_key: answer.object_key,
      size: 256,
      checksum_sha256: digest(ALL_BYTES),
      content_type: "image/png",
      metadata: { author: "Carroll" },
    });
    expect(message).toEqual({
      QueueUrl: `${sqs.origin}/123456789012/tweedle-test-queue`,
      MessageBody: expect.any(String),
      MessageAttributes: { payload: { DataType: "Binary", BinaryValue: base64(ALL_BYTES) } },
    });
  });

  test("an empty payload without the attribute, since SQS takes no empty value", async () => {
    const { object_key } = await ask({ object_key: "empty", body: "" });
    expect(sqs.sent[0]?.message).not.toHaveProperty("MessageAttributes");
    expect(JSON.parse(sqs.sent[0]?.message.MessageBody ?? "")).toEqual({
      source: "tweedle",
      object_key,
      size: 0,
      checksum_sha256: digest(""),
    });
  });

  test("another key each time, and the same where the caller says the same token", async () => {
    const fields = { object_key: "cat.jpg", body: "" };
    const keys = [await ask(fields), await ask(fields)].map(({ object_key }) => object_key);
    expect(new Set(keys).size).toBe(2);
    for (let again = 0; again < 2; again += 1) {
      expect((await ask({ ...fields, client_token: UUID })).object_key).toBe(`input/${UUID}/cat.jpg`);
    }
  });

  test("with a signature of its role's, which SQS would verify", async () => {
    await ask({ object_key: "cat.jpg", body: "Y2F0" });
    const { headers, body } = sqs.sent[0] as Sent;
    expect(headers).toMatchObject({
      "content-type": "application/x-amz-json-1.0",
      "x-amz-target": "AmazonSQS.SendMessage",
      "x-amz-security-token": CREDENTIALS.sessionToken,
    });
    const date = String(headers["x-amz-date"]);
    jest.useFakeTimers({
      now: Date.parse(date.replace(/(....)(..)(..)T(..)(..)(..)Z/, "$1-$2-$3T$4:$5:$6Z")),
    });
    const signer = { service: "sqs", region: "eu-central-1", credentials: CREDENTIALS };
    const again = await signedHeaders(new URL(sqs.origin), body, signer, {
      "content-type": "application/x-amz-json-1.0",
      "x-amz-target": "AmazonSQS.SendMessage",
    });
    jest.useRealTimers();
    expect(again).toMatchObject({ authorization: headers.authorization });
    expect(headers.authorization).toMatch(
      /\/eu-central-1\/sqs\/aws4_request, SignedHeaders=content-type;host;/,
    );
  });
});

/* What it refuses of a body is in the table of __tests__/abuse/cases.ts. */
describe("the sender refuses", () => {
  test.each([
    ["POST", "/"],
    ["POST", "/putObject"],
    ["GET", "/sendMessage"],
  ])("%s %s", async (method, path) => {
    const answer = await ask({ object_key: "a", body: "" }, path, method);
    expect([answer.status, answer.error.code]).toEqual([404, "NoSuchRoute"]);
  });

  test("one byte more than a message may have, whatever it is made of, and says what else to do", async () => {
    for (const fields of [
      { object_key: "a" },
      { object_key: 'quoted "ü" 😀', content_type: 'a/b;c="d"', metadata: { a: "b".repeat(2000) } },
    ]) {
      const { object_key: name, ...rest } = fields;
      const key = `input/${UUID}/${name}`;
      const rule = { source: "tweedle", object_key: key, checksum_sha256: digest(""), ...rest } as const;
      // The size's own digits count too: six of them here.
      const size = LIMITS.messageBytes - messageBytes({ ...rule, size: 100_000 }) + 100_000;
      expect(messageBytes({ ...rule, size })).toBe(LIMITS.messageBytes);
      const fits = await ask({ ...fields, body: base64(Buffer.alloc(size)) });
      expect(fits.status).toBe(200);
      const over = await ask({ ...fields, body: base64(Buffer.alloc(size + 1)) });
      expect([over.status, over.error.code]).toEqual([413, "EntityTooLarge"]);
      expect(over.error.message).toContain("use putObject");
    }
    expect(sqs.sent).toHaveLength(2);
  });

  test("a payload over the stage's cap", async () => {
    const capped = sender(sqs.origin, { maxObjectBytes: 2 }).ask;
    expect((await capped({ object_key: "a", body: base64("ab") })).status).toBe(200);
    const over = await capped({ object_key: "a", body: base64("abc") });
    expect([over.status, over.error.code]).toEqual([413, "EntityTooLarge"]);
  });

  test("a payload of a type that the stage does not take, or of none", async () => {
    const picky = sender(sqs.origin, { contentTypes: ["image/*"] }).ask;
    const image = { object_key: "a", body: base64("a"), content_type: "image/png" };
    expect((await picky(image)).status).toBe(200);
    const page = await picky({ ...image, content_type: "text/html" });
    expect([page.status, page.error.code]).toEqual([400, "InvalidContentType"]);
    const none = await picky({ object_key: "a", body: base64("a") });
    expect([none.status, none.error.code]).toEqual([400, "MissingField"]);
  });
});

describe("where SQS does not answer as it should, the sender", () => {
  async function askOf(behaviours: Behaviour[]) {
    sqs.stop();
    sqs = await startServer(behaviours);
    const { ask: askIt, waits, lines } = sender(sqs.origin, {}, { attemptMs: 200 });
    const answer = await askIt({ object_key: "secret name", body: base64("secret payload") });
    return { answer, waits, lines, attempts: sqs.sent.length };
  }
  const error = (type: string) => ({ __type: type, message: "why" });

  test.each<[string, Behaviour[]]>([
    ["a 500", [[500, error("com.amazonaws.sqs#InternalError")]]],
    ["a 503 that is no JSON", [[503, "<html>"]]],
    ["a 429", [[429, "{}"]]],
    ["throttling", [[400, error("com.amazonaws.sqs#RequestThrottled")]]],
    ["a key that KMS may not use so often", [[400, error("com.amazonaws.sqs#KmsThrottled")]]],
    ["a signature that has expired", [[403, error("com.amazon.coral.service#ExpiredTokenException")]]],
    ["a request timeout", [[408, "{}"]]],
    ["a reset", ["reset"]],
    ["silence", ["silence"]],
    ["half an answer", ["half"]],
    ["two of them", [[500, "{}"], "reset"]],
  ])("asks again after %s, a moment later, with the same message", async (_, behaviours) => {
    const { answer, waits, lines, attempts } = await askOf(behaviours);
    expect([answer.status, attempts]).toEqual([200, behaviours.length + 1]);
    expect(waits).toEqual([50, 100].slice(0, behaviours.length));
    expect(new Set(sqs.sent.map(({ body }) => body)).size).toBe(1);
    expect(lines.map((line) => JSON.parse(line) as object)).toEqual([
      expect.objectContaining({ level: "INFO", action: "sendMessage", status: 200 }),
    ]);
  });

  test.each<[string, Behaviour[], number]>([
    [
      "the third 500",
      [
        [500, "{}"],
        [500, "{}"],
        [500, "{}"],
      ],
      3,
    ],
    ["no right", [[403, error("com.amazon.coral.service#AccessDeniedException")]], 1],
    ["no queue", [[400, error("com.amazonaws.sqs#QueueDoesNotExist")]], 1],
    ["a redirect", [[307, "{}"]], 1],
  ])("answers 500 after %s, and logs it without the payload or its name", async (_, behaviours, count) => {
    const { answer, attempts, lines } = await askOf(behaviours);
    expect([answer.status, answer.error.code, attempts]).toEqual([500, "InternalError", count]);
    expect(lines.map((line) => JSON.parse(line) as object)).toEqual([
      expect.objectContaining({
        level: "ERROR",
        code: "InternalError",
        stack: expect.stringMatching(/sqs/i),
      }),
    ]);
    expect(lines.join()).not.toMatch(/secret|123456789012/);
    expect(JSON.stringify(answer)).not.toMatch(/why|queue|secret/);
  });
});

test("A message's bytes are those of its body, and of its attribute's name, type and value", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.uint8Array(), (object_key, payload) => {
      const announcement = {
        source: "tweedle",
        object_key,
        size: payload.length,
        checksum_sha256: digest(payload),
      } as const;
      const { MessageBody, MessageAttributes = {} } = messageOf(announcement, base64(payload));
      const attributes = Object.entries(MessageAttributes).map(
        ([name, { DataType, BinaryValue }]) =>
          name.length + DataType.length + Buffer.from(BinaryValue, "base64").length,
      );
      expect(messageBytes(announcement)).toBe(
        attributes.reduce((sum, bytes) => sum + bytes, Buffer.byteLength(MessageBody)),
      );
    }),
  );
});

test("Any event at all is answered, with 4xx or 5xx", async () => {
  const environment = { ...ENVIRONMENT_OF_NOBODY, queueUrl: new URL("http://127.0.0.1:1/1/q") };
  const handler = createHandler(environment, { wait: () => Promise.resolve() });
  await fc.assert(
    fc.asyncProperty(fc.anything(), async (event) => {
      expect((await handler(event as never)).statusCode).toBeGreaterThanOrEqual(400);
    }),
  );
});

const ENVIRONMENT_OF_NOBODY = {
  region: "eu-central-1",
  credentials: CREDENTIALS,
  maxObjectBytes: undefined,
};

describe("the sender's environment", () => {
  const VARIABLES = {
    QUEUE_URL: "https://sqs.eu-central-1.amazonaws.com/123456789012/tweedle-dev-queue",
    AWS_REGION: "eu-central-1",
    AWS_ACCESS_KEY_ID: "a",
    AWS_SECRET_ACCESS_KEY: "s",
  };

  test("is read whole", () => {
    expect(
      readEnvironment({
        ...VARIABLES,
        AWS_SESSION_TOKEN: "t",
        MAX_OBJECT_BYTES: "10",
        CONTENT_TYPES: "image/*",
      }),
    ).toEqual({
      queueUrl: new URL(VARIABLES.QUEUE_URL),
      region: "eu-central-1",
      credentials: { accessKeyId: "a", secretAccessKey: "s", sessionToken: "t" },
      maxObjectBytes: 10,
      contentTypes: ["image/*"],
    });
  });

  test("has another origin of the queue where SQS is elsewhere", () => {
    const { queueUrl } = readEnvironment({ ...VARIABLES, AWS_ENDPOINT_URL_SQS: "http://127.0.0.1:4602" });
    expect(queueUrl.href).toBe("http://127.0.0.1:4602/123456789012/tweedle-dev-queue");
  });

  test.each([
    ...Object.keys(VARIABLES).map((name) => [name, undefined, `${name} is not set`] as const),
    ["QUEUE_URL", "tweedle-dev-queue", "Invalid URL"] as const,
    ["MAX_OBJECT_BYTES", "1e3", "MAX_OBJECT_BYTES must be a whole number of bytes"] as const,
  ])("with %s = %j stops the function before its first request", (name, value, says) => {
    expect(() => readEnvironment({ ...VARIABLES, [name]: value })).toThrow(says);
  });
});

// Room for a fifth more: a limit is to be noticed, not worked around.
test("The sender's bundle is small, and has the same bytes each time it is made", () => {
  const [first, second] = [1, 2].map(() => bundle("functions/send-message/index.ts"));
  expect(Buffer.byteLength(first?.code ?? "")).toBeLessThan(36_000);
  expect(first?.hash).toBe(second?.hash);
});
