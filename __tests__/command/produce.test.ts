import { createReadStream, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { commandTools, digestOfFile, filesIn, linesOf, run, sha256, writeLarge } from "./tools";

const { folder, chain, tweedle } = commandTools();
const MIB = 1024 ** 2;

/** Receives so many payloads: their names and digests, and what is said of them. */
async function received(count: number) {
  const out = join(folder, `out-${Math.random()}`);
  const { code, stdout, stderr } = await tweedle(["consume", "--out", out, "--max", String(count), "--json"])
    .ended;
  expect([code, stderr]).toEqual([0, ""]);
  const lines = linesOf(stdout).filter(({ event }) => event === "handled");
  expect(lines).toHaveLength(count);
  const payloads = await Promise.all(
    lines.map(async (line) => ({ ...line, digest: await digestOfFile(line.path) })),
  );
  return payloads.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

const write = (name: string, bytes: string | Buffer) => {
  const path = join(folder, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, bytes);
  return sha256(bytes);
};

test("a file goes with its name, type and metadata, and its key is printed", async () => {
  const digest = write("cat ü.json", "{}");
  const sent = await tweedle(["produce", "cat ü.json", "--metadata", "a=1", "--metadata", "b=x y"]).ended;
  expect([sent.code, sent.stderr]).toEqual([0, ""]);
  expect(sent.stdout).toMatch(/^ +2 B {2}input\/[0-9a-f-]{36}\/cat ü\.json\n$/);
  const metadata = { a: "1", b: "x y" };
  const content_type = "application/json; charset=utf-8";
  expect(await received(1)).toMatchObject([{ name: "cat ü.json", content_type, metadata, digest }]);
});

test("--name and --content-type say otherwise", async () => {
  write("plain.txt", "x");
  const args = ["produce", "plain.txt", "--name", "a/b.bin", "--content-type", "x/y"];
  expect((await tweedle(args).ended).code).toBe(0);
  expect(await received(1)).toMatchObject([{ name: "a/b.bin", content_type: "x/y", size: 1 }]);
});

test("several files go on the way that fits each; --json says which", async () => {
  const digests = [write("empty", ""), write("inline.txt", "small"), write("put.bin", Buffer.alloc(MIB, 7))];
  digests.push(await writeLarge(join(folder, "parts.bin"), 11 * MIB));
  const files = ["empty", "inline.txt", "put.bin", "parts.bin"];
  const flags = ["--multipart-threshold", "6MiB", "--part-size", "5MiB", "--json"];
  const { code, stdout, stderr } = await tweedle(["produce", ...files, ...flags]).ended;
  expect([code, stderr]).toEqual([0, ""]);
  const lines = linesOf(stdout).toSorted((a, b) => a.size - b.size);
  expect(lines).toMatchObject([
    { file: "empty", name: "empty", size: 0, via: "sendMessage", parts: 1 },
    { file: "inline.txt", name: "inline.txt", size: 5, via: "sendMessage", parts: 1 },
    { file: "put.bin", name: "put.bin", size: MIB, via: "putObject", parts: 1 },
    { file: "parts.bin", name: "parts.bin", size: 11 * MIB, via: "multipart", parts: 3 },
  ]);
  for (const line of lines) {
    expect(Object.keys(line)).toEqual(["file", "name", "key", "size", "via", "parts", "checksum"]);
    expect(line.key).toMatch(new RegExp(`^input/[0-9a-f-]{36}/${line.name}$`));
  }
  const payloads = await received(4);
  expect(payloads.map(({ name }) => name)).toEqual(files.toSorted());
  expect(payloads.map(({ digest }) => digest).toSorted()).toEqual(digests.toSorted());
});

test("--inline-threshold 0 keeps everything out of the message", async () => {
  write("small.txt", "small");
  const { stdout } = await tweedle(["produce", "small.txt", "--inline-threshold", "0", "--json"]).ended;
  expect(linesOf(stdout)).toMatchObject([{ via: "putObject" }]);
  expect(chain().keys()).toHaveLength(1);
  expect(await received(1)).toMatchObject([{ name: "small.txt", size: 5 }]);
  expect(chain().keys()).toEqual([]);
});

test("-r sends what lies in folders under the names that it has there, and follows no links", async () => {
  const names = ["a.txt", "sub/b c.txt", "sub/deep/ü+%.txt", ".hidden", "sub/-dash", 'sub/"quote$(x)`.txt'];
  for (const name of names) write(join("tree", name), name);
  symlinkSync("/etc/passwd", join(folder, "tree/link.txt"));
  symlinkSync(join(folder, "tree"), join(folder, "tree/loop"));
  const { code, stderr } = await tweedle(["produce", "-r", "tree/"]).ended;
  expect([code, stderr]).toEqual([0, ""]);
  const payloads = await received(names.length);
  expect(payloads.map(({ name }) => name)).toEqual(names.map((name) => `tree/${name}`).toSorted());
  for (const { name, digest } of payloads) expect(digest).toBe(sha256(name.slice("tree/".length)));
});

test("-r . sends what lies here, named as it is", async () => {
  write("here/a.txt", "a");
  write("here/sub/b.txt", "b");
  expect((await tweedle(["produce", "-r", "."], { cwd: join(folder, "here") }).ended).code).toBe(0);
  expect((await received(2)).map(({ name }) => name)).toEqual(["a.txt", "sub/b.txt"]);
});

test("a name that no payload may have is refused before anything is sent", async () => {
  write("mixed/a.txt", "a");
  write("mixed/back\\slash", "b");
  const { code, stdout, stderr } = await tweedle(["produce", "-r", "mixed"]).ended;
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toMatch(/^tweedle: "mixed\/back\\\\slash" cannot be a payload's name: .*--name\.\n$/);
  expect((await tweedle(["produce", "mixed/a.txt", "nothing"]).ended).code).toBe(2);
  expect(await chain().count(chain().queueUrl)).toBe(0);
  expect((await tweedle(["produce", "mixed/back\\slash", "--name", "slash"]).ended).code).toBe(0);
  expect(await received(1)).toMatchObject([{ name: "slash" }]);
});

test("an empty folder has nothing to send", async () => {
  mkdirSync(join(folder, "void"));
  const { code, stderr } = await tweedle(["produce", "-r", "void"]).ended;
  expect([code, stderr]).toEqual([2, "tweedle: There are no files to send.\n"]);
});

test.each([
  ["nothing", 0, "sendMessage"],
  ["a little", 1000, "sendMessage"],
  ["some", MIB, "putObject"],
  ["more than a part", 20 * MIB + 1, "multipart"],
])("standard input with %s goes as it comes", async (_, size, via) => {
  const path = join(folder, "input.bin");
  const digest = await writeLarge(path, size);
  // A length that nobody knows: a file as standard input would be read as a stream all the same.
  const input =
    size === 0 ? Buffer.alloc(0) : Readable.from(createReadStream(path, { highWaterMark: 10_007 }));
  const { code, stdout, stderr } = await tweedle(["produce", "-", "--json"], { input }).ended;
  expect([code, stderr]).toEqual([0, ""]);
  expect(linesOf(stdout)).toMatchObject([{ file: "-", name: "stdin", size, via }]);
  expect(await received(1)).toMatchObject([{ name: "stdin", size, digest }]);
});

test("a pipe that has a name is a stream, too", async () => {
  const fifo = join(folder, "fifo");
  expect((await run("mkfifo", [fifo]).ended).code).toBe(0);
  const sending = tweedle(["produce", fifo, "--json"]);
  await run("sh", ["-c", `printf abc > "${fifo}"`]).ended;
  expect(linesOf((await sending.ended).stdout)).toMatchObject([{ name: "fifo", size: 3 }]);
  expect(await received(1)).toMatchObject([{ digest: sha256("abc") }]);
});

test("an API that is none, or is not there, is one line each", async () => {
  write("a.txt", "a");
  const wrong = await tweedle(["produce", "a.txt", "--api-url", chain().s3Endpoint]).ended;
  expect([wrong.code, wrong.stdout]).toEqual([1, ""]);
  expect(wrong.stderr).toMatch(/^a\.txt: \S+ is no Tweedle API: .+\n$/);
  const json = await tweedle(["produce", "a.txt", "--json", "--api-url", chain().s3Endpoint]).ended;
  expect(linesOf(json.stdout)).toMatchObject([
    { file: "a.txt", reason: expect.stringContaining("no Tweedle API") as string },
  ]);
  expect(await chain().count(chain().queueUrl)).toBe(0);
});

test("one file that cannot be read does not hold up the others", async () => {
  write("good.txt", "good");
  // Reading it fails, where nothing is mapped.
  const bad = "/proc/self/mem";
  const { code, stdout, stderr } = await tweedle(["produce", bad, "good.txt", "--concurrency", "1"]).ended;
  expect(code).toBe(1);
  expect(stdout).toMatch(/good\.txt\n$/);
  expect(stderr).toBe("/proc/self/mem: /proc/self/mem cannot be sent: EIO.\n");
  expect(await received(1)).toMatchObject([{ name: "good.txt" }]);
});

test("nothing is left on this machine", () => {
  expect(filesIn(join(folder, "state"))).toEqual([]);
  expect(readFileSync(join(folder, "good.txt"), "utf8")).toBe("good");
});
