import { App } from "cdktf";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { ListObjectsV2Command, PutObjectCommand } from "@aws-sdk/client-s3";
import { CreateQueueCommand, DeleteQueueCommand, SQSClient } from "@aws-sdk/client-sqs";
import { Consumer as ClientConsumer } from "../../client/consume/consumer";
import { type DeadLetter, DeadLetters } from "../../client/dead-letters";
import { Producer } from "../../client/produce/producer";
import { signedHeaders } from "../../functions/send-message/signed-headers";
import { CREDENTIALS, type Chain, start } from "../../local/chain";
import { ProducerConsumerStack } from "../../stacks/producer-consumer-stack";
import type { StageConfig } from "../../stacks/stage";
import { OPEN } from "../stacks/inspection-stack";
import { Consumer, ask, s3Client, temporaryFolder } from "./tools";

/** The value of the stage's API key of this holder. */
const apiKeyOf = (holder: string) =>
  createHash("sha256").update(`tweedle-open-producers-${holder}`).digest("hex").slice(0, 40);
const SHOP = apiKeyOf("shop");

const SWITCHES = {
  keys: { producerApiKeys: ["shop"] },
  throttled: { producerApiKeys: ["shop", "mail"], throttlingBurstLimit: 2, throttlingRateLimit: 1 },
  signing: { producerAuthorization: "AWS_IAM" },
  overwrites: { denyOverwrites: true },
  events: { eventBridge: true },
  inside: { sourceIps: ["198.51.100.0/24", "127.0.0.0/8"] },
  types: { contentTypes: ["image/*"], uploadForm: false },
  outside: { sourceIps: ["203.0.113.0/24"], sourceVpces: ["vpce-1a2b3c4d"] },
  capped: { maxObjectBytes: 11_000_000 },
  // What only AWS has, all at once.
  aws: {
    wafRateLimit: 10,
    apiLogs: true,
    customerManagedKey: true,
    permissionsBoundary: "arn:aws:iam::123456789012:policy/boundary",
    alarmTopic: true,
    alarmEmail: "alice@example.com",
  },
} satisfies Record<string, Partial<StageConfig>>;

const outdir = temporaryFolder();
const app = new App({ outdir });
for (const [name, properties] of Object.entries(SWITCHES)) {
  new ProducerConsumerStack(app, name, { ...OPEN, ...properties });
}
app.synth();

/** Does something with the chain of a stage with a switch. */
async function withChain<T>(name: keyof typeof SWITCHES, use: (chain: Chain) => Promise<T>): Promise<T> {
  const chain = await start({ stack: join(outdir, "stacks", name) });
  try {
    return await use(chain);
  } finally {
    await chain.stop();
  }
}

const put = async (url: string, headers: Record<string, string> = {}) =>
  (await fetch(url, { method: "PUT", body: "cat", headers })).status;

test("a producer needs its API key where the stage gives them out, and a consumer none", async () => {
  await withChain("keys", async (chain) => {
    const keyOf = { "x-api-key": SHOP };
    const refusals = await Promise.all(
      [{}, { "x-api-key": "tweedle" }, { "x-api-key": "" }].map((headers) =>
        ask(chain, "/putObject", { object_key: "a" }, headers),
      ),
    );
    for (const { status, error } of refusals) {
      expect([status, error.code, error.message]).toEqual([
        403,
        "InvalidApiKey",
        "Send the key that you were given, as x-api-key.",
      ]);
    }
    const { status, object_key } = await ask(chain, "/", { action: "putObject", object_key: "a" }, keyOf);
    expect(status).toBe(200);
    expect((await ask(chain, "/getObject", { object_key })).status).toBe(200);
    // POST / would let a producer ask for what is a consumer's.
    const asConsumer = await ask(chain, "/", { action: "getObject", object_key }, keyOf);
    expect([asConsumer.status, asConsumer.error.code]).toEqual([403, "ActionNotAllowed"]);
  });
});

test("an API key is throttled over all methods, and takes nothing of another's", async () => {
  await withChain("throttled", async (chain) => {
    const statusOf = async (holder: string, action: string) => {
      const { status, headers } = await fetch(`${chain.apiUrl}/${action}`, {
        method: "POST",
        headers: { "x-api-key": apiKeyOf(holder) },
        body: '{"object_key":"a"}',
      });
      return [status, headers.get("retry-after")];
    };
    expect(await statusOf("shop", "putObject")).toEqual([200, null]);
    expect(await statusOf("shop", "createMultipartUpload")).toEqual([200, null]);
    expect(await statusOf("shop", "putObject")).toEqual([429, "1"]);
    expect(await statusOf("mail", "createMultipartUpload")).toEqual([200, null]);
  });
});

test("a producer has to sign where the stage wants it, at POST / too, and a consumer has not", async () => {
  await withChain("signing", async (chain) => {
    const signedAsk = async (path: string, body: object) => {
      const text = JSON.stringify(body);
      const signer = { service: "execute-api", region: chain.stack.region, credentials: CREDENTIALS };
      const headers = await signedHeaders(new URL(chain.apiUrl + path), text, signer);
      return await ask(chain, path, body, headers);
    };
    for (const path of ["/", "/putObject", "/sendMessage"]) {
      const { status, error } = await ask(chain, path, { object_key: "a", action: "putObject" });
      expect([status, error.code]).toEqual([403, "AccessDenied"]);
    }
    const { status, url, object_key } = await signedAsk("/putObject", { object_key: "a" });
    expect([status, await put(url)]).toEqual([200, 200]);
    expect((await signedAsk("/", { action: "putObject", object_key: "a" })).status).toBe(200);
    expect((await signedAsk("/", { action: "getObject", object_key })).error.code).toBe("ActionNotAllowed");
    expect((await ask(chain, "/getObject", { object_key })).status).toBe(200);
  });
});

test("a payload is not written over where the bucket denies it, whoever writes, and parts go up all the same", async () => {
  await withChain("overwrites", async (chain) => {
    const condition = { if_none_match: "*" };
    const without = await ask(chain, "/putObject", { object_key: "a" });
    expect([without.status, without.error.code]).toEqual([400, "MissingField"]);
    const { url, headers, object_key } = await ask(chain, "/putObject", { object_key: "a", ...condition });
    expect([await put(url, headers), await put(url, headers)]).toEqual([200, 412]);
    const s3 = s3Client(chain);
    const again = new PutObjectCommand({ Bucket: chain.bucketName, Key: object_key, Body: "mouse" });
    await expect(s3.send(again)).rejects.toMatchObject({ name: "AccessDenied" });
    s3.destroy();

    const begun = await ask(chain, "/createMultipartUpload", { object_key: "b" });
    const created = await (await fetch(begun.url, { method: "POST" })).text();
    const upload_id = /<UploadId>([^<]+)/.exec(created)?.[1];
    const upload = { object_key: begun.object_key, upload_id };
    const { parts } = await ask(chain, "/uploadPart", { ...upload, part_numbers: [1] });
    const part = await fetch(parts[0]?.url ?? "", { method: "PUT", body: "cat" });
    expect(part.status).toBe(200);
    const unconditional = await ask(chain, "/completeMultipartUpload", upload);
    expect([unconditional.status, unconditional.error.code]).toEqual([400, "MissingField"]);
    const completion = await ask(chain, "/completeMultipartUpload", { ...upload, ...condition });
    const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.get("etag")}</ETag></Part></CompleteMultipartUpload>`;
    const completed = await fetch(completion.url, { method: "POST", body, headers: completion.headers });
    expect(completed.status).toBe(200);
  });
});

test("EventBridge announces payloads in place of S3, without a test, and with keys as they are", async () => {
  await withChain("events", async (chain) => {
    const consumer = new Consumer(chain);
    const { url, object_key } = await ask(chain, "/putObject", { object_key: "a b+ü.txt" });
    await put(url);
    const message = await consumer.receive();
    expect(JSON.parse(message?.Body ?? "")).toMatchObject({
      "detail-type": "Object Created",
      source: "aws.s3",
      account: "123456789012",
      detail: {
        bucket: { name: chain.bucketName },
        object: { key: object_key, size: 3, "version-id": expect.any(String), sequencer: expect.any(String) },
        reason: "PutObject",
      },
    });
    consumer.sqs.destroy();
  });
});

test("an event that the queue does not take is a dead letter, which consumers understand once it is sent back", async () => {
  await withChain("events", async (chain) => {
    const { sqsEndpoint: endpoint, deadLetterQueueUrl, stack } = chain;
    const sqs = new SQSClient({ endpoint, region: stack.region, credentials: CREDENTIALS });
    await sqs.send(new DeleteQueueCommand({ QueueUrl: chain.queueUrl }));
    // The name of a queue is not free at once.
    const deadLetterTargetArn = stack.outputs["dead_letter_queue_arn"];
    const { QueueUrl: queueUrl = "" } = await sqs.send(
      new CreateQueueCommand({
        QueueName: "another",
        Attributes: { RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 5 }) },
      }),
    );
    const { url, object_key } = await ask(chain, "/putObject", { object_key: "a" });
    await put(url);
    const letters = new DeadLetters({ sqs, queueUrl, deadLetterQueueUrl });
    let letter: DeadLetter | undefined;
    while (!letter) [letter] = await letters.receive(1);
    expect(letter.contents).toMatchObject({
      kind: "objects",
      objects: [{ bucket: chain.bucketName, key: object_key }],
    });
    await letters.release();

    expect(await letters.redriveAll()).toBe(1);
    const handled: string[] = [];
    await new ClientConsumer({
      apiUrl: chain.apiUrl,
      queueUrl,
      sqs,
      maxMessages: 1,
      handler: (payload) => void handled.push(payload.key),
    }).run();
    sqs.destroy();
    expect(handled).toEqual([object_key]);
  });
});

test.each([
  ["inside", 200],
  ["outside", 403],
] as const)("a URL is used from the networks that the bucket lets in: %s, %d", async (name, status) => {
  await withChain(name, async (chain) => {
    const { url } = await ask(chain, "/putObject", { object_key: "a" });
    expect(await put(url)).toBe(status);
  });
});

test("a payload is of a type that the stage takes, by a URL, in parts or in a message, and GET / is no page where it is off", async () => {
  await withChain("types", async (chain) => {
    const body = Buffer.from("cat").toString("base64");
    for (const [path, fields] of [
      ["/putObject", {}],
      ["/createMultipartUpload", {}],
      ["/sendMessage", { body }],
    ] as const) {
      const taken = await ask(chain, path, { object_key: "a", content_type: "image/png", ...fields });
      const other = await ask(chain, path, { object_key: "a", content_type: "text/html", ...fields });
      const none = await ask(chain, path, { object_key: "a", ...fields });
      expect([taken.status, other.error.code, none.error.code]).toEqual([
        200,
        "InvalidContentType",
        "MissingField",
      ]);
    }
    // What was signed is what S3 keeps.
    const { url } = await ask(chain, "/putObject", { object_key: "a", content_type: "image/png" });
    expect(await put(url, { "content-type": "text/html" })).toBe(403);
    const page = await fetch(chain.apiUrl);
    expect([page.status, page.headers.get("allow")]).toEqual([405, "POST"]);
  });
});

test("what only AWS has changes nothing here", async () => {
  await withChain("aws", async (chain) => {
    const { url } = await ask(chain, "/putObject", { object_key: "a" });
    expect(await put(url)).toBe(200);
    const body = Buffer.from("cat").toString("base64");
    expect((await ask(chain, "/sendMessage", { object_key: "a", body })).status).toBe(200);
  });
});

describe("the client", () => {
  const credentials = () => Promise.resolve(CREDENTIALS);
  const send = async (chain: Chain, options: object, payload = Buffer.from("cat")) => {
    const { apiUrl, stack } = chain;
    const producer = new Producer({ apiUrl, region: stack.region, inlineThresholdBytes: 0, ...options });
    return await producer.produce(payload).finally(() => producer.close());
  };

  test("sends its API key, and says that it has none", async () => {
    await withChain("keys", async (chain) => {
      expect((await send(chain, { apiKey: SHOP })).size).toBe(3);
      await expect(send(chain, {})).rejects.toThrow("This stage wants a key of its producers");
      await expect(send(chain, { apiKey: "tweedle" })).rejects.toThrow("Send the key that you were given");
    });
  });

  test("signs where producers must, and says that it cannot", async () => {
    await withChain("signing", async (chain) => {
      expect((await send(chain, { credentials })).size).toBe(3);
      await expect(send(chain, {})).rejects.toThrow("This stage wants its requests signed");
    });
  });

  test("sends nothing of a payload over the stage's cap, and of a stream no more than that", async () => {
    await withChain("capped", async (chain) => {
      const { apiUrl } = chain;
      const producer = new Producer({ apiUrl, multipartThresholdBytes: 0, partSizeBytes: 5 * 1024 ** 2 });
      let taken = 0;
      const endless = async function* () {
        for (; ; taken += 1) yield await Promise.resolve(Buffer.alloc(1024 ** 2));
      };
      const large = Buffer.alloc(11_000_001);
      const most = "bytes: this stage takes up to 11000000.";
      await expect(producer.produce(large)).rejects.toThrow(`payload has 11000001 ${most}`);
      await expect(producer.produce(endless())).rejects.toThrow(`payload has 15728640 ${most}`);
      expect(taken).toBeLessThan(20);
      expect((await producer.produce(large.subarray(1))).size).toBe(11_000_000);
      producer.close();
      await expect(send(chain, {}, large)).rejects.toMatchObject({
        code: "Refused",
        message: "putObject: content_length must be a whole number from 0 to 11000000, not 11000001.",
      });
      const { Contents = [] } = await s3Client(chain).send(
        new ListObjectsV2Command({ Bucket: chain.bucketName }),
      );
      expect(Contents.map(({ Size }) => Size)).toEqual([11_000_000]);
    });
  });

  test("writes over nothing, so that a stage may deny it, and hears of payloads from EventBridge", async () => {
    await withChain("overwrites", async (chain) => {
      expect((await send(chain, {})).size).toBe(3);
      expect((await send(chain, { multipartThresholdBytes: 0 })).via).toBe("multipart");
    });
    await withChain("events", async (chain) => {
      const { key } = await send(chain, {});
      const handled: string[] = [];
      const sqs = new SQSClient({
        endpoint: chain.sqsEndpoint,
        region: chain.stack.region,
        credentials: CREDENTIALS,
      });
      await new ClientConsumer({
        apiUrl: chain.apiUrl,
        queueUrl: chain.queueUrl,
        sqs,
        maxMessages: 1,
        handler: (payload) => void handled.push(payload.key),
      }).run();
      sqs.destroy();
      expect(handled).toEqual([key]);
    });
  });
});
