import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from "@aws-sdk/client-s3";
import { type Message, StartMessageMoveTaskCommand } from "@aws-sdk/client-sqs";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { type Chain, start } from "../../local/chain";
import { describeWith } from "../terraform/describe-with";
import { Consumer, ask, s3Client, synthesize, temporaryFolder } from "./tools";

const stackOf = synthesize();
const folder = temporaryFolder();
let chain: Chain;
let consumer: Consumer;
let first: Message | undefined;

beforeAll(async () => {
  chain = await start({ stack: stackOf("dev") });
  consumer = new Consumer(chain);
  first = await consumer.receive();
  await consumer.delete(first ?? {});
});

afterAll(() => chain.stop());

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("base64");
const put = (url: string, body: Uint8Array<ArrayBuffer> | string, headers: Record<string, string> = {}) =>
  fetch(url, { method: "PUT", body, headers });
const codeOf = async (response: Response) =>
  [response.status, /<Code>(\w+)<\/Code>/.exec(await response.text())?.[1]] as const;

/** Puts a payload and takes its announcement off the queue. */
async function produce(name: string, body: Uint8Array<ArrayBuffer> | string, fields = {}) {
  const answer = await ask(chain, "/putObject", { object_key: name, ...fields });
  expect((await put(answer.url, body, answer.headers)).status).toBe(200);
  return { ...answer, announced: await consumer.announced() };
}

test("S3's own test message is the first in the queue", () => {
  expect(JSON.parse(first?.Body ?? "")).toMatchObject({ Event: "s3:TestEvent", Bucket: chain.bucketName });
});

test.each([
  "cat.jpg",
  "a b+c%20d&e=f;g.txt",
  "!'()*~-._$@:,?#[]{}^|`\"<>",
  "umlaut ü/emoji 😀/한글",
  "%2e%2e%2f",
  `long/${"ü".repeat(400)}`,
])("a payload named %j is put, announced, and fetched as it was", async (name) => {
  const payload = randomBytes(300_000);
  const { object_key, announced } = await produce(name, payload, {
    content_type: "image/jpeg",
    content_length: payload.length,
    checksum_sha256: sha256(payload),
    metadata: { author: "Lewis Carroll" },
    if_none_match: "*",
  });
  expect(announced).toMatchObject({
    eventName: "ObjectCreated:Put",
    key: object_key,
    size: payload.length,
    eTag: createHash("md5").update(payload).digest("hex"),
    versionId: expect.stringMatching(/^[0-9a-f]{32}$/),
    sequencer: expect.stringMatching(/^[0-9A-F]{16}$/),
  });
  const { url } = await ask(chain, "/", {
    action: "getObject",
    object_key: announced.key,
    version_id: announced.versionId,
  });
  const fetched = await fetch(url);
  expect(fetched.headers.get("content-disposition")).toBe("attachment");
  expect(fetched.headers.get("content-type")).toBe("image/jpeg");
  expect(fetched.headers.get("x-amz-meta-author")).toBe("Lewis Carroll");
  expect(sha256(new Uint8Array(await fetched.arrayBuffer()))).toBe(sha256(payload));

  const head = await ask(chain, "/headObject", { object_key: announced.key });
  expect((await fetch(head.url, { method: "HEAD" })).headers.get("content-length")).toBe(
    String(payload.length),
  );
  const drop = await ask(chain, "/deleteObject", {
    object_key: announced.key,
    version_id: announced.versionId,
  });
  expect((await fetch(drop.url, { method: "DELETE" })).status).toBe(204);
  // Who may not list a bucket is not told what is not there.
  expect(await codeOf(await fetch(url))).toEqual([403, "AccessDenied"]);
});

test("an empty payload is a message too", async () => {
  const { announced } = await produce("empty", "", { content_length: 0 });
  expect(announced.size).toBe(0);
});

test("the events of a key carry sequencers that grow", async () => {
  const { url, headers, announced } = await produce("twice", "one");
  await put(url, "two", headers);
  expect((await consumer.announced()).sequencer > announced.sequencer).toBe(true);
});

describe("a multipart upload", () => {
  const parts = [randomBytes(5 * 1024 ** 2), randomBytes(5 * 1024 ** 2), randomBytes(1000)];
  const whole = Buffer.concat(parts);

  async function begin() {
    const create = await ask(chain, "/createMultipartUpload", {
      object_key: "big",
      content_type: "video/mp4",
    });
    const created = await fetch(create.url, { method: "POST", headers: create.headers });
    const upload_id = /<UploadId>(\w+)<\/UploadId>/.exec(await created.text())?.[1] ?? "";
    return { object_key: create.object_key, upload_id };
  }

  async function upload(of: object): Promise<string[]> {
    const { parts: urls } = await ask(chain, "/uploadPart", { ...of, part_numbers: [1, 2, 3] });
    const answers = await Promise.all(urls.map(({ url }, index) => put(url, parts[index] ?? "")));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    return answers.map(({ headers }) => headers.get("etag") ?? "");
  }

  async function complete(of: object, etags: string[], fields = {}) {
    const { url, headers } = await ask(chain, "/completeMultipartUpload", { ...of, ...fields });
    const listed = etags.map(
      (etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`,
    );
    const body = `<CompleteMultipartUpload>${listed.join("")}</CompleteMultipartUpload>`;
    return await fetch(url, { method: "POST", body, headers });
  }

  test("of three parts is listed, completed, announced once, and fetched whole", async () => {
    const of = await begin();
    const etags = await upload(of);
    const list = await ask(chain, "/listParts", { ...of, part_number_marker: 1 });
    const listed = await (await fetch(list.url)).text();
    expect([...listed.matchAll(/<PartNumber>(\d+)<\/PartNumber>/g)].map(([, number]) => number)).toEqual([
      "2",
      "3",
    ]);
    expect(listed).toContain("<Size>1000</Size>");

    expect((await complete(of, etags, { content_length: whole.length, if_none_match: "*" })).status).toBe(
      200,
    );
    const announced = await consumer.announced();
    expect(announced).toMatchObject({
      eventName: "ObjectCreated:CompleteMultipartUpload",
      key: of.object_key,
      size: whole.length,
      eTag: expect.stringMatching(/^[0-9a-f]{32}-3$/),
    });
    const get = await ask(chain, "/getObject", { object_key: announced.key });
    const fetched = await fetch(get.url, { headers: { range: "bytes=5242870-10485770" } });
    expect(fetched.status).toBe(206);
    expect(Buffer.from(await fetched.arrayBuffer()).equals(whole.subarray(5242870, 10485771))).toBe(true);
    expect(fetched.headers.get("content-type")).toBe("video/mp4");
  });

  test("is not completed with another length, a wrong part, or another key", async () => {
    const of = await begin();
    const etags = await upload(of);
    const wrong = complete(of, etags, { content_length: whole.length - 1 });
    expect(await codeOf(await wrong)).toEqual([400, "InvalidRequest"]);
    expect(await codeOf(await complete(of, [...etags].toReversed()))).toEqual([400, "InvalidPart"]);
    const other = { ...of, object_key: of.object_key.replace("big", "other") };
    expect(await codeOf(await complete(other, etags))).toEqual([404, "NoSuchUpload"]);
    expect((await complete(of, etags)).status).toBe(200);
    await consumer.announced();
  });

  test("that is given up leaves nothing behind", async () => {
    const of = await begin();
    const etags = await upload(of);
    const abort = await ask(chain, "/abortMultipartUpload", of);
    expect((await fetch(abort.url, { method: "DELETE" })).status).toBe(204);
    expect(await codeOf(await complete(of, etags))).toEqual([404, "NoSuchUpload"]);
    const part = await ask(chain, "/uploadPart", { ...of, part_numbers: [1] });
    expect(await codeOf(await put(part.parts[0]?.url ?? "", "x"))).toEqual([404, "NoSuchUpload"]);
  });
});

describe("S3 refuses", () => {
  test("a URL whose time is over", async () => {
    const { url } = await ask(chain, "/putObject", { object_key: "late" });
    // Only the date moves: the servers go on with real timers.
    jest.useFakeTimers({
      now: Date.now() + 101_000,
      doNotFake: [
        "hrtime",
        "nextTick",
        "performance",
        "queueMicrotask",
        "setImmediate",
        "setInterval",
        "setTimeout",
        "clearImmediate",
        "clearInterval",
        "clearTimeout",
      ],
    });
    const refused = put(url, "late").finally(() => jest.useRealTimers());
    expect(await codeOf(await refused)).toEqual([403, "AccessDenied"]);
    expect((await put(url, "in time")).status).toBe(200);
    await consumer.announced();
  });

  test("a signature that is older than 15 minutes, by the bucket's policy, whoever made it", async () => {
    const s3 = s3Client(chain);
    const url = (minutes: number) =>
      getSignedUrl(s3, new PutObjectCommand({ Bucket: chain.bucketName, Key: "elsewhere/old" }), {
        expiresIn: 86_400,
        signingDate: new Date(Date.now() - minutes * 60_000),
      });
    expect(await codeOf(await put(await url(16), "old"))).toEqual([403, "AccessDenied"]);
    expect((await put(await url(14), "not so old")).status).toBe(200);
    expect(
      (await s3.send(new ListObjectsV2Command({ Bucket: chain.bucketName, Prefix: "elsewhere/" }))).KeyCount,
    ).toBe(1);
    s3.destroy();
  });

  test("a URL that was changed in any part, and one without a signature", async () => {
    const { url, headers } = await ask(chain, "/putObject", {
      object_key: "cat.jpg",
      content_type: "image/jpeg",
      content_length: 3,
      checksum_sha256: sha256(Buffer.from("cat")),
      metadata: { a: "b" },
    });
    const changed: [string, string, Record<string, string>, string][] = [
      ["another key", url.replace("cat.jpg", "dog.jpg"), headers, "cat"],
      ["another bucket", url.replace("-content-", "-trail-"), headers, "cat"],
      ["another end", url.replace("X-Amz-Expires=100", "X-Amz-Expires=900"), headers, "cat"],
      ["another date", url.replace(/(X-Amz-Date=\d+T\d+)\dZ/, "$1xZ"), headers, "cat"],
      ["another key id", url.replace("Credential=ASIA", "Credential=ASIB"), headers, "cat"],
      ["another token", url.replace(/(Security-Token=..)./, "$1-"), headers, "cat"],
      ["one more parameter", `${url}&acl`, headers, "cat"],
      ["no signature", url.replace(/\?.*/, ""), headers, "cat"],
      ["another type", url, { ...headers, "content-type": "text/html" }, "cat"],
      ["another length", url, { ...headers, "content-length": "4" }, "cats"],
      ["another digest", url, { ...headers, "x-amz-checksum-sha256": sha256(Buffer.from("dog")) }, "dog"],
      ["other metadata", url, { ...headers, "x-amz-meta-a": "c" }, "cat"],
      ["more metadata", url, { ...headers, "x-amz-meta-b": "c" }, "cat"],
      ["an ACL", url, { ...headers, "x-amz-acl": "public-read" }, "cat"],
    ];
    for (const [what, target, sent, body] of changed) {
      expect([what, (await put(target, body, sent)).status]).toEqual([what, 403]);
    }
    expect((await fetch(url, { method: "DELETE" })).status).toBe(403);
    expect((await fetch(url)).status).toBe(403);
    expect((await put(url, "cat", headers)).status).toBe(200);
    await consumer.announced();
  });

  test("a body that is not the one that was declared, and keeps nothing of it", async () => {
    const { url, headers, object_key } = await ask(chain, "/putObject", {
      object_key: "cat.jpg",
      checksum_sha256: sha256(Buffer.from("cat")),
    });
    expect(await codeOf(await put(url, "dog", headers))).toEqual([400, "BadDigest"]);
    const get = await ask(chain, "/getObject", { object_key });
    expect(await codeOf(await fetch(get.url))).toEqual([403, "AccessDenied"]);
  });

  test("to write over an object where the producer said if_none_match", async () => {
    const { url, headers } = await produce("once", "first", { if_none_match: "*" });
    expect(await codeOf(await put(url, "second", headers))).toEqual([412, "PreconditionFailed"]);
  });
});

describe("dead letters", () => {
  test("a message that five consumers could not handle goes to the dead-letter queue, and is redriven", async () => {
    await ask(chain, "/putObject", { object_key: "poison" }).then(({ url }) => put(url, "poison"));
    for (let receive = 1; receive <= 5; receive += 1) {
      const message = await consumer.receive();
      expect(message?.Attributes?.["ApproximateReceiveCount"]).toBe(String(receive));
      await consumer.giveBack(message ?? {});
    }
    const dead = await consumer.receive(chain.deadLetterQueueUrl);
    expect(dead?.Body).toContain("poison");
    expect(await consumer.receive(chain.queueUrl, 0)).toBeUndefined();
    await consumer.giveBack(dead ?? {}, chain.deadLetterQueueUrl);

    const SourceArn = chain.stack.outputs["dead_letter_queue_arn"];
    await consumer.sqs.send(new StartMessageMoveTaskCommand({ SourceArn }));
    const redriven = await consumer.receive();
    expect(redriven?.Body).toBe(dead?.Body);
    expect(redriven?.Attributes?.["ApproximateReceiveCount"]).toBe("1");
    await consumer.delete(redriven ?? {});
  });
});

describe("a queue", () => {
  test("answers a long poll with what is there, and does not wait for ten", async () => {
    const begun = performance.now();
    for (const name of ["a", "b"])
      await ask(chain, "/putObject", { object_key: name }).then(({ url }) => put(url, name));
    const messages = await consumer.receiveMany(10);
    expect(messages.length).toBeGreaterThan(0);
    expect(performance.now() - begun).toBeLessThan(10_000);
    for (const message of messages) await consumer.delete(message);
    if (messages.length < 2) await consumer.announced();
  });

  test("does not count a heartbeat as a receive", async () => {
    await ask(chain, "/putObject", { object_key: "slow" }).then(({ url }) => put(url, "slow"));
    const message = await consumer.receive();
    for (let beat = 0; beat < 6; beat += 1) await consumer.giveBack(message ?? {}, chain.queueUrl, 30);
    await consumer.giveBack(message ?? {});
    const again = await consumer.receive();
    expect(again?.Attributes?.["ApproximateReceiveCount"]).toBe("2");
    await consumer.delete(again ?? {});
  });

  test("keeps what it would have told a consumer that is gone", async () => {
    const abort = new AbortController();
    const poll = fetch(chain.sqsEndpoint, {
      method: "POST",
      headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.ReceiveMessage" },
      body: JSON.stringify({ QueueUrl: chain.queueUrl, WaitTimeSeconds: 20 }),
      signal: abort.signal,
    });
    const { url } = await ask(chain, "/putObject", { object_key: "for-another" });
    abort.abort();
    await expect(poll).rejects.toThrow("aborted");
    await put(url, "for-another");
    const message = await consumer.receive();
    expect(message?.Attributes?.["ApproximateReceiveCount"]).toBe("1");
    await consumer.delete(message ?? {});
  });
});

describeWith(["curl"], "a shell", ({ curl: command }) => {
  const curl = async (...args: string[]) => (await promisify(execFile)(command, ["-sSf", ...args])).stdout;

  test("puts and gets with curl alone", async () => {
    const file = join(folder, "cat.jpg");
    writeFileSync(file, randomBytes(300_000));
    const text = ["-H", "Accept: text/plain", "-d"];
    const putUrl = await curl(...text, '{"action":"putObject","object_key":"cat.jpg"}', chain.apiUrl);
    await curl("-T", file, putUrl);
    const { key } = await consumer.announced();
    const getUrl = await curl(
      ...text,
      JSON.stringify({ action: "getObject", object_key: key }),
      chain.apiUrl,
    );
    await curl("-o", join(folder, "received"), getUrl);
    expect(readFileSync(join(folder, "received")).equals(readFileSync(file))).toBe(true);
  });
});

test("what is elsewhere than under input/ is not announced", async () => {
  const s3 = s3Client(chain);
  await s3.send(new PutObjectCommand({ Bucket: chain.bucketName, Key: "output/a", Body: "a" }));
  const { key } = (await produce("next", "b")).announced;
  expect(key).toMatch(/^input\/.*\/next$/);
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: chain.bucketName, Key: key }));
  expect(await Body?.transformToString()).toBe("b");
  s3.destroy();
});

describe("with a data directory", () => {
  test("payloads and messages survive a restart, inline ones and dead letters too, and are announced once", async () => {
    const dataDirectory = join(folder, "data");
    const before = await start({ stack: stackOf("dev"), dataDirectory });
    const early = new Consumer(before);
    await early.delete((await early.receive()) ?? {});
    const { url, object_key } = await ask(before, "/putObject", {
      object_key: "kept",
      metadata: { a: "b" },
    });
    expect((await put(url, "kept", { "x-amz-meta-a": "b" })).status).toBe(200);
    // Received once, and not handled.
    expect((await early.receive())?.Body).toContain("kept");
    await ask(before, "/sendMessage", { object_key: "poison", body: "YQ==" });
    for (let receive = 1; receive <= 5; receive += 1) await early.giveBack((await early.receive()) ?? {});
    await ask(before, "/sendMessage", { object_key: "inline", body: "aW5saW5l" });
    await before.stop();

    const second = await start({ stack: stackOf("dev"), dataDirectory });
    expect(await second.announceLeft()).toBe(0);
    const late = new Consumer(second);
    const [announced, inline] = [await late.receive(), await late.receive()];
    expect(announced?.Body).toContain("kept");
    expect(announced?.Attributes?.["ApproximateReceiveCount"]).toBe("2");
    expect(inline?.Body).toContain("inline");
    for (const message of [announced, inline]) await late.delete(message ?? {});
    expect(await late.receive(second.queueUrl, 0)).toBeUndefined();
    expect((await late.receive(second.deadLetterQueueUrl))?.Body).toContain("poison");
    const fetched = await fetch((await ask(second, "/getObject", { object_key })).url);
    expect([await fetched.text(), fetched.headers.get("x-amz-meta-a")]).toEqual(["kept", "b"]);
    await second.stop();

    // Its message is deleted, so that nothing else says that it is there.
    const third = await start({ stack: stackOf("dev"), dataDirectory });
    expect(await third.announceLeft()).toBe(1);
    expect((await new Consumer(third).announced()).key).toBe(object_key);
    await third.stop();
    await expect(fetch(third.apiUrl)).rejects.toThrow("fetch failed");
  });

  test("a message that is not whole is dropped, and one that is none stops the start with its name", async () => {
    const dataDirectory = join(folder, "broken");
    await (await start({ stack: stackOf("dev"), dataDirectory })).stop();
    const queue = join(dataDirectory, ".sqs", "tweedle-dev-queue");
    writeFileSync(join(queue, "half.partial"), '{"messageId":');
    await (await start({ stack: stackOf("dev"), dataDirectory })).stop();
    expect(existsSync(join(queue, "half.partial"))).toBe(false);
    writeFileSync(join(queue, "other.json"), "no JSON");
    await expect(start({ stack: stackOf("dev"), dataDirectory })).rejects.toThrow(
      /other\.json is not a message of the local SQS\. Remove it/,
    );
  });
});

test("nothing is left half-written", () => {
  expect(
    readdirSync(folder, { recursive: true }).filter((name) => String(name).endsWith(".partial")),
  ).toEqual([]);
});
