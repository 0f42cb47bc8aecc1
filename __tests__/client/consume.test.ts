import { randomBytes } from "node:crypto";
import { getMaxListeners } from "node:events";
import { buffer } from "node:stream/consumers";
import { SQSClient, SendMessageCommand } from "@aws-sdk/client-sqs";
import type { Payload } from "../../client/consume/payload";
import { newKey } from "../../functions/sign-url/keys";
import type { ProgressReport } from "../../client/produce/progress";
import type { Waiting } from "../../client/retry";
import { consumers, produce } from "./consumers";
import { DENIED, type Fault, INTERNAL, SLOW_DOWN, THROTTLED } from "./fault-proxy";
import { recordOf, setUp, until } from "./tools";

const world = setUp();
const consume = consumers(world);

const PAYLOAD = randomBytes(300_000);
const GONE = { status: 404, code: "NoSuchKey" } as const;

/** Nothing is left on the queue, nor among the dead letters, nor in the bucket. */
async function left(): Promise<unknown[]> {
  const { chain } = world();
  return [
    await world().messages(),
    await world().messages(chain.deadLetterQueueUrl),
    await world().objects(),
  ];
}
const NOTHING = [[], [], []];

const FAULTS: readonly Fault[] = ["reset", "lost answer", SLOW_DOWN, INTERNAL, THROTTLED, "trickle"];
const OF_A_URL: readonly Fault[] = [DENIED, "expired"];

test.each([
  ["check", FAULTS],
  ["getObject", [...FAULTS, "truncated"]],
  ["GET", [...FAULTS, ...OF_A_URL]],
  ["deleteObject", [...FAULTS, "truncated"]],
  ["DELETE", [...FAULTS, ...OF_A_URL]],
  ["SQS DeleteMessage", ["reset", "lost answer", SLOW_DOWN, INTERNAL]],
] as const)(
  "whatever goes wrong twice with %s, a payload is handled once and then gone",
  async (step, faults) => {
    const { proxy } = world();
    for (const fault of faults) {
      proxy.reset();
      proxy.inject(step, fault, 2);
      await produce(world(), PAYLOAD);
      const { told, stop, handled, of } = consume({ maxMessages: 1 });
      await told("handled");
      await stop();
      const right = handled.map(({ bytes }) => bytes.equals(PAYLOAD));
      expect([fault, right, of("failed"), of("trouble")]).toEqual([fault, [true], [], []]);
    }
    expect(await left()).toEqual(NOTHING);
  },
);

test.each(["reset", "lost answer", SLOW_DOWN, INTERNAL, "truncated"] as const)(
  "a poll that goes wrong by %j is begun again",
  async (fault) => {
    const { proxy } = world();
    proxy.inject("SQS ReceiveMessage", fault, 1);
    await produce(world(), PAYLOAD);
    // A message whose receipt was lost shows again after that.
    const { told, handled, stop } = consume({ visibilityTimeoutSeconds: 1, waitTimeSeconds: 2 });
    await told("handled");
    await stop();
    expect(handled).toHaveLength(1);
    expect(await left()).toEqual(NOTHING);
  },
);

test("an answer that is cut short goes on from there", async () => {
  const { proxy } = world();
  proxy.inject("GET", "truncated");
  proxy.inject("GET range", "truncated", 2);
  proxy.inject("GET range", "reset");
  await produce(world(), PAYLOAD);
  const { told, handled, stop } = consume();
  await told("handled");
  await stop();
  expect([handled[0]?.bytes.equals(PAYLOAD), proxy.count("GET")]).toEqual([true, 1]);
  const [first = "", second = ""] = proxy.passed.flatMap(({ headers }) => headers.range ?? []);
  expect([first, second]).toEqual(["bytes=150000-299999", "bytes=225000-299999"]);
  expect(await left()).toEqual(NOTHING);
});

test("a connection that breaks before the handler begins to read is no failure", async () => {
  const { proxy } = world();
  proxy.inject("GET", "truncated");
  await produce(world(), PAYLOAD);
  const { told, handled, of, stop } = consume({
    handler: async ({ body }: Payload) => {
      await until(() => proxy.passed.some(({ step, over }) => step === "GET" && over));
      return (await buffer(body)) as unknown as undefined;
    },
  });
  await told("handled");
  await stop();
  expect([handled[0]?.bytes.equals(PAYLOAD), of("failed")]).toEqual([true, []]);
});

test("wrong bytes never reach a handler whole, and the message comes again", async () => {
  const { proxy } = world();
  proxy.inject("GET", "wrong bytes", 2);
  await produce(world(), PAYLOAD);
  const seen: number[] = [];
  const { told, handled, of, stop } = consume({
    handler: async ({ body }: Payload) => {
      let bytes = 0;
      const chunks: Buffer[] = [];
      try {
        for await (const chunk of body as AsyncIterable<Buffer>) {
          bytes += chunk.length;
          chunks.push(chunk);
        }
      } finally {
        seen.push(bytes);
      }
      return Buffer.concat(chunks) as unknown as undefined;
    },
  });
  await told("handled");
  await stop();
  expect([handled.length, handled[0]?.bytes.equals(PAYLOAD), handled[0]?.payload.receiveCount]).toEqual([
    1,
    true,
    3,
  ]);
  expect(of("failed").map(({ error }) => error)).toEqual([
    expect.objectContaining({ code: "Corrupt" }),
    expect.objectContaining({ code: "Corrupt" }),
  ]);
  expect(seen.map((bytes) => bytes === PAYLOAD.length)).toEqual([false, false, true]);
  expect(await left()).toEqual(NOTHING);
});

test("a handler that swallows the error of wrong bytes has not handled them", async () => {
  const { proxy } = world();
  proxy.inject("GET", "wrong bytes");
  await produce(world(), PAYLOAD);
  const { told, of, stop } = consume({
    handler: async ({ body }: Payload) => void (await buffer(body).catch(() => undefined)),
  });
  await told("handled");
  await stop();
  expect(of("failed")).toMatchObject([{ error: { code: "Corrupt" }, permanent: false }]);
});

test("a payload that is gone makes a dead letter at once, which says so; one that is refused comes again", async () => {
  const { proxy, chain } = world();
  proxy.inject("GET", GONE, 99);
  await produce(world(), PAYLOAD);
  const gone = consume({ retryDelaySeconds: () => 900 });
  // SQS moves it once somebody asks for it the sixth time.
  expect(await world().messages(chain.deadLetterQueueUrl, 10)).toHaveLength(1);
  await gone.stop();
  expect(gone.of("failed")[0]).toMatchObject({
    permanent: true,
    retryAfterSeconds: 0,
    error: { code: "Gone" },
  });
  expect([gone.handled, gone.of("failed").length]).toEqual([[], 5]);

  proxy.reset();
  // It is signed again twice for each receive.
  proxy.inject("GET", DENIED, 6);
  await produce(world(), PAYLOAD);
  const refused = consume({ retryDelaySeconds: () => 0 });
  await refused.told("handled");
  await refused.stop();
  expect(refused.of("failed")).toMatchObject([
    { permanent: false, error: { code: "Refused" } },
    { permanent: false, error: { code: "Refused" } },
  ]);
});

test("a message that names another bucket, or whose API is none, is not followed", async () => {
  const { chain, proxy } = world();
  await world().send({ Records: [recordOf("somebody-elses")] });
  const other = consume();
  await other.told("failed");
  await other.stop();
  expect(other.of("failed")[0]).toMatchObject({ permanent: true, error: { code: "Invalid" } });
  expect([proxy.count("GET"), proxy.count("HEAD")]).toEqual([0, 0]);

  // A wrong API is told at the start, and costs the message nothing.
  await produce(world(), PAYLOAD);
  const lost = consume({ apiUrl: chain.s3Endpoint });
  await expect(lost.ended).rejects.toMatchObject({
    code: "Invalid",
    message: expect.stringContaining("is no Tweedle API"),
  });
  const nowhere = consume({ apiUrl: "http://127.0.0.1:1/dev", connections: undefined });
  await expect(nowhere.ended).rejects.toMatchObject({
    code: "Unavailable",
    message: expect.stringContaining("connection refused (connect ECONNREFUSED 127.0.0.1:1)"),
  });
  const found = consume();
  await found.told("handled");
  await found.stop();
  expect(found.handled.map(({ payload }) => payload.receiveCount)).toEqual([1]);
});

test("of a message of two records one may fail: the other is handled once, and only the one comes again", async () => {
  const { chain, proxy } = world();
  const keys = [
    await produce(world(), PAYLOAD, { name: "a" }),
    await produce(world(), PAYLOAD, { name: "b" }),
  ];
  await world().messages(chain.queueUrl, 5);
  await world().messages();
  const Records = keys.map(({ key, size }) => recordOf(chain.bucketName, { key, size }));
  await world().send({ Records });
  proxy.inject("GET", DENIED, 3, (url) => url.includes("/b?"));
  const { told, handled, of, stop } = consume();
  await told("handled", 2);
  await stop();
  expect(handled.map(({ name }) => name)).toEqual(["a", "b"]);
  expect(of("failed")).toMatchObject([{ key: keys[1]?.key }]);
  expect(of("duplicate")).toMatchObject([{ key: keys[0]?.key }]);
  expect(await left()).toEqual(NOTHING);
});

test("poison among good messages does not hold them up, and S3's own test is deleted", async () => {
  const { chain } = world();
  await world().send({ Service: "Amazon S3", Event: "s3:TestEvent" });
  for (const body of ["{", "[]", { Records: [{}] }, { source: "aws.s3" }]) await world().send(body);
  for (let index = 0; index < 8; index += 1) await produce(world(), PAYLOAD, {}, {});
  const { told, handled, of, stop } = consume({ concurrency: 2 });
  await told("handled", 8);
  await told("failed", 20);
  await told("ignored");
  await stop();
  expect([handled.length, of("ignored")[0]?.why]).toEqual([8, "s3:TestEvent"]);
  expect(of("failed").every(({ permanent, error }) => permanent && /[.?]$/.test(error.message))).toBe(true);
  expect(await world().messages(chain.deadLetterQueueUrl, 5)).toHaveLength(4);
});

test("an event that comes thrice, or an older one after a newer one, is handled once", async () => {
  const { chain } = world();
  const { key, size } = await produce(world(), PAYLOAD);
  const [message] = await world().messages(chain.queueUrl, 5);
  const body = message?.Body ?? "";
  const older = { key, size, sequencer: "0001", eTag: "other" };
  for (const one of [body, body, body]) await world().send(one);
  const { told, handled, stop, events } = consume({ keep: true });
  await until(() => events.length >= 3);
  await world().send({ Records: [recordOf(chain.bucketName, older)] });
  // As reconcile announces it: without a version.
  await world().send({ Records: [recordOf(chain.bucketName, { key, size })] });
  await told("duplicate", 4);
  await stop();
  expect([handled.length, await world().messages(), await world().objects()]).toEqual([1, [], [key]]);
});

test("payloads by EventBridge, by a topic and by Amazon's Extended Client come as from S3", async () => {
  const { chain } = world();
  const { bucketName } = chain;
  const names = ["a b+%ü.txt", "b", "c"];
  const [a, b, c] = await Promise.all(names.map((name) => produce(world(), PAYLOAD, { name })));
  while ((await world().messages(chain.queueUrl, 1)).length > 0);
  await world().send({
    source: "aws.s3",
    "detail-type": "Object Created",
    detail: { bucket: { name: bucketName }, object: { key: a?.key, size: PAYLOAD.length } },
  });
  await world().send({
    Type: "Notification",
    Message: JSON.stringify({ Records: [recordOf(bucketName, { key: b?.key ?? "" })] }),
  });
  await world().send(
    ["software.amazon.payloadoffloading.PayloadS3Pointer", { s3BucketName: bucketName, s3Key: c?.key }],
    { ExtendedPayloadSize: { DataType: "Number", StringValue: String(PAYLOAD.length) } },
  );
  const { told, handled, stop } = consume();
  await told("handled", 3);
  await stop();
  expect(handled.map(({ name }) => name).toSorted()).toEqual(names);
  expect(handled.every(({ bytes }) => bytes.equals(PAYLOAD))).toBe(true);
  expect(await left()).toEqual(NOTHING);
});

test("a handler that is slower than the visibility timeout keeps its message, though a heartbeat fails", async () => {
  const { proxy } = world();
  // The SDK tries thrice.
  proxy.inject("SQS ChangeMessageVisibility", INTERNAL, 1);
  await produce(world(), PAYLOAD);
  const { told, handled, of, stop } = consume({
    visibilityTimeoutSeconds: 1,
    waitTimeSeconds: 1,
    handler: async ({ body }: Payload) => {
      await until(() => proxy.count("SQS ChangeMessageVisibility") >= 7);
      return (await buffer(body)) as unknown as undefined;
    },
  });
  await told("handled");
  await stop();
  expect([handled.length, handled[0]?.payload.receiveCount, of("duplicate")]).toEqual([1, 1, []]);
  expect(await left()).toEqual(NOTHING);
});

test("a message that cannot be deleted comes again, is known, and is deleted then", async () => {
  const { proxy } = world();
  proxy.inject("SQS DeleteMessage", INTERNAL, 3);
  await produce(world(), PAYLOAD);
  const { told, handled, of, stop } = consume({ visibilityTimeoutSeconds: 1, waitTimeSeconds: 2 });
  await told("duplicate");
  await stop();
  expect([handled.length, of("trouble").length]).toEqual([1, 1]);
  expect(await left()).toEqual(NOTHING);
});

test("a payload that cannot be deleted is trouble, and its message is done", async () => {
  const { proxy } = world();
  proxy.inject("DELETE", SLOW_DOWN);
  await produce(world(), PAYLOAD);
  const { told, of, stop } = consume({ retry: { maxDurationMs: 0 } });
  await told("trouble");
  await stop();
  expect(of("trouble")[0]?.what).toContain("whose message is done");
  expect([await world().messages(), (await world().objects()).length]).toEqual([[], 1]);
});

test("a payload whose deletion is retried does not hold up the end of the consumer", async () => {
  const { proxy } = world();
  proxy.inject("DELETE", SLOW_DOWN, Infinity);
  await produce(world(), PAYLOAD);
  const { of, stop } = consume({ graceSeconds: 0 });
  await proxy.next("DELETE");
  await stop();
  expect(of("trouble")).toMatchObject([{ error: { code: "Interrupted" } }]);
});

test("a handler that throws, before, while or without reading, fails its message and leaks no connection", async () => {
  const { proxy } = world();
  await produce(world(), PAYLOAD);
  let receives = 0;
  const { told, of, stop } = consume({
    handler: async ({ body }: Payload) => {
      receives += 1;
      if (receives === 1) throw new Error("before");
      for await (const _ of body) if (receives < 4) throw new Error("while");
      return undefined;
    },
  });
  await told("handled");
  await stop();
  expect(of("failed").map(({ error, permanent }) => [error.message, permanent])).toEqual([
    ["before", false],
    ["while", false],
    ["while", false],
  ]);
  expect(proxy.busy()).toBe(0);
});

test("what a handler does not read holds no connection", async () => {
  const { proxy } = world();
  for (let index = 0; index < 3; index += 1) await produce(world(), PAYLOAD);
  const { told, handled, stop } = consume({ handler: () => undefined });
  await told("handled", 3);
  await stop();
  expect([handled.length, proxy.busy(), await left()]).toEqual([3, 0, NOTHING]);
});

test("many payloads at once warn of nothing, and each is handled while the others are", async () => {
  const many = 14;
  for (let index = 0; index < many; index += 1) await produce(world(), PAYLOAD);
  let begun = 0;
  const { told, handled, stop } = consume({
    concurrency: many,
    handler: async ({ body }: Payload) => {
      begun += 1;
      await until(() => begun === many);
      return (await buffer(body)) as unknown as undefined;
    },
  });
  await told("handled", many);
  await stop();
  expect([handled.length, await left()]).toEqual([many, NOTHING]);
  // Node's warning of more than ten listeners reaches no test.
  for (const { payload } of handled) expect(getMaxListeners(payload.signal)).toBe(Infinity);
});

describe("stop", () => {
  test("waits for what is being handled", async () => {
    await produce(world(), PAYLOAD);
    let finish: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (finish = resolve));
    let begun = false;
    const { stop, handled } = consume({ handler: () => ((begun = true), gate) });
    await until(() => begun);
    const stopping = stop();
    expect(handled).toEqual([]);
    finish();
    await stopping;
    expect([handled.length, await left()]).toEqual([1, NOTHING]);
  });

  test("without grace ends handlers, and their messages show again at once", async () => {
    await produce(world(), PAYLOAD);
    let begun: () => void = () => undefined;
    const started = new Promise<void>((resolve) => (begun = resolve));
    const first = consume({
      graceSeconds: 0,
      handler: async ({ signal, body }: Payload) => {
        begun();
        await new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("ended"))));
        body.resume();
      },
    });
    await started;
    await first.stop();
    expect(first.of("failed")).toMatchObject([{ error: { message: "ended" }, retryAfterSeconds: 0 }]);
    const second = consume();
    await second.told("handled");
    await second.stop();
    expect(second.handled[0]?.payload.receiveCount).toBe(2);
  });

  test("by abort ends handlers at once, and shows messages of those that go on", async () => {
    for (let index = 0; index < 2; index += 1) await produce(world(), PAYLOAD);
    const signals: AbortSignal[] = [];
    let finish: () => void = () => undefined;
    const deaf = new Promise<void>((resolve) => (finish = resolve));
    const first = consume({ handler: ({ signal }: Payload) => (signals.push(signal), deaf) });
    await until(() => signals.length === 2);
    await first.consumer.abort();
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
    const second = consume({ maxMessages: 2 });
    await second.ended;
    expect(second.handled.map(({ payload }) => payload.receiveCount)).toEqual([2, 2]);
    finish();
    await first.ended;
  });

  test("in the middle of the first question to the queue is an end, and no error", async () => {
    const { proxy } = world();
    proxy.inject("SQS GetQueueAttributes", "silence");
    const asked = proxy.next("SQS GetQueueAttributes");
    const { stop, events } = consume({ visibilityTimeoutSeconds: undefined });
    await asked;
    await stop();
    expect([events, proxy.count("SQS ReceiveMessage")]).toEqual([[], 0]);
  });

  test("leaves no timer behind", async () => {
    const { stop } = consume();
    await until(() => world().proxy.count("SQS ReceiveMessage") > 0);
    const before = timers();
    await stop();
    expect(timers()).toBeLessThanOrEqual(before);
  });
});

const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;

test("maxMessages are taken and no more, and the last one is given its time", async () => {
  for (let index = 0; index < 4; index += 1) await produce(world(), PAYLOAD, {}, {});
  const { handled, ended, of } = consume({
    maxMessages: 3,
    concurrency: 2,
    graceSeconds: 0,
    handler: async () => await new Promise<void>((resolve) => void setTimeout(resolve, 30)),
  });
  await ended;
  expect([handled.length, of("failed"), (await world().messages()).length]).toEqual([3, [], 1]);
});

test("stopWhenEmpty ends it once the queue stays empty; keep leaves payloads", async () => {
  await produce(world(), PAYLOAD);
  const { handled, ended } = consume({ stopWhenEmpty: true, waitTimeSeconds: 1, keep: true });
  await ended;
  expect([handled.length, await world().messages(), (await world().objects()).length]).toEqual([1, [], 1]);
});

test("an empty queue is asked for 20 s at a time, and not again before the answer", async () => {
  const { proxy } = world();
  const polled = proxy.next("SQS ReceiveMessage");
  const bodies: string[] = [];
  const { stop } = consume();
  await polled;
  const { faultySqs } = world();
  faultySqs.middlewareStack.add(
    (next) => (parameters) => {
      bodies.push(JSON.stringify(parameters.input));
      return next(parameters);
    },
    { step: "initialize", name: "watch" },
  );
  // A message ends the first poll; the next one is the only one after it.
  await world().sqs.send(
    new SendMessageCommand({
      QueueUrl: world().chain.queueUrl,
      MessageBody: '{"Service":"Amazon S3","Event":"s3:TestEvent"}',
    }),
  );
  await until(() => bodies.some((body) => body.includes("WaitTimeSeconds")));
  await new Promise((resolve) => void setTimeout(resolve, 300));
  const polls = bodies.filter((body) => body.includes("WaitTimeSeconds"));
  expect(polls.map((body) => (JSON.parse(body) as { WaitTimeSeconds: number }).WaitTimeSeconds)).toEqual([
    20,
  ]);
  expect(proxy.count("SQS ReceiveMessage")).toBe(2);
  faultySqs.middlewareStack.remove("watch");
  await stop();
});

test("the queue that is not there is told at once", async () => {
  const { chain } = world();
  const { ended } = consume({ queueUrl: `${chain.queueUrl}-none`, visibilityTimeoutSeconds: undefined });
  await expect(ended).rejects.toMatchObject({
    code: "Refused",
    message: expect.stringContaining("cannot be read"),
  });
});

test("a queue that is out of reach is told at once", async () => {
  const sqs = new SQSClient({
    endpoint: "http://127.0.0.1:9",
    region: "eu-central-1",
    credentials: { accessKeyId: "a", secretAccessKey: "b" },
    maxAttempts: 1,
  });
  const { ended } = consume({
    queueUrl: "http://127.0.0.1:9/1/queue",
    sqs,
    visibilityTimeoutSeconds: undefined,
  });
  await expect(ended).rejects.toMatchObject({
    code: "Unavailable",
    message: expect.stringContaining("cannot be read"),
  });
});

test("an inline message whose bytes are not those of its digest is invalid at once, and not handled", async () => {
  const about = { source: "tweedle", object_key: newKey("a"), size: 3, checksum_sha256: "x" };
  await world().send(about, { payload: { DataType: "Binary", BinaryValue: Buffer.from("abc") } });
  const { ended, handled, of } = consume({ maxMessages: 1 });
  await ended;
  expect(handled).toEqual([]);
  expect(of("failed")[0]).toMatchObject({
    permanent: true,
    retryAfterSeconds: 0,
    error: { code: "Invalid" },
  });
});

test.each([
  ["the API's of the version", "getObject", "InvalidVersionId", true],
  ["the API's of the key", "getObject", "InvalidObjectKey", true],
  ["the API's of how it is asked", "getObject", "UnknownField", false],
  ["S3's of the version", "GET", "InvalidArgument", true],
  ["S3's of a key of KMS", "GET", "KMS.DisabledException", false],
])("a 400 that is %s is permanent if the message is wrong", async (_, step, code, permanent) => {
  await produce(world(), PAYLOAD);
  world().proxy.inject(step, { status: 400, code });
  const { ended, of } = consume({ maxMessages: 1 });
  await ended;
  expect(of("failed")[0]).toMatchObject({ permanent, error: { code: permanent ? "Invalid" : "Refused" } });
});

test("another event of S3 is deleted and told, beside a payload or alone, and counts as no payload", async () => {
  const { chain } = world();
  const removed = { ...recordOf(chain.bucketName), eventSource: "aws:s3", eventName: "ObjectRemoved:Delete" };
  await world().send({ Records: [removed] });
  const { key } = await produce(world(), PAYLOAD);
  const { ended, handled, of } = consume({ maxMessages: 1 });
  await ended;
  expect([handled.map(({ payload }) => payload.key), of("failed")]).toEqual([[key], []]);
  expect(of("ignored")).toMatchObject([
    { why: "ObjectRemoved:Delete", key: expect.stringMatching(/^input/) },
  ]);
  expect(await left()).toEqual(NOTHING);
});

test("a failure says how often its message comes again, to the last receive before it is a dead letter", async () => {
  await world().send("not JSON");
  await world().send({ Records: [{}, null, 3] });
  const { told, of, stop } = consume();
  await told("failed", 10);
  await stop();
  // Records that cannot be read are one failure, whose sentence is the first one's.
  for (const messageId of new Set(of("failed").map((event) => event.messageId))) {
    const failures = of("failed").filter((event) => event.messageId === messageId);
    expect(failures.map(({ receiveCount, receivesLeft }) => [receiveCount, receivesLeft])).toEqual([
      [1, 4],
      [2, 3],
      [3, 2],
      [4, 1],
      [5, 0],
    ]);
  }
  expect(of("failed").map(({ error }) => error.message)).toContain(
    "The message's Records[0].eventName must be a text, not undefined. 2 other records of it cannot be read, either.",
  );
  expect(await world().messages(world().chain.deadLetterQueueUrl, 5)).toHaveLength(2);
});

test("progress is told of each payload by its id, though two have one name", async () => {
  for (let index = 0; index < 2; index += 1) await produce(world(), PAYLOAD, { name: "same.bin" });
  const reports = new Map<string, ProgressReport>();
  const { handled, ended } = consume({
    maxMessages: 2,
    onProgress: ({ id, name }, report) => {
      expect(name).toBe("same.bin");
      reports.set(id, report);
    },
  });
  await ended;
  const whole = { bytes: PAYLOAD.length, totalBytes: PAYLOAD.length };
  expect(reports).toEqual(new Map(handled.map(({ payload }) => [payload.id, whole])));
  expect(reports.size).toBe(2);
});

test("what keeps a payload from moving is part of its progress, and what keeps a consumer from the first is told", async () => {
  const { proxy } = world();
  await produce(world(), PAYLOAD, { name: "waits.bin" });
  proxy.inject("check", SLOW_DOWN, 1);
  const waits: Waiting[] = [];
  const reports: [string, ProgressReport][] = [];
  const { ended, events } = consume({
    maxMessages: 1,
    onWait: (waiting) => waits.push(waiting),
    onReady: () => proxy.inject("GET", SLOW_DOWN, 1),
    onProgress: ({ name }, report) => reports.push([name, report]),
  });
  await ended;
  expect([waits[0]?.service, waits[0]?.reason]).toEqual(["api", "503 SlowDown"]);
  const waiting = { service: "s3", reason: "503 SlowDown" };
  expect(reports[0]).toMatchObject(["waits.bin", { bytes: 0, totalBytes: PAYLOAD.length, waiting }]);
  expect(events.map(({ kind }) => kind)).toEqual(["handled"]);
});

describe("where the API refuses its caller", () => {
  test("a consumer stops, says so in one sentence, and its messages show again at once", async () => {
    const { chain, proxy } = world();
    for (let index = 0; index < 3; index += 1) await produce(world(), PAYLOAD);
    const { ended, events } = consume({
      concurrency: 1,
      retryDelaySeconds: () => 900,
      onReady: () => proxy.inject("getObject", { status: 403, code: "AccessDenied" }, 99),
    });
    await expect(ended).rejects.toMatchObject({
      code: "Refused",
      message: expect.stringMatching(
        /^Polling has stopped, because the API refuses every request: [^\n]+\.$/,
      ) as string,
    });
    expect(events).toEqual([]);
    proxy.reset();
    const after = consume({ maxMessages: 3 });
    await after.ended;
    const receives = after.handled.map(({ payload }) => payload.receiveCount);
    expect(receives.toSorted((a, b) => a - b)).toEqual([1, 1, 2]);
    expect(await world().messages(chain.queueUrl)).toEqual([]);
  });

  test("a payload that is being handled is finished first", async () => {
    const { proxy } = world();
    await produce(world(), PAYLOAD, { name: "first" });
    let finish: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (finish = resolve));
    const { ended, handled, told } = consume({
      keep: true,
      handler: async ({ body }: Payload) => {
        const bytes = await buffer(body);
        proxy.inject("getObject", { status: 403, code: "AccessDenied" }, 99);
        await produce(world(), PAYLOAD, { name: "second" });
        await gate;
        return bytes as unknown as undefined;
      },
    });
    await until(() => proxy.passed.some(({ step, fault }) => step === "getObject" && fault !== undefined));
    finish();
    await told("handled");
    await expect(ended).rejects.toMatchObject({ code: "Refused" });
    expect(handled.map(({ name }) => name)).toEqual(["first"]);
  });
});

test("one bad record among good ones fails the message, whose good payloads are handled once", async () => {
  const { chain } = world();
  const { key } = await produce(world(), PAYLOAD);
  await world().messages(chain.queueUrl, 5);
  const bad = { ...recordOf(chain.bucketName), eventName: "objectcreated:Put" };
  await world().send({ Records: [recordOf(chain.bucketName, { key }), bad] });
  const { told, handled, stop } = consume();
  await told("failed", 5);
  await stop();
  expect(handled).toHaveLength(1);
  expect(await world().messages(chain.deadLetterQueueUrl, 5)).toHaveLength(1);
});
