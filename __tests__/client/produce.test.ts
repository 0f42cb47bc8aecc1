import { randomBytes } from "node:crypto";
import { execFileSync } from "node:child_process";
import { getEventListeners, getMaxListeners } from "node:events";
import { statSync } from "node:fs";
import { open, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { messageBytes } from "../../functions/send-message/message";
import { newKey } from "../../functions/sign-url/keys";
import { LIMITS } from "../../functions/sign-url/limits";
import type { TweedleError } from "../../client/errors";
import { LAYOUT_METADATA, LAYOUT_METADATA_BYTES, Layout } from "../../client/produce/layout";
import { Producer, type ProducerOptions } from "../../client/produce/producer";
import type { ProgressReport } from "../../client/produce/progress";
import { temporaryFolder } from "../local/tools";
import { DENIED, type Fault, INTERNAL, SLOW_DOWN, THROTTLED } from "./fault-proxy";
import { AT_ONCE, MIB, setUp, sha256, spooledParts, until } from "./tools";

const world = setUp();
const folder = temporaryFolder();
let producer: Producer;

const make = (options: Partial<ProducerOptions> = {}) => {
  const { chain, proxy } = world();
  const { connections } = proxy;
  return new Producer({
    apiUrl: chain.apiUrl,
    connections,
    retry: AT_ONCE,
    stateDirectory: folder,
    ...options,
  });
};

beforeEach(() => {
  producer = make();
});

const SMALL = randomBytes(1000);
const LARGE = randomBytes(6 * MIB);
const SPOOLED = randomBytes(11 * MIB);
/** Each way that a payload goes. */
const WAYS = {
  inline: { payload: SMALL, options: {}, via: "sendMessage" },
  put: { payload: SMALL, options: { inlineThresholdBytes: 0 }, via: "putObject" },
  parts: {
    payload: LARGE,
    options: { multipartThresholdBytes: 0, partSizeBytes: 5 * MIB },
    via: "multipart",
  },
} as const;

/** Whether a payload has come whole, in one message. */
async function hasCome(payload: Buffer, { key, size }: { key: string; size: number }): Promise<boolean> {
  const [one, ...others] = await world().arrived();
  return one?.key === key && one.bytes.equals(payload) && size === payload.length && others.length === 0;
}

const FAULTS: readonly Fault[] = ["reset", "lost answer", SLOW_DOWN, INTERNAL, THROTTLED, "trickle"];
const CUT_SHORT: readonly Fault[] = ["truncated"];
const OF_A_BODY: readonly Fault[] = ["reset half-way", { ...SLOW_DOWN, early: true }];
/** Codes of S3 whose status says something else. */
const OF_S3: readonly Fault[] = [
  "RequestTimeout",
  "IncompleteBody",
  "OperationAborted",
  "XAmzContentSHA256Mismatch",
  "ExpiredToken",
  "TokenRefreshRequired",
  "RequestTimeTooSkewed",
].map((code) => ({ status: 400, code }));
const OF_BYTES: readonly Fault[] = [{ status: 400, code: "BadDigest" }];
/** S3 says no in a 200. */
const IN_A_200: readonly Fault[] = ["InternalError", "SlowDown", "ExpiredToken"].map((code) => ({
  status: 200,
  code,
}));
const OF_A_URL: readonly Fault[] = [DENIED, "expired", ...OF_S3];

test.each([
  ["inline", "sendMessage", [...FAULTS, ...CUT_SHORT]],
  ["put", "putObject", [...FAULTS, ...CUT_SHORT]],
  ["put", "PUT", [...FAULTS, ...OF_A_BODY, ...OF_A_URL, ...OF_BYTES]],
  ["parts", "createMultipartUpload", [...FAULTS, ...CUT_SHORT]],
  ["parts", "POST create", [...FAULTS, ...CUT_SHORT, ...OF_A_URL]],
  ["parts", "uploadPart", [...FAULTS, ...CUT_SHORT]],
  ["parts", "PUT part", [...FAULTS, ...OF_A_BODY, ...OF_A_URL, ...OF_BYTES]],
  ["parts", "completeMultipartUpload", [...FAULTS, ...CUT_SHORT]],
  ["parts", "POST complete", [...FAULTS, ...CUT_SHORT, ...OF_A_URL, ...IN_A_200]],
] as const)("%s: whatever goes wrong twice with %s, one payload arrives", async (way, step, faults) => {
  const { payload, options, via } = WAYS[way];
  const { proxy } = world();
  const keys = new Map<string, string>();
  for (const fault of faults) {
    proxy.reset();
    // What only takes its time need not be tried again.
    const times = fault === "trickle" ? 1 : 2;
    proxy.inject(step, fault, times);
    const reports: number[] = [];
    const onProgress = ({ bytes }: { bytes: number }) => void reports.push(bytes);
    const produced = await make(options).produce(payload, { name: "cat.bin", onProgress });
    const told = { fault, via: produced.via, end: reports.at(-1), least: Math.min(0, ...reports) };
    expect(told).toEqual({ fault, via, end: payload.length, least: 0 });
    expect([fault, proxy.passed.filter((one) => one.fault !== undefined).length]).toEqual([fault, times]);
    keys.set(produced.key, JSON.stringify(fault));
  }
  const arrived = await world().arrived();
  const wrong = arrived.filter(({ bytes }) => !bytes.equals(payload)).map(({ key }) => keys.get(key));
  expect(wrong).toEqual([]);
  expect(new Set(arrived.map(({ key }) => key))).toEqual(new Set(keys.keys()));
  // A message whose answer was lost is sent again, under the same key. S3 announces an object once.
  expect(arrived.length - faults.length).toBe(step === "sendMessage" ? 4 : 0);
  expect(await world().objects()).toHaveLength(via === "sendMessage" ? 0 : faults.length);
  // One whose beginning was lost is not known to anybody, and S3 drops it after a day.
  const lost = step === "POST create" ? 4 : 0;
  expect([world().uploadsLeft(), proxy.busy()]).toEqual([lost, 0]);
});

test("a connection that is refused is tried again, once the API has been reached", async () => {
  for (const { payload, options } of Object.values(WAYS)) {
    const before = make(options);
    expect(await hasCome(payload, await before.produce(payload))).toBe(true);
    world().proxy.refuse(3);
    expect(await hasCome(payload, await before.produce(payload))).toBe(true);
  }
});

test("what is refused is told at once, in a sentence, and leaves nothing", async () => {
  const { proxy } = world();
  const refused = async (way: keyof typeof WAYS, step: string, fault: Fault, maxDurationMs = 60_000) => {
    proxy.reset();
    proxy.inject(step, fault, Infinity);
    const { payload, options } = WAYS[way];
    const error: unknown = await make({ ...options, retry: { ...AT_ONCE, maxDurationMs } })
      .produce(payload)
      .catch((reason: unknown) => reason);
    return [(error as TweedleError).name, (error as TweedleError).code, proxy.count(step)];
  };
  const bad = { status: 400, code: "InvalidRequest" };
  expect(await refused("inline", "sendMessage", bad)).toEqual(["TweedleError", "Refused", 1]);
  expect(await refused("put", "putObject", bad)).toEqual(["TweedleError", "Refused", 1]);
  expect(await refused("put", "PUT", bad)).toEqual(["TweedleError", "Refused", 1]);
  expect(await refused("parts", "POST create", bad)).toEqual(["TweedleError", "Refused", 1]);
  expect(await refused("parts", "POST complete", bad)).toEqual(["TweedleError", "Refused", 1]);
  // A URL that is refused may have ended: it is signed again, twice.
  expect(await refused("put", "PUT", DENIED)).toEqual(["TweedleError", "Refused", 3]);
  // What is there under our key before we have sent anything is not ours.
  expect(await refused("put", "PUT", { status: 412 })).toEqual(["TweedleError", "Refused", 1]);
  const [, code] = await refused("parts", "PUT part", bad);
  expect([code, world().uploadsLeft(), await world().messages()]).toEqual(["Refused", 0, []]);
  // It went on for as long as it may.
  expect(await refused("put", "PUT", SLOW_DOWN, 0)).toEqual(["TweedleError", "Unavailable", 1]);
});

test.each([
  ["inline", "sendMessage"],
  ["put", "putObject"],
  ["put", "PUT"],
  ["parts", "createMultipartUpload"],
  ["parts", "POST create"],
  ["parts", "uploadPart"],
  ["parts", "PUT part"],
  ["parts", "completeMultipartUpload"],
  ["parts", "POST complete"],
] as const)("%s: an abort while %s is not answered ends it, and leaves nothing", async (way, step) => {
  const { proxy } = world();
  proxy.inject(step, "silence", 99);
  const { payload, options } = WAYS[way];
  const controller = new AbortController();
  const begun = proxy.next(step);
  const producing = make(options).produce(payload, { signal: controller.signal });
  await begun;
  controller.abort();
  await expect(producing).rejects.toMatchObject({ code: "Interrupted" });
  expect([world().uploadsLeft(), await world().objects(), await world().messages()]).toEqual([0, [], []]);
  expect(proxy.busy()).toBe(0);
});

describe("a stream", () => {
  const inParts = { multipartThresholdBytes: 0, partSizeBytes: 5 * MIB };

  test("goes by whichever way its bytes need, whatever its chunks are", async () => {
    const odd = async function* (bytes: Buffer) {
      for (let at = 0; at < bytes.length; at += 99_991) yield bytes.subarray(at, at + 99_991);
    };
    const sent = [
      [await make().produce(odd(SMALL)), SMALL, "sendMessage"],
      [await make({ inlineThresholdBytes: 0 }).produce(odd(SMALL)), SMALL, "putObject"],
      [await make(inParts).produce(odd(LARGE)), LARGE, "multipart"],
      [await make({ partSizeBytes: 9 * MIB }).produce(Readable.from(odd(SPOOLED))), SPOOLED, "multipart"],
      [await make().produce(Readable.from(["cät", "", "dog"])), Buffer.from("cätdog"), "sendMessage"],
    ] as const;
    const arrived = await world().arrived();
    for (const [produced, bytes, via] of sent) {
      const found = arrived.find(({ key }) => key === produced.key);
      expect([produced.via, produced.size, found?.bytes.equals(bytes)]).toEqual([via, bytes.length, true]);
    }
  });

  test("that fails in the middle ends with its own error, and its upload is given up", async () => {
    const failing = async function* () {
      yield LARGE;
      throw new Error("The tape tore.");
    };
    await expect(make(inParts).produce(failing())).rejects.toThrow("The tape tore.");
    await expect(make(inParts).produce(Readable.from(failing()))).rejects.toThrow("The tape tore.");
    expect([world().uploadsLeft(), await world().objects()]).toEqual([0, []]);
  });

  test("that says nothing more is not waited for, neither by an abort nor by a failure", async () => {
    const silent = async function* () {
      yield LARGE;
      await new Promise(() => undefined);
    };
    const controller = new AbortController();
    const { proxy } = world();
    const begun = proxy.next("PUT part");
    const aborted = make(inParts).produce(silent(), { signal: controller.signal });
    await begun;
    controller.abort();
    await expect(aborted).rejects.toMatchObject({ code: "Interrupted" });
    proxy.inject("PUT part", { status: 400, code: "InvalidRequest" });
    await expect(make(inParts).produce(silent())).rejects.toMatchObject({ code: "Refused" });
    await expect(
      make({ partSizeBytes: 9 * MIB }).produce(silent(), { signal: AbortSignal.timeout(50) }),
    ).rejects.toMatchObject({ code: "Interrupted" });
    expect(world().uploadsLeft()).toBe(0);
    await until(() => spooledParts().length === 0);
  });

  test("of a pipe that nobody writes into ends with an abort", async () => {
    const path = join(folder, "pipe");
    execFileSync("mkfifo", [path]);
    const writer = await open(path, "r+");
    await expect(make().produce(path, { signal: AbortSignal.timeout(50) })).rejects.toMatchObject({
      code: "Interrupted",
    });
    await writer.write("x");
    await writer.close();
  });
});

test("a file that changes while it is sent is refused, and never announced", async () => {
  const { proxy } = world();
  const path = join(folder, "changing");
  const change = async (way: "put" | "parts", step: string, how: () => Promise<void>, part = "") => {
    await writeFile(path, LARGE);
    proxy.reset();
    proxy.inject(step, SLOW_DOWN, 1, (url) => url.includes(part));
    const options = { ...WAYS[way].options, concurrency: 1, retry: { baseDelayMs: 50 } };
    const producing = make(options).produce(path);
    producing.catch(() => undefined);
    await until(() => proxy.passed.some(({ fault }) => fault === SLOW_DOWN));
    await how();
    await expect(producing).rejects.toMatchObject({
      code: "Invalid",
      message: expect.stringContaining("changed"),
    });
  };
  const overwrite = async () => {
    const file = await open(path, "r+");
    await file.write(Buffer.from("changed"), 0, 7, 0);
    await file.close();
  };
  await change("put", "PUT", overwrite);
  await change("put", "PUT", () => truncate(path, 10));
  await change("parts", "PUT part", overwrite);
  await change("parts", "PUT part", () => truncate(path, 10));
  // Parts that agree with their digests, but are not of one file.
  await change("parts", "PUT part", overwrite, "partNumber=2");
  expect([world().uploadsLeft(), await world().messages()]).toEqual([0, []]);
});

test.each([
  ["none of its bytes", "/proc/version", 0],
  ["more bytes than it has", "/sys/devices/system/cpu/online", 4096],
])("a file whose size counts %s arrives whole, as a stream", async (_, path, size) => {
  const payload = await readFile(path);
  expect(statSync(path).size).toBe(size);
  expect(payload.length).not.toBe(size);
  for (const { options } of [WAYS.inline, WAYS.put, WAYS.parts]) {
    const produced = await make(options).produce(path);
    expect(await hasCome(payload, produced)).toBe(true);
  }
});

test("names, types and metadata arrive as they were given, by each way", async () => {
  const name = "ordner/Grüße & 100 % + = 😀.txt";
  const metadata = { author: "Lewis Carroll", "x-1_2.3": "a=b" };
  for (const { payload, options } of Object.values(WAYS)) {
    const produced = await make(options).produce(payload, { name, metadata });
    const [arrived] = await world().arrived();
    expect(arrived).toMatchObject({
      key: produced.key,
      contentType: expect.stringContaining("text/plain"),
      metadata,
    });
    expect(produced.key.endsWith(`/${name}`)).toBe(true);
  }
  const own = await producer.produce(SMALL, { name: "a.txt", contentType: "image/x-cat" });
  expect((await world().arrived())[0]).toMatchObject({ key: own.key, contentType: "image/x-cat" });
  const refused = { code: "Invalid", message: expect.stringMatching(/\.$/) };
  for (const bad of ["", "..", "a//b", "a\nb", "x".repeat(2000)])
    await expect(producer.produce(SMALL, { name: bad })).rejects.toMatchObject(refused);
  await expect(producer.produce(join(folder, "none"))).rejects.toMatchObject(refused);
  await expect(producer.produce(folder)).rejects.toMatchObject(refused);
});

test.each([
  ["inline", "sendMessage", "api"],
  ["put", "putObject", "api"],
  ["put", "PUT", "s3"],
  ["parts", "POST create", "s3"],
  ["parts", "PUT part", "s3"],
  ["parts", "POST complete", "s3"],
] as const)("%s: reports say that %s waits to be retried, until it goes on", async (way, step, service) => {
  world().proxy.inject(step, SLOW_DOWN);
  const { payload, options } = WAYS[way];
  const reports: ProgressReport[] = [];
  await make(options).produce(payload, { onProgress: (report) => void reports.push(report) });
  const waits = reports.filter(({ waiting }) => waiting);
  expect(waits[0]?.waiting).toEqual({
    service,
    reason: "503 SlowDown",
    elapsedMs: 0,
    maxDurationMs: 300_000,
  });
  const { waiting, bytes } = reports.at(-1) as ProgressReport;
  // Nothing is told after the completion.
  expect([bytes, waiting !== undefined]).toEqual([payload.length, step === "POST complete"]);
});

test("metadata has one limit, whichever way a payload goes", async () => {
  const metadata = { a: "x".repeat(1000), "b-c": "y".repeat(1012) };
  for (const { payload, options } of Object.values(WAYS)) {
    await make(options).produce(payload, { metadata });
    expect((await world().arrived())[0]).toMatchObject({ metadata });
  }
  world().proxy.reset();
  for (const { payload, options } of Object.values(WAYS)) {
    const producing = make(options).produce(payload, { metadata: { ...metadata, a: "x".repeat(1001) } });
    await expect(producing).rejects.toMatchObject({
      code: "Invalid",
      message: "Metadata may have 2016 bytes, names and values together, not 2017.",
    });
  }
  expect(world().proxy.passed).toEqual([]);
});

test("the layout of parts fits into what metadata leaves it", () => {
  const layouts = [Layout.growing(LIMITS.putBytes), Layout.ofSize(LIMITS.objectBytes, LIMITS.putBytes)];
  for (const layout of layouts) {
    expect(LAYOUT_METADATA.length + layout.toString().length).toBeLessThanOrEqual(LAYOUT_METADATA_BYTES);
  }
  const longest = "9".repeat(13);
  expect([Layout.parse(`${longest}+`)?.toString(), Layout.parse(`9${longest}`)]).toEqual([
    `${longest}+`,
    undefined,
  ]);
  expect(LAYOUT_METADATA.length + longest.length + 1).toBe(LAYOUT_METADATA_BYTES);
});

test("nothing at all is a payload, by each way", async () => {
  const empty = Buffer.alloc(0);
  const path = join(folder, "empty");
  await writeFile(path, empty);
  const off = make({ inlineThresholdBytes: 0 });
  const ways = [
    [() => producer.produce(empty), "sendMessage"],
    [() => off.produce(empty), "putObject"],
    [() => off.produce(path), "putObject"],
    [() => off.produce(Readable.from([])), "putObject"],
    [() => producer.produce(Readable.from(["", ""])), "sendMessage"],
  ] as const;
  for (const [produce, via] of ways) {
    const produced = await produce();
    expect([produced.via, produced.checksum]).toEqual([via, sha256(empty)]);
    expect(await hasCome(empty, produced)).toBe(true);
  }
});

test("a payload that fits into the message exactly goes there, and with one byte more through S3", async () => {
  const about = { source: "tweedle", object_key: newKey("cat.bin"), checksum_sha256: sha256(SMALL) } as const;
  const rest = { ...about, content_type: "application/octet-stream" };
  const most = LIMITS.messageBytes - messageBytes({ ...rest, size: 100_000 }) + 100_000;
  for (const [size, via] of [
    [most, "sendMessage"],
    [most + 1, "putObject"],
  ] as const) {
    const payload = randomBytes(size);
    const produced = await producer.produce(payload, { name: "cat.bin" });
    expect(produced.via).toBe(via);
    expect(await hasCome(payload, produced)).toBe(true);
  }
  const edge = make({ inlineThresholdBytes: 10 });
  expect((await edge.produce(Buffer.alloc(10))).via).toBe("sendMessage");
  expect((await edge.produce(Buffer.alloc(11))).via).toBe("putObject");
});

test("many payloads at once under one signal warn of nothing, and leave no listener", async () => {
  const { signal } = new AbortController();
  const off = make({ inlineThresholdBytes: 0 });
  await Promise.all(Array.from({ length: 20 }, () => off.produce(SMALL, { signal })));
  await off.produce(Readable.from([SMALL, SMALL]), { signal });
  const wide = make({ ...WAYS.parts.options, concurrency: 12 });
  await wide.produce(randomBytes(60 * MIB), { signal });
  // Node's warning of more than ten listeners reaches no test.
  expect(getMaxListeners(signal)).toBe(Infinity);
  expect(getEventListeners(signal, "abort")).toEqual([]);
});
