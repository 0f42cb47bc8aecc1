import { randomBytes } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Producer } from "../../client/produce/producer";
import type { ProgressReport } from "../../client/produce/progress";
import { temporaryFolder } from "../local/tools";
import { SLOW_DOWN } from "./fault-proxy";
import { AT_ONCE, MIB, setUp, until } from "./tools";

const world = setUp();
const folder = temporaryFolder();
const stateDirectory = join(folder, "state");
const path = join(folder, "payload.bin");
/** Four parts. */
const PAYLOAD = randomBytes(16 * MIB);

mkdirSync(stateDirectory);
beforeEach(() => writeFile(path, PAYLOAD));

const journals = () => readdirSync(stateDirectory).length;
/** Gives up after the first failure. */
const NEVER = { maxDurationMs: 0 } as const;
const make = (retry: object = AT_ONCE, slash = "") => {
  const { chain, proxy } = world();
  const { connections } = proxy;
  const options = { multipartThresholdBytes: 0, partSizeBytes: 5 * MIB, concurrency: 2, stateDirectory };
  return new Producer({ apiUrl: `${chain.apiUrl}${slash}`, connections, retry, ...options });
};
const isPart = (number: number) => (url: string) => url.includes(`partNumber=${number}&`);
const partsSent = () =>
  world()
    .proxy.passed.filter(({ step }) => step === "PUT part")
    .map(({ url }) => Number(new URL(url, "http://localhost").searchParams.get("partNumber")))
    .toSorted((a, b) => a - b);

/** Sends two parts of four, and is interrupted. */
async function interrupt(): Promise<void> {
  const { proxy } = world();
  for (const number of [3, 4]) proxy.inject("PUT part", "silence", 1, isPart(number));
  const controller = new AbortController();
  const producing = make().produce(path, { resume: true, signal: controller.signal });
  producing.catch(() => undefined);
  await until(() => proxy.passed.filter(({ fault }) => fault === "silence").length === 2);
  controller.abort();
  await expect(producing).rejects.toMatchObject({ code: "Interrupted" });
  expect([partsSent(), journals(), world().uploadsLeft()]).toEqual([[1, 2, 3, 4], 1, 1]);
  proxy.reset();
}

/** Goes on, as another process would. */
async function goOn(payload = PAYLOAD) {
  const reports: ProgressReport[] = [];
  const options = { resume: true, onProgress: (report: ProgressReport) => void reports.push(report) };
  const produced = await make().produce(path, options);
  const arrived = await world().arrived();
  expect(arrived.map(({ key, bytes }) => [key, bytes.equals(payload)])).toEqual([[produced.key, true]]);
  const { resumedBytes = 0, ...last } = reports.at(-1) as ProgressReport;
  expect(last).toEqual({
    bytes: payload.length,
    totalBytes: payload.length,
    parts: { done: produced.parts, total: produced.parts },
  });
  expect([journals(), world().uploadsLeft()]).toEqual([0, 0]);
  return resumedBytes;
}

test("an upload that was interrupted goes on, and what has arrived is not sent again", async () => {
  await interrupt();
  expect(await goOn()).toBe(10 * MIB);
  expect([partsSent(), world().proxy.count("POST create")]).toEqual([[3, 4], 0]);
});

test("one that failed for long goes on, too", async () => {
  const { proxy } = world();
  proxy.inject("PUT part", SLOW_DOWN, 1, isPart(4));
  await expect(make(NEVER).produce(path, { resume: true })).rejects.toMatchObject({ code: "Unavailable" });
  proxy.reset();
  await goOn();
  // Others that were under way when it was given up are sent again, too.
  expect([partsSent().includes(4), partsSent().includes(1), proxy.count("POST create")]).toEqual([
    true,
    false,
    0,
  ]);
});

test.each([
  ["S3 refuses a part for a reason that is not known", "PUT part", { status: 400, code: "NewReason" }],
  ["S3 refuses to complete it", "POST complete", { status: 403, code: "SignatureDoesNotMatch" }],
  ["S3 says no more than 404 of its parts", "PUT part", { status: 404 }],
  ["the API refuses a URL", "uploadPart", { status: 400, code: "NewReason" }],
] as const)("one that is refused goes on, too: %s", async (_, step, fault) => {
  const { proxy } = world();
  proxy.inject(step, fault, 1, step === "PUT part" ? isPart(4) : undefined);
  await expect(make().produce(path, { resume: true })).rejects.toMatchObject({ code: "Refused" });
  proxy.reset();
  await goOn();
  expect(proxy.count("POST create")).toBe(0);
});

test("an upload that S3 does not have any more in its middle leaves no note", async () => {
  world().proxy.inject("PUT part", { status: 404, code: "NoSuchUpload" }, 1, isPart(4));
  await expect(make().produce(path, { resume: true })).rejects.toMatchObject({ code: "Refused" });
  expect([journals(), world().uploadsLeft()]).toEqual([0, 0]);
});

test("one API is the same with a slash at the end", async () => {
  await interrupt();
  await make(AT_ONCE, "/").produce(path, { resume: true });
  expect([partsSent(), journals(), world().uploadsLeft()]).toEqual([[3, 4], 0, 0]);
});

test("a part whose bytes are others than the file's is sent again", async () => {
  await interrupt();
  const changed = Buffer.from(PAYLOAD);
  changed[MIB] = (changed[MIB] ?? 0) ^ 1;
  await writeFile(path, changed);
  // As where a tool keeps a file's time.
  const journal = join(stateDirectory, readdirSync(stateDirectory)[0] ?? "");
  const noted = JSON.parse(await readFile(journal, "utf8")) as object;
  await writeFile(journal, JSON.stringify({ ...noted, modifiedAt: statSync(path).mtimeMs }));
  await goOn(changed);
  expect(partsSent()).toEqual([1, 3, 4]);
});

test("a file that has changed begins anew, and the old upload is given up", async () => {
  await interrupt();
  await truncate(path, 11 * MIB);
  await goOn(PAYLOAD.subarray(0, 11 * MIB));
  expect([partsSent(), world().proxy.count("DELETE upload")]).toEqual([[1, 2, 3], 1]);
});

test("so does one that is to have another type", async () => {
  await interrupt();
  const produced = await make().produce(path, { resume: true, contentType: "image/png" });
  expect((await world().stored(produced.key)).contentType).toBe("image/png");
  expect([partsSent(), world().uploadsLeft(), journals()]).toEqual([[1, 2, 3, 4], 0, 0]);
});

test("an upload that S3 does not know any more begins anew", async () => {
  await interrupt();
  await world().dropUploads();
  await goOn();
  expect(partsSent()).toEqual([1, 2, 3, 4]);
});

test("a journal that nobody can read begins anew", async () => {
  await interrupt();
  const [name = ""] = readdirSync(stateDirectory);
  await writeFile(join(stateDirectory, name), "{");
  const produced = await make().produce(path, { resume: true });
  expect([(await world().stored(produced.key)).bytes.equals(PAYLOAD), journals()]).toEqual([true, 0]);
});

test("one that ended between its completion and the answer is known to be done", async () => {
  const { proxy } = world();
  proxy.inject("POST complete", "lost answer");
  await expect(make(NEVER).produce(path, { resume: true })).rejects.toMatchObject({
    code: "Unavailable",
  });
  proxy.reset();
  const produced = await make().produce(path, { resume: true });
  const arrived = await world().arrived();
  expect(arrived.map(({ key }) => key)).toEqual([produced.key]);
  expect([partsSent(), proxy.count("POST complete"), journals()]).toEqual([[], 0, 0]);
});

test("an interrupt before the completion does not make a lost upload look done", async () => {
  const { proxy } = world();
  const controller = new AbortController();
  // Between two parts, nobody waits for anything that could tell of it.
  let calls = 0;
  const onProgress = ({ parts }: ProgressReport) => {
    calls += 1;
    if (parts?.done === 4) controller.abort();
  };
  const { signal } = controller;
  await expect(make().produce(path, { resume: true, signal, onProgress })).rejects.toMatchObject({
    code: "Interrupted",
  });
  expect(calls).toBeGreaterThan(0);
  proxy.reset();
  await world().dropUploads();
  await goOn();
  expect(partsSent()).toEqual([1, 2, 3, 4]);
});

test("without resume, what fails is given up and leaves no note", async () => {
  const { proxy } = world();
  proxy.inject("PUT part", "silence", 99, isPart(3));
  const controller = new AbortController();
  const begun = make().produce(path, { signal: controller.signal });
  begun.catch(() => undefined);
  await until(() => proxy.passed.some(({ fault }) => fault === "silence"));
  controller.abort();
  await expect(begun).rejects.toMatchObject({ code: "Interrupted" });
  expect([world().uploadsLeft(), journals()]).toEqual([0, 0]);
});

test("an upload that S3 dropped before it was completed is not taken for done", async () => {
  const { proxy } = world();
  proxy.inject("POST complete", SLOW_DOWN);
  proxy.inject("POST complete", { status: 404, code: "NoSuchUpload" });
  // The lid was closed for two days between the two.
  const { now } = Date;
  const later = () => now() + (proxy.count("POST complete") > 0 ? 2 * 86_400_000 : 0);
  const clock = jest.spyOn(Date, "now").mockImplementation(later);
  await expect(make().produce(path)).rejects.toMatchObject({ code: "Refused" });
  clock.mockRestore();
  expect([proxy.count("POST complete"), await world().objects()]).toEqual([2, []]);
});

test("who is killed once it was told what was sent sends nothing more, and is told the same", async () => {
  const told: string[] = [];
  const killed = make().produce(path, {
    resume: true,
    onProduced: ({ key }) => {
      told.push(key);
      // As far as the journal knows: nothing runs after a kill.
      cpSync(stateDirectory, join(folder, "then"), { recursive: true });
    },
  });
  const { key } = await killed;
  expect([told, journals()]).toEqual([[key], 0]);
  cpSync(join(folder, "then"), stateDirectory, { recursive: true });
  world().proxy.reset();
  const again = await make().produce(path, { resume: true, onProduced: (sent) => void told.push(sent.key) });
  expect([again.key, told, partsSent(), journals()]).toEqual([key, [key, key], [], 0]);
  expect(await world().arrived()).toHaveLength(1);
});

test("notes that cannot be kept anywhere are one sentence, and nothing is sent", async () => {
  const { chain, proxy } = world();
  const producer = new Producer({
    apiUrl: chain.apiUrl,
    connections: proxy.connections,
    multipartThresholdBytes: 0,
    stateDirectory: "/proc/none/tweedle",
  });
  await expect(producer.produce(path, { resume: true })).rejects.toMatchObject({
    code: "Invalid",
    message:
      "The folder for notes on uploads, /proc/none/tweedle, cannot be created (ENOENT): set XDG_STATE_HOME, or stateDirectory, to one that may be written.",
  });
  expect([partsSent(), world().uploadsLeft()]).toEqual([[], 0]);
});
