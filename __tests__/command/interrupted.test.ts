import { readFileSync, readdirSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { commandTools, digestOfFile, eventually, filesIn, linesOf, writeLarge } from "./tools";

const { folder, chain, tweedle } = commandTools();
const SIZE = 100 * 1024 ** 2;
const large = join(folder, "large.bin");
let digest: string;
beforeAll(async () => {
  digest = await writeLarge(large, SIZE);
});

/** An upload of 20 parts, one after the other. */
const produce = (...flags: string[]) =>
  tweedle(["produce", large, "--part-size", "5MiB", "--concurrency", "1", "--json", ...flags]);
const hasParts = (count: number) => () =>
  chain()
    .uploads()
    .some((parts) => parts >= count);

async function expectOnePayload() {
  const args = ["consume", "--out", join(folder, "out"), "--max", "1", "--json"];
  const { stdout } = await tweedle(args).ended;
  const [line] = linesOf(stdout).filter(({ event }) => event === "handled");
  expect([line?.name, line?.size, await digestOfFile(line?.path ?? "")]).toEqual(["large.bin", SIZE, digest]);
  expect(await chain().count(chain().queueUrl)).toBe(0);
  expect([chain().uploads(), chain().keys()]).toEqual([[], []]);
}

/** What each part is on the disk: one that is sent again is another file. */
function partsOnDisk(): string[] {
  const bodies = join(folder, "data", chain().bucketName, "._S3rver_bodies");
  return readdirSync(bodies, { recursive: true, encoding: "utf8" })
    .filter((name) => statSync(join(bodies, name)).size === 5 * 1024 ** 2)
    .map((name) => `${name} ${statSync(join(bodies, name)).ino} ${statSync(join(bodies, name)).mtimeMs}`);
}

test.each([
  ["SIGKILL", null, ""],
  ["SIGINT", 130, "Interrupted. The same command goes on with files that go up in parts, within a day.\n"],
  ["SIGTERM", 143, "Interrupted. The same command goes on with files that go up in parts, within a day.\n"],
] as const)("--resume goes on after %s, and sends no part again", async (signal, code, says) => {
  const first = produce("--resume");
  await eventually(hasParts(5));
  first.child.kill(signal);
  expect(await first.ended).toMatchObject({ code, stderr: says });
  expect(chain().uploads()).toHaveLength(1);
  const before = partsOnDisk();
  expect(before.length).toBeGreaterThanOrEqual(5);
  expect(before.length).toBeLessThan(SIZE / (5 * 1024 ** 2));
  // A process that was killed leaves its lock, too, which holds nobody.
  expect(filesIn(join(folder, "state")).filter((name) => !name.endsWith(".lock"))).toHaveLength(1);

  const { code: second, stdout } = await produce("--resume").ended;
  expect([second, linesOf(stdout)]).toMatchObject([0, [{ via: "multipart", parts: 20 }]]);
  expect(partsOnDisk()).toEqual(expect.arrayContaining(before));
  expect(filesIn(join(folder, "state"))).toEqual([]);
  await expectOnePayload();
});

test("--resume of a file that has changed begins anew, and gives the old upload up", async () => {
  const first = produce("--resume");
  await eventually(hasParts(2));
  first.child.kill("SIGKILL");
  await first.ended;
  utimesSync(large, new Date(), new Date());
  expect((await produce("--resume").ended).code).toBe(0);
  await expectOnePayload();
});

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const)("without --resume, %s leaves nothing in S3 and ends with %d", async (signal, code) => {
  const { child, ended } = produce();
  await eventually(hasParts(3));
  child.kill(signal);
  expect(await ended).toMatchObject({
    code,
    stderr: "Interrupted. An upload that was not finished leaves nothing in S3.\n",
  });
  expect([chain().uploads(), chain().keys()]).toEqual([[], []]);
  expect(filesIn(join(folder, "state"))).toEqual([]);
});

test("standard input that goes on and on is interrupted, too", async () => {
  const endless = Readable.from(
    (async function* () {
      for (let count = 0; count < 30; count += 1) yield Buffer.alloc(1024 ** 2, count);
      await new Promise(() => undefined);
    })(),
  );
  const { child, ended } = tweedle(["produce", "-", "--json"], { input: endless });
  await eventually(hasParts(2));
  child.kill("SIGINT");
  const { code, stdout } = await ended;
  expect([code, linesOf(stdout)]).toEqual([130, [{ file: "-", reason: "Interrupted." }]]);
  expect([chain().uploads(), chain().keys()]).toEqual([[], []]);
});

test("before anything is sent, too", async () => {
  const { child, ended } = tweedle(["produce", "-"], { input: new Readable({ read: () => undefined }) });
  await eventually(() => isListening(child.pid));
  child.kill("SIGINT");
  expect((await ended).code).toBe(130);
});

/** Whether a process catches SIGHUP, which node itself does not, as Linux says it. */
function isListening(pid: number | undefined): boolean {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const [, caught = "0"] = /SigCgt:\s+([0-9a-f]+)/.exec(status) ?? [];
  return (BigInt(`0x${caught}`) & 1n) !== 0n;
}
