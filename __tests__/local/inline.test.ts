import { createHash, randomBytes } from "node:crypto";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Message,
  ReceiveMessageCommand,
  SendMessageCommand,
  StartMessageMoveTaskCommand,
} from "@aws-sdk/client-sqs";
import { messageBytes } from "../../functions/send-message/message";
import { signedHeaders } from "../../functions/send-message/signed-headers";
import { newKey } from "../../functions/sign-url/keys";
import { LIMITS } from "../../functions/sign-url/limits";
import { type Chain, start } from "../../local/chain";
import type { Role } from "../../local/sqs/authorize";
import { startSqs } from "../../local/sqs/sqs";
import { readStack } from "../../local/stack/stack";
import { Consumer, ask, synthesize, temporaryFolder } from "./tools";

const stackOf = synthesize();
const folder = temporaryFolder();
let chain: Chain;
let consumer: Consumer;

beforeAll(async () => {
  chain = await start({ stack: stackOf("dev") });
  consumer = new Consumer(chain);
  await consumer.delete((await consumer.receive()) ?? {});
});

afterAll(() => chain.stop());

const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("base64");

const send = (payload: Uint8Array, fields: object = {}) =>
  ask(chain, "/sendMessage", { object_key: "cat.bin", body: base64(payload), ...fields });

/** The next message of a queue, with its attributes, as a consumer with the SDK gets it. */
async function receive(QueueUrl = chain.queueUrl): Promise<Message> {
  const { Messages: [message] = [] } = await consumer.sqs.send(
    new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 10, MessageAttributeNames: ["All"] }),
  );
  if (!message) throw new Error("No message came.");
  return message;
}

const announcementOf = ({ Body = "" }: Message) => JSON.parse(Body) as Record<string, unknown>;
const payloadOf = ({ MessageAttributes }: Message) =>
  Buffer.from(MessageAttributes?.["payload"]?.BinaryValue ?? "");

/** As SQS documents it: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html */
function md5OfPayload(payload: Uint8Array): string {
  const withLength = (bytes: Uint8Array) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };
  const parts = [withLength(Buffer.from("payload")), withLength(Buffer.from("Binary")), Buffer.from([2])];
  return createHash("md5")
    .update(Buffer.concat([...parts, withLength(payload)]))
    .digest("hex");
}

test.each([
  ["of all byte values", ALL_BYTES],
  ["that is empty", Buffer.alloc(0)],
  ["of one byte", Buffer.from([0])],
])("a payload %s goes through the queue as it was, without an object", async (_, payload) => {
  const sent = await send(payload, {
    content_type: "image/png",
    metadata: { author: "Carroll" },
    checksum_sha256: sha256(payload),
  });
  expect(sent).toMatchObject({ status: 200, object_key: expect.stringMatching(/^input\/.*\/cat\.bin$/) });
  const message = await receive();
  expect(announcementOf(message)).toEqual({
    source: "tweedle",
    object_key: sent.object_key,
    size: payload.length,
    checksum_sha256: sha256(payload),
    content_type: "image/png",
    metadata: { author: "Carroll" },
  });
  expect(payloadOf(message).equals(payload)).toBe(true);
  expect(message.MD5OfMessageAttributes).toBe(payload.length > 0 ? md5OfPayload(payload) : undefined);
  await consumer.delete(message);
  const { url } = await ask(chain, "/getObject", { object_key: sent.object_key });
  expect((await fetch(url)).status).toBe(403);
});

test("the largest payload that fits goes through, and one byte more is refused", async () => {
  const rest = {
    source: "tweedle",
    object_key: newKey("cat.bin"),
    checksum_sha256: sha256(ALL_BYTES),
  } as const;
  const size = LIMITS.messageBytes - messageBytes({ ...rest, size: 100_000 }) + 100_000;
  const payload = randomBytes(size);
  expect((await send(payload)).status).toBe(200);
  const message = await receive();
  expect(payloadOf(message).equals(payload)).toBe(true);
  await consumer.delete(message);
  const refused = await send(Buffer.concat([payload, Buffer.from([0])]));
  expect([refused.status, refused.error.code]).toEqual([413, "EntityTooLarge"]);
  // The queue itself takes not a byte more, whoever sends it.
  const command = (length: number) =>
    new SendMessageCommand({
      QueueUrl: chain.queueUrl,
      MessageBody: "b",
      MessageAttributes: { payload: { DataType: "Binary", BinaryValue: Buffer.alloc(length) } },
    });
  const most = LIMITS.messageBytes - "bpayloadBinary".length;
  await consumer.sqs.send(command(most));
  await consumer.delete(await receive());
  await expect(consumer.sqs.send(command(most + 1))).rejects.toThrow("Message must be shorter than 262144");
});

test("the same client token gives the same key again, so that a consumer knows the message", async () => {
  const client_token = "6f1c2f6e-0a4b-4c1d-9e2f-0123456789ab";
  const keys = [await send(ALL_BYTES, { client_token }), await send(ALL_BYTES, { client_token })];
  const messages = [await receive(), await receive()];
  for (const key of [
    ...keys.map(({ object_key }) => object_key),
    ...messages.map((one) => announcementOf(one)["object_key"]),
  ]) {
    expect(key).toBe(`input/${client_token}/cat.bin`);
  }
  for (const message of messages) await consumer.delete(message);
});

test("a payload put under a client token is not written over by who asks again with it", async () => {
  const fields = {
    object_key: "cat",
    client_token: "6f1c2f6e-0a4b-4c1d-9e2f-abcdef012345",
    if_none_match: "*",
  };
  const [first, second] = [await ask(chain, "/putObject", fields), await ask(chain, "/putObject", fields)];
  const put = async ({ url, headers }: typeof first) =>
    (await fetch(url, { method: "PUT", body: "cat", headers })).status;
  expect([first.object_key === second.object_key, await put(first), await put(second)]).toEqual([
    true,
    200,
    412,
  ]);
  expect((await consumer.announced()).key).toBe(first.object_key);
});

test("what is not fit is refused, and POST / says where to send", async () => {
  const wrong = await send(ALL_BYTES, { checksum_sha256: sha256(Buffer.from("dog")) });
  expect([wrong.status, wrong.error.code]).toEqual([400, "BadDigest"]);
  const bad = await ask(chain, "/sendMessage", { object_key: "a", body: "no base64" });
  expect([bad.status, bad.error.code]).toEqual([400, "InvalidBody"]);
  const elsewhere = await ask(chain, "", { action: "sendMessage", object_key: "a", body: "" });
  expect([elsewhere.status, elsewhere.error.code]).toEqual([403, "ActionNotAllowed"]);
  expect(elsewhere.error.message).toContain("POST /sendMessage");
});

test("a poison message keeps its payload on its way to the dead-letter queue and back", async () => {
  await send(ALL_BYTES);
  for (let receives = 0; receives < 5; receives += 1) await consumer.giveBack(await receive());
  const dead = await receive(chain.deadLetterQueueUrl);
  expect(payloadOf(dead).equals(ALL_BYTES)).toBe(true);
  await consumer.giveBack(dead, chain.deadLetterQueueUrl);
  const SourceArn = chain.stack.outputs["dead_letter_queue_arn"];
  await consumer.sqs.send(new StartMessageMoveTaskCommand({ SourceArn }));
  const redriven = await receive();
  expect([redriven.Body, payloadOf(redriven).equals(ALL_BYTES)]).toEqual([dead.Body, true]);
  expect(redriven.MD5OfMessageAttributes).toBe(md5OfPayload(ALL_BYTES));
  await consumer.delete(redriven);
});

test("a consumer that does not ask for attributes gets none, and one that asks by name gets that", async () => {
  await send(ALL_BYTES);
  const ofNames = async (names?: string[]) => {
    const { Messages: [message] = [] } = await consumer.sqs.send(
      new ReceiveMessageCommand({
        QueueUrl: chain.queueUrl,
        WaitTimeSeconds: 5,
        MessageAttributeNames: names,
      }),
    );
    await consumer.giveBack(message ?? {});
    return Object.keys(message?.MessageAttributes ?? {});
  };
  expect([
    await ofNames(),
    await ofNames(["other"]),
    await ofNames(["payload"]),
    await ofNames(["pay.*"]),
  ]).toEqual([[], [], ["payload"], ["payload"]]);
  await consumer.delete(await receive());
});

describe("the chain breaks where the stack is wrong:", () => {
  /** What POST /sendMessage answers on a dev stack in which every such text is another. */
  async function sendChanged(name: string, from: string, to: string) {
    const copy = join(folder, name);
    cpSync(stackOf("dev"), copy, { recursive: true });
    const file = join(copy, "cdk.tf.json");
    const json = readFileSync(file, "utf8");
    expect(json).toContain(from);
    writeFileSync(file, json.replace(from, to));
    const log = jest.spyOn(process.stderr, "write").mockImplementation(() => true);
    const changed = await start({ stack: copy });
    const { status, error } = await ask(changed, "/sendMessage", { object_key: "a", body: "" });
    await changed.stop();
    const logged = log.mock.calls.flat().join("");
    log.mockRestore();
    return { status, code: error?.code, logged };
  }
  // As the policy stands in the JSON, with its quotes escaped.
  const statement = (action: string, queue: string) =>
    `\\"Action\\":[\\"${action}\\"],\\"Resource\\":\\"arn:aws:sqs:eu-central-1:123456789012:tweedle-dev-${queue}\\"`;

  test.each([
    [
      "a sender without its right",
      statement("sqs:SendMessage", "queue"),
      statement("sqs:GetMessage", "queue"),
    ],
    [
      "a sender for another queue",
      statement("sqs:SendMessage", "queue"),
      statement("sqs:SendMessage", "other"),
    ],
    [
      "a sender that names another queue",
      "amazonaws.com/123456789012/tweedle-dev-queue",
      "amazonaws.com/123456789012/tweedle-dev-queue-dead-letter",
    ],
  ])("%s", async (what, from, to) => {
    const { status, code, logged } = await sendChanged(what, from, to);
    expect([status, code]).toEqual([500, "InternalError"]);
    expect(logged).toContain("SQS answered 403 AccessDeniedException");
  });
});

describe("SQS judges what a function's role asks for", () => {
  const role: Role = {
    accessKeyId: "ASIAFUNCTION",
    secretAccessKey: "secret",
    sessionToken: "token",
    policies: [
      {
        Statement: [
          {
            Effect: "Allow",
            Action: ["sqs:SendMessage"],
            Resource: "arn:aws:sqs:eu-central-1:123456789012:tweedle-dev-queue",
          },
        ],
      },
    ],
  };
  const { queues, region, accountId } = readStack(stackOf("dev"));
  let sqs: Awaited<ReturnType<typeof startSqs>>;
  beforeAll(async () => {
    sqs = await startSqs({ queues, region, accountId, roles: [role], port: 0 });
  });
  afterAll(() => sqs.stop());

  async function call(
    action: string,
    changes: Partial<Role> = {},
    service = "sqs",
    queue = "tweedle-dev-queue",
  ) {
    const url = new URL(sqs.endpoint);
    const QueueUrl = `${sqs.endpoint}/${accountId}/${queue}`;
    const body = JSON.stringify({ QueueUrl, MessageBody: "a", Entries: [{ Id: "a", MessageBody: "a" }] });
    const credentials = { ...role, ...changes };
    const headers = await signedHeaders(
      url,
      body,
      { service, region, credentials },
      { "content-type": "application/x-amz-json-1.0", "x-amz-target": `AmazonSQS.${action}` },
    );
    const response = await fetch(url, { method: "POST", body, headers });
    const { __type: type = "" } = (await response.json()) as { __type?: string };
    return `${response.status} ${type.split("#").at(-1)}`;
  }

  test("its own right, a batch of it too, and no other", async () => {
    expect(await call("SendMessage")).toBe("200 ");
    expect(await call("SendMessageBatch")).toBe("200 ");
    for (const action of ["ReceiveMessage", "DeleteMessage", "PurgeQueue", "ListQueues", ""]) {
      expect(await call(action)).toBe("403 AccessDeniedException");
    }
    expect(await call("SendMessage", {}, "sqs", "tweedle-dev-queue-dead-letter")).toBe(
      "403 AccessDeniedException",
    );
  });

  test("with its own secret and token, for SQS", async () => {
    expect(await call("SendMessage", { secretAccessKey: "x" })).toBe("403 InvalidSignatureException");
    expect(await call("SendMessage", { sessionToken: "x" })).toBe("403 InvalidSignatureException");
    expect(await call("SendMessage", {}, "execute-api")).toBe("403 InvalidSignatureException");
  });

  test("and serves another key as it comes", async () => {
    expect(await call("ListQueues", { accessKeyId: "AKIASOMEBODY" })).toBe("200 ");
  });
});
