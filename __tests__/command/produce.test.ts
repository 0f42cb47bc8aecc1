import { once } from "node:events";
import { createReadStream, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { isAlive } from "../../client/processes";
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

test("-r sends what lies in folders under the names that it has there", async () => {
  const names = ["a.txt", "sub/b c.txt", "sub/deep/ü+%.txt", ".hidden", "sub/-dash", 'sub/"quote$(x)`.txt'];
  for (const name of names) write(join("tree", name), name);
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

test("what cannot be sent is a line each, and the rest is sent", async () => {
  write("mixed/a.txt", "a");
  write("mixed/back\\slash", "b");
  symlinkSync("a.txt", join(folder, "mixed/link"));
  const args = ["produce", "-r", "mixed", "nothing", "mixed/link", "mixed"];
  const { code, stdout, stderr } = await tweedle([...args, "--json"]).ended;
  expect(code).toBe(1);
  const slash = { file: "mixed/back\\slash", reason: expect.stringContaining("with --name.") as string };
  const link = { file: "mixed/link", reason: expect.stringContaining("--follow-links") as string };
  const lines = linesOf(stdout);
  expect(lines.filter(({ key }) => key === undefined)).toEqual([
    slash,
    link,
    { file: "nothing", reason: "there is no such file." },
    slash,
    link,
  ]);
  expect(stderr.trim().split("\n")).toEqual([
    expect.stringMatching(/^mixed\/back\\slash: "mixed\/back\\\\slash" cannot be a payload's name: .*\.$/),
    expect.stringMatching(/^mixed\/link: it is a symbolic link: .*\.$/),
    "nothing: there is no such file.",
    expect.stringMatching(/^mixed\/back/),
    expect.stringMatching(/^mixed\/link/),
  ]);
  const sent = await received(3);
  expect(sent.map(({ name }) => name)).toEqual(["link", "mixed/a.txt", "mixed/a.txt"]);
  expect((await tweedle(["produce", "mixed/back\\slash", "--name", "slash"]).ended).code).toBe(0);
  expect(await received(1)).toMatchObject([{ name: "slash" }]);
});

test("--follow-links sends what links lead to, under their own names", async () => {
  write("linked/a.txt", "a");
  write("elsewhere/b.txt", "b");
  symlinkSync("../elsewhere", join(folder, "linked/folder"));
  symlinkSync("../linked", join(folder, "elsewhere/back"));
  const { code, stderr } = await tweedle(["produce", "-r", "linked", "--follow-links"]).ended;
  expect([code, stderr]).toEqual([1, "linked/folder/back: it leads back to a folder that it is in.\n"]);
  const sent = await received(2);
  expect(sent.map(({ name, digest }) => [name, digest])).toEqual([
    ["linked/a.txt", sha256("a")],
    ["linked/folder/b.txt", sha256("b")],
  ]);
});

test.each([
  ["an empty folder has nothing to send", ["-r", "void"], "tweedle: There are no files to send.\n"],
  ["a folder is sent with -r only", ["void"], "void: it is a folder: -r sends the files in it.\n"],
])("%s", async (_, args, says) => {
  mkdirSync(join(folder, "void"), { recursive: true });
  const { code, stdout, stderr } = await tweedle(["produce", ...args]).ended;
  expect([code, stdout, stderr]).toEqual([1, "", says]);
});

test.each([
  ["a little", 1000, "sendMessage"],
  ["some", MIB, "putObject"],
  ["more than a part", 20 * MIB + 1, "multipart"],
])("standard input with %s goes as it comes", async (_, size, via) => {
  const path = join(folder, "input.bin");
  const digest = await writeLarge(path, size);
  // A length that nobody knows: a file as standard input would be read as a stream all the same.
  const input = Readable.from(createReadStream(path, { highWaterMark: 10_007 }));
  const { code, stdout, stderr } = await tweedle(["produce", "-", "--json"], { input }).ended;
  expect([code, stderr]).toEqual([0, ""]);
  expect(linesOf(stdout)).toMatchObject([{ file: "-", name: "stdin", size, via }]);
  expect(await received(1)).toMatchObject([{ name: "stdin", size, digest }]);
});

const fifo = async () => {
  const path = join(folder, `fifo-${Math.random()}`);
  expect((await run("mkfifo", [path]).ended).code).toBe(0);
  return path;
};
/** Writes into a pipe from another process, which waits until it is read. */
const writeInto = (path: string, text: string) =>
  run("sh", ["-c", `printf '%s' '${text}' > "${path}"`]).ended;

test("a pipe that has a name is a stream, too", async () => {
  const path = await fifo();
  const sending = tweedle(["produce", path, "--name", "fifo", "--json"]);
  await writeInto(path, "abc");
  expect(linesOf((await sending.ended).stdout)).toMatchObject([{ name: "fifo", size: 3 }]);
  expect(await received(1)).toMatchObject([{ digest: sha256("abc") }]);
});

test("an empty standard input, or pipe, is sent with --allow-empty only", async () => {
  const says =
    "It is empty, as after a command that failed. Say --allow-empty to send an empty payload, or --exec COMMAND to send what a command prints.";
  const path = await fifo();
  for (const [args, fill] of [
    [["-"], () => undefined],
    [[path], () => writeInto(path, "")],
  ] as const) {
    const refused = tweedle(["produce", ...args, "--json"]);
    await fill();
    const { code, stdout, stderr } = await refused.ended;
    const [file] = args;
    expect([code, linesOf(stdout), stderr]).toEqual([1, [{ file, reason: says }], `${file}: ${says}\n`]);
    const allowed = tweedle(["produce", ...args, "--allow-empty", "--json"]);
    await fill();
    expect(linesOf((await allowed.ended).stdout)).toMatchObject([{ size: 0, via: "sendMessage" }]);
    expect(await received(1)).toMatchObject([{ size: 0 }]);
  }
  expect((await tweedle(["produce", "/dev/null"]).ended).code).toBe(0);
  expect(await received(1)).toMatchObject([{ name: "null", size: 0 }]);
});

describe("--exec", () => {
  test.each([
    ["a little", "printf abc", 3, "sendMessage"],
    ["nothing", "true", 0, "sendMessage"],
    ["exactly a part", "head -c 8388608 /dev/zero", 8 * MIB, "multipart"],
    ["more than a part", "head -c 20000000 /dev/zero", 20_000_000, "multipart"],
    ["what it reads from standard input", "cat", 5, "sendMessage"],
    [
      "what a process prints that outlives it",
      "printf 12345; { cat /dev/null; printf 678; } &",
      8,
      "sendMessage",
    ],
  ])("sends %s", async (_, command, size, via) => {
    const { code, stdout, stderr } = await tweedle(["produce", "--exec", command, "--json"], {
      input: "12345",
    }).ended;
    expect([code, stderr]).toEqual([0, ""]);
    expect(linesOf(stdout)).toMatchObject([{ file: command, name: "stdout", size, via }]);
    expect(await received(1)).toMatchObject([{ name: "stdout", size }]);
  });

  test.each([
    ["prints nothing", "exit 3", "exit code 3"],
    ["prints a little", "echo x; exit 1", "exit code 1"],
    ["prints exactly a part", "head -c 8388608 /dev/zero; exit 4", "exit code 4"],
    ["prints more than a part", "head -c 20000000 /dev/zero; exit 1", "exit code 1"],
    ["is killed", "echo x; kill -KILL $$", "SIGKILL"],
    ["fails once it has closed its output", "echo x; exec >&-; exit 5", "exit code 5"],
  ])("sends nothing of a command that %s and fails", async (_, command, how) => {
    const { code, stdout, stderr } = await tweedle(["produce", "--exec", command, "--name", "x", "--json"])
      .ended;
    const reason = `The command ended with ${how}. Nothing is sent.`;
    expect([code, linesOf(stdout), stderr]).toEqual([
      1,
      [{ file: command, reason }],
      `${command}: ${reason}\n`,
    ]);
    expect([chain().uploads(), chain().keys()]).toEqual([[], []]);
    expect(await chain().count(chain().queueUrl)).toBe(0);
  });

  test("ends the command where it ends itself", async () => {
    // It says that it is there, and goes on for ever.
    const command = "echo $$ >&2; exec tail -f /dev/null";
    const { child, ended } = tweedle(["produce", "--exec", command, "--json"]);
    const [pid] = (await once(child.stderr as Readable, "data")) as [Buffer];
    child.kill("SIGINT");
    expect((await ended).code).toBe(130);
    expect(isAlive(Number(pid.toString()))).toBe(false);
  });
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
  expect(stderr).toBe("/proc/self/mem cannot be sent: EIO.\n");
  expect(await received(1)).toMatchObject([{ name: "good.txt" }]);
});

test("nothing is left on this machine", () => {
  expect(filesIn(join(folder, "state"))).toEqual([]);
  expect(readFileSync(join(folder, "good.txt"), "utf8")).toBe("good");
});
