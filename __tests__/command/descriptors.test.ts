import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { commandTools, digestOfFile, filesIn, linesOf, run, sha256 } from "./tools";

/* What the command does where the system gives it few file descriptors: node itself has more than 20 open. */

const { folder, chain } = commandTools();
const MIB = 1024 ** 2;

/** Runs the command with so many file descriptors. */
const tweedle = (limit: number, args: readonly string[], input?: Buffer) =>
  run(
    "sh",
    ["-c", `ulimit -n ${limit}; exec "$@"`, "sh", process.execPath, join(folder, "tweedle.js"), ...args],
    { cwd: folder, env: chain().env, ...(input && { input }) },
  ).ended;

/** Receives so many payloads under the same limit, each of them once: their digests by their names. */
async function received(limit: number, count: number): Promise<Record<string, string>> {
  const flags = ["--out", "out", "--concurrency", "100", "--max", String(count), "--json"];
  const { code, stdout, stderr } = await tweedle(limit, ["consume", ...flags]);
  expect([code, stderr]).toEqual([0, ""]);
  const handled = linesOf(stdout).filter(({ event }) => event === "handled");
  expect(handled.filter(({ receive_count }) => receive_count > 1)).toEqual([]);
  const digests = handled.map(async ({ name, path }) => [name, await digestOfFile(path)] as const);
  return Object.fromEntries(await Promise.all(digests));
}

test.each([
  [40, "64"],
  [30, "4"],
])("with %d file descriptors, 50 files arrive that are sent %s at once", async (limit, concurrency) => {
  const files = Array.from({ length: 50 }, (_, index) => [`many/${index}`, randomBytes(10_000)] as const);
  mkdirSync(join(folder, "many"), { recursive: true });
  for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
  const flags = ["--concurrency", concurrency, "--inline-threshold", "0", "--json"];
  const { code, stdout, stderr } = await tweedle(limit, ["produce", "-r", "many", ...flags]);
  expect([code, stderr, linesOf(stdout).length]).toEqual([0, "", 50]);
  const digests = Object.fromEntries(files.map(([name, bytes]) => [name, sha256(bytes)]));
  expect(await received(limit, 50)).toEqual(digests);
});

test("with 32 file descriptors, payloads arrive whose parts are sent 64 at once", async () => {
  const [file, stream] = [randomBytes(100 * MIB), randomBytes(100 * MIB)];
  writeFileSync(join(folder, "file"), file);
  const flags = ["--concurrency", "64", "--json"];
  const sent = await tweedle(32, ["produce", "file", "--resume", "--part-size", "5MiB", ...flags]);
  expect([sent.code, sent.stderr, linesOf(sent.stdout)]).toMatchObject([0, "", [{ parts: 20 }]]);
  // Parts over 8 MiB wait in files.
  const piped = await tweedle(32, ["produce", "-", "--part-size", "9MiB", ...flags], stream);
  expect([piped.code, piped.stderr, linesOf(piped.stdout)]).toMatchObject([0, "", [{ parts: 12 }]]);
  expect(await received(32, 2)).toEqual({ file: sha256(file), stdin: sha256(stream) });
  expect(filesIn(join(folder, "state"))).toEqual([]);
});
