import { once } from "node:events";
import { randomBytes } from "node:crypto";
import {
  createWriteStream,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { appendFile, open } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Payload } from "../../client/consume/payload";
import { Producer } from "../../client/produce/producer";
import { temporaryFolder } from "../local/tools";
import { consumers } from "./consumers";
import { SLOW_DOWN } from "./fault-proxy";
import { AT_ONCE, MIB, setUp, until } from "./tools";

/* Ways in which a payload might be lost while everybody believes that it was delivered. */

const world = setUp();
const consume = consumers(world);
const folder = temporaryFolder();
const stateDirectory = join(folder, "state");
const path = join(folder, "payload.bin");
const PAYLOAD = randomBytes(16 * MIB);

mkdirSync(stateDirectory);
beforeEach(() => {
  writeFileSync(path, PAYLOAD);
  for (const name of readdirSync(stateDirectory)) rmSync(join(stateDirectory, name));
});

const make = (options: object = {}) =>
  new Producer({
    apiUrl: world().chain.apiUrl,
    connections: world().proxy.connections,
    retry: AT_ONCE,
    inlineThresholdBytes: 0,
    multipartThresholdBytes: 0,
    partSizeBytes: 5 * MIB,
    concurrency: 2,
    stateDirectory,
    ...options,
  });
const resume = (a: string, options: object = {}) =>
  make(options).produce(path, { resume: true, metadata: { a } });
const arrived = async () => (await world().arrived()).map(({ bytes }) => bytes.equals(PAYLOAD));

/** Everything has gone up, and nobody knows whether it was completed. */
async function failToComplete(a = "1"): Promise<void> {
  world().proxy.inject("POST complete", SLOW_DOWN);
  await expect(resume(a, { retry: { maxDurationMs: 0 } })).rejects.toMatchObject({ code: "Unavailable" });
  world().proxy.reset();
}

test("an upload that S3 dropped after its day is not taken for one that was completed", async () => {
  await failToComplete();
  const [name = ""] = readdirSync(stateDirectory);
  const entry = JSON.parse(readFileSync(join(stateDirectory, name), "utf8")) as { begunAt: number };
  const anotherDay = { ...entry, begunAt: entry.begunAt - 86_400_000 };
  writeFileSync(join(stateDirectory, name), JSON.stringify(anotherDay));
  await world().dropUploads();
  await resume("1");
  expect(await arrived()).toEqual([true]);
});

test("an upload that was given up for another is not taken for one that was completed", async () => {
  await failToComplete();
  world().proxy.inject("POST create", SLOW_DOWN);
  await expect(resume("2", { retry: { maxDurationMs: 0 } })).rejects.toMatchObject({ code: "Unavailable" });
  world().proxy.reset();
  await resume("1");
  expect(await arrived()).toEqual([true]);
});

test("two at one file do not get in each other's way: the second is told", async () => {
  const { proxy } = world();
  proxy.inject("PUT part", "silence", 1);
  const controller = new AbortController();
  const first = make().produce(path, { resume: true, signal: controller.signal });
  first.catch(() => undefined);
  await until(() => proxy.passed.some(({ fault }) => fault === "silence"));
  await expect(resume("2")).rejects.toMatchObject({
    code: "Invalid",
    message: expect.stringContaining("is being sent already"),
  });
  controller.abort();
  await expect(first).rejects.toMatchObject({ code: "Interrupted" });
  // Whoever held it is gone, and so is what said so.
  proxy.reset();
  await make().produce(path, { resume: true });
  expect([await arrived(), readdirSync(stateDirectory)]).toEqual([[true], []]);
});

test("a lock whose process is dead, or had our number in another life, holds nobody", async () => {
  await failToComplete();
  const [name = ""] = readdirSync(stateDirectory);
  for (const pid of [2 ** 22 + 1, process.pid]) {
    writeFileSync(join(stateDirectory, `${name}.lock`), JSON.stringify({ host: hostname(), pid }));
    await resume("1");
  }
  expect(await arrived()).toEqual([true, true]);
});

test.each([
  ["in the message", { inlineThresholdBytes: 1000, bytes: 100 }],
  ["by one PUT", { multipartThresholdBytes: 64 * MIB, bytes: 10 * MIB }],
  ["in parts", { bytes: 10 * MIB }],
])("a file that is still being written is not announced as it was: %s", async (_, { bytes, ...options }) => {
  writeFileSync(path, PAYLOAD.subarray(0, bytes));
  const producing = make(options).produce(path);
  producing.catch(() => undefined);
  await appendFile(path, PAYLOAD.subarray(bytes));
  await expect(producing).rejects.toThrow("changed during the upload");
  expect(await world().objects()).toEqual([]);
});

test("a file that is written over in place, and given its old time, is not announced as a mixture", async () => {
  utimesSync(path, 1000, 1000);
  const other = await open(path, "r+");
  let swapped: Promise<unknown> | undefined;
  const producing = make({ concurrency: 1 }).produce(path, {
    onProgress: ({ parts }) => {
      if (parts?.done !== 1 || swapped) return;
      swapped = other.write(randomBytes(PAYLOAD.length), 0, PAYLOAD.length, 0);
      utimesSync(path, 1000, 1000);
    },
  });
  await expect(producing).rejects.toThrow("changed during the upload");
  await swapped;
  await other.close();
  expect(await world().objects()).toEqual([]);
});

test("an answer of 200 that is not S3's, or not the API's, is none", async () => {
  const { proxy } = world();
  proxy.inject("PUT", { status: 200 }, 1);
  await make({ multipartThresholdBytes: 64 * MIB }).produce(path);
  proxy.inject("POST complete", { status: 200 }, 1);
  await make().produce(path);
  expect(await arrived()).toEqual([true, true]);
});

test("a handler that resolves while the payload still flows elsewhere has not handled it", async () => {
  await make().produce(PAYLOAD);
  let receives = 0;
  const { told, stop } = consume({
    handler: async ({ body }: Payload) => {
      receives += 1;
      // It never asks for more: the pipe waits, and does not flow.
      if (receives === 1) {
        body.pipe(new Writable({ highWaterMark: 1, write: () => undefined }));
        await once(body, "pause");
      } else await pipeline(body, createWriteStream(join(folder, "piped")));
      return undefined;
    },
  });
  await told("handled");
  await stop();
  expect([receives, readFileSync(join(folder, "piped")).equals(PAYLOAD)]).toEqual([2, true]);
});
