import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { GetQueueAttributesCommand, ReceiveMessageCommand, SendMessageCommand } from "@aws-sdk/client-sqs";
import { commandTools, digestOfFile, eventually, filesIn, linesOf, run, sha256, writeLarge } from "./tools";

const { folder, chain, tweedle } = commandTools();
const MIB = 1024 ** 2;

async function produce(name: string, bytes: string | Buffer, ...flags: string[]): Promise<string> {
  const args = ["produce", "-", "--name", name, "--json", ...flags];
  const { code, stdout, stderr } = await tweedle(args, { input: bytes }).ended;
  expect([code, stderr]).toEqual([0, ""]);
  return linesOf(stdout)[0]?.key ?? "";
}

/** Receives, and says what of it was handled. */
async function consume(...args: string[]) {
  const { code, stdout, stderr } = await tweedle(["consume", ...args, "--json"]).ended;
  const lines = linesOf(stdout);
  return { code, stderr, lines, handled: lines.filter(({ event }) => event === "handled") };
}

let next = 0;
const newFolder = () => join(folder, `out-${(next += 1)}`);
/** How many messages the queue has that a consumer would get. */
async function visible(): Promise<number> {
  const { Attributes = {} } = await chain().sqs.send(
    new GetQueueAttributesCommand({ QueueUrl: chain().queueUrl, AttributeNames: ["All"] }),
  );
  return Number(Attributes["ApproximateNumberOfMessages"]);
}
const send = (MessageBody: string) =>
  chain().sqs.send(new SendMessageCommand({ QueueUrl: chain().queueUrl, MessageBody }));
const left = () => chain().count(chain().queueUrl);
beforeEach(() => chain().empty());

test("--out writes DIR/<UUID>/<name>, whole and right, and says so in a line", async () => {
  const out = newFolder();
  const key = await produce("sub/cat ü.txt", "meow");
  const { code, stdout, stderr } = await tweedle(["consume", "--out", out, "--max", "1"]).ended;
  const path = join(out, key.slice("input/".length));
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/^ +4 B +[\d.]+ m?s {2}\S+\/sub\/cat ü\.txt\n$/);
  expect(stdout).toContain(path);
  expect(readFileSync(path, "utf8")).toBe("meow");
  expect(filesIn(out)).toEqual([key.slice("input/".length)]);
  expect(readdirSync(out)).toHaveLength(1);
  expect(await left()).toBe(0);
});

test("--json says all that is known of a payload", async () => {
  const key = await produce("facts.json", "{}", "--metadata", "a=1", "--inline-threshold", "0");
  const { code, stderr, handled } = await consume("--out", newFolder(), "--max", "1");
  expect([code, stderr]).toEqual([0, ""]);
  expect(handled).toEqual([
    {
      event: "handled",
      id: expect.stringContaining(key) as string,
      key,
      name: "facts.json",
      receive_count: 1,
      message_id: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
      size: 2,
      content_type: "application/json; charset=utf-8",
      metadata: { a: "1" },
      verified_by: "SHA-256",
      path: expect.stringContaining("facts.json") as string,
      ms: expect.any(Number) as number,
    },
  ]);
});

test("names of any length become files", async () => {
  const out = newFolder();
  const names = [`${"ü".repeat(200)}/${"x".repeat(300)}.json`, "y".repeat(255), "z".repeat(900)];
  for (const name of names) await produce(name, name);
  const { handled } = await consume("--out", out, "--max", "3");
  for (const { name, path } of handled) expect(readFileSync(path, "utf8")).toBe(name);
  expect(handled.find(({ name }) => name.endsWith(".json"))?.path).toMatch(
    /ü~[0-9a-f]{8}\/x+~[0-9a-f]{8}\.json$/,
  );
  for (const path of filesIn(out)) {
    for (const segment of path.split("/")) expect(Buffer.byteLength(segment)).toBeLessThanOrEqual(200);
  }
});

test("--keep leaves the payload; what is announced again is the same file", async () => {
  const out = newFolder();
  const key = await produce("kept.bin", Buffer.alloc(MIB, 1));
  const first = await consume("--out", out, "--max", "1", "--keep");
  expect(chain().keys()).toEqual([key]);
  expect((await tweedle(["reconcile", "--announce", "--older-than", "0s"]).ended).code).toBe(0);
  const second = await consume("--out", out, "--max", "1");
  expect(second.handled.map(({ path }) => path)).toEqual(first.handled.map(({ path }) => path));
  expect([filesIn(out), chain().keys()]).toEqual([[key.slice("input/".length)], []]);
});

test("two versions of one object are two files: each was announced, and none takes the other's place", async () => {
  const out = newFolder();
  const asked = await fetch(`${chain().env["TWEEDLE_API_URL"]}/putObject`, {
    method: "POST",
    body: JSON.stringify({ object_key: "twice.txt" }),
  });
  const { url } = (await asked.json()) as { url: string };
  for (const body of ["one", "two"]) {
    expect((await fetch(url, { method: "PUT", body })).status).toBe(200);
    await consume("--out", out, "--max", "1", ...(body === "one" ? ["--keep"] : []));
  }
  const contents = filesIn(out).map((name) => readFileSync(join(out, name), "utf8"));
  expect(contents.toSorted()).toEqual(["one", "two"]);
});

test("--exec that fails before it has read all says how it ended", async () => {
  await produce("large.bin", Buffer.alloc(300_000, 1));
  const { code, lines } = await consume("--exec", "exit 3", "--max", "1", "--retry-delay", "0");
  expect([code, lines.map(({ event, reason }) => [event, reason])]).toEqual([
    1,
    [["failed", "The command ended with exit code 3."]],
  ]);
  expect((await consume("--exec", "true", "--max", "1")).code).toBe(0);
});

test("--exec has the payload on its input, and the facts in its environment", async () => {
  const name = "a'$(touch hacked)`b`;c\".txt";
  const key = await produce(name, "payload", "--metadata", "a=1");
  const { code, stdout, stderr } = await tweedle([
    "consume",
    "--max",
    "1",
    "--exec",
    "env | grep ^TWEEDLE_ | sort; cat",
  ]).ended;
  expect(code).toBe(0);
  // What the command prints is all there is on stdout.
  expect(stdout.split("\n").filter((line) => !/^TWEEDLE_(API|QUEUE|DEAD|BUCKET)/.test(line))).toEqual([
    "TWEEDLE_CONTENT_TYPE=text/plain; charset=utf-8",
    `TWEEDLE_ID=${key}`,
    `TWEEDLE_KEY=${key}`,
    expect.stringMatching(/^TWEEDLE_MESSAGE_ID=[0-9a-f-]{36}$/),
    'TWEEDLE_METADATA={"a":"1"}',
    `TWEEDLE_NAME=${name}`,
    "TWEEDLE_RECEIVE_COUNT=1",
    "TWEEDLE_SIZE=7",
    "payload",
  ]);
  expect(stderr).toMatch(/^ +7 B +[\d.]+ m?s {2}a'\$\(touch hacked\)/);
  expect(existsSync(join(folder, "hacked"))).toBe(false);
});

test("--exec of a large payload gets every byte; with --json its output goes to stderr", async () => {
  const digest = await writeLarge(join(folder, "large.bin"), 70 * MIB);
  expect((await tweedle(["produce", "large.bin"]).ended).code).toBe(0);
  const { code, stderr, handled } = await consume("--max", "1", "--exec", "sha256sum");
  expect([code, stderr, handled.length]).toEqual([0, `${digest}  -\n`, 1]);
});

test("a command that reads nothing has handled it, too", async () => {
  await produce("unread.bin", Buffer.alloc(5 * MIB));
  const { code, handled } = await consume("--max", "1", "--exec", "true");
  expect([code, handled.length, await left(), chain().keys()]).toEqual([0, 1, 0, []]);
});

test("a command that fails sends the message back, from where it comes again", async () => {
  const key = await produce("again.txt", "x");
  const script = '[ "$TWEEDLE_RECEIVE_COUNT" -ge 3 ] || exit 7';
  const { code, lines } = await consume("--max", "3", "--retry-delay", "0s", "--exec", script);
  expect(lines).toMatchObject([
    {
      event: "failed",
      key,
      receive_count: 1,
      reason: "The command ended with exit code 7.",
      retry_after_seconds: 0,
    },
    { event: "failed", key, receive_count: 2, permanent: false },
    { event: "handled", key, receive_count: 3 },
  ]);
  // In the end it was handled.
  expect([code, await left()]).toEqual([0, 0]);
});

test("what fails and is not handled afterwards makes the exit code 1, and is said in one line", async () => {
  const key = await produce("fails.txt", "x");
  const { code, stdout, stderr } = await tweedle([
    "consume",
    "--max",
    "1",
    "--retry-delay",
    "0s",
    "--exec",
    "kill -9 $$",
  ]).ended;
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toBe(`${key}, received once: The command ended with SIGKILL. (it comes again in 0 s)\n`);
  expect((await consume("--max", "1", "--exec", "true")).code).toBe(0);
});

test("a command never sees the end of a payload that is not what was sent", async () => {
  const key = await produce("broken.bin", Buffer.alloc(3 * MIB, 1));
  const bodies = join(folder, "data", chain().bucketName, "._S3rver_bodies");
  for (const body of readdirSync(bodies)) writeFileSync(join(bodies, body), Buffer.alloc(3 * MIB, 2));
  const script = "cat > began; echo seen > ended";
  const exec = await consume("--max", "1", "--retry-delay", "0s", "--exec", script);
  expect([exec.code, exec.lines]).toMatchObject([
    1,
    [{ event: "failed", key, reason: expect.stringMatching(/SHA-256 is .* and should be/) as string }],
  ]);
  expect([existsSync(join(folder, "began")), existsSync(join(folder, "ended"))]).toEqual([true, false]);
  const out = newFolder();
  const written = await consume("--max", "1", "--retry-delay", "0s", "--out", out);
  expect([written.code, filesIn(out)]).toEqual([1, []]);
  for (const body of readdirSync(bodies)) writeFileSync(join(bodies, body), Buffer.alloc(3 * MIB, 1));
  expect((await consume("--max", "1", "--exec", "true")).code).toBe(0);
});

test("SIGTERM finishes what is under way, leaves the rest, and ends with 0", async () => {
  for (let index = 0; index < 3; index += 1) {
    const files = Array.from({ length: 4 }, (_, file) => `load-${index}-${file}.txt`);
    for (const file of files) writeFileSync(join(folder, file), file);
    expect((await tweedle(["produce", ...files]).ended).code).toBe(0);
  }
  const { child, ended, until } = tweedle(["consume", "--json", "--exec", 'sleep 0.3; echo "$(cat)"']);
  await until('"handled"');
  child.kill("SIGTERM");
  const { code, stdout, stderr } = await ended;
  const handled = linesOf(stdout).filter(({ event }) => event === "handled");
  const done = stderr.split("\n").filter((line) => line.startsWith("load-"));
  expect([code, linesOf(stdout).length, done.toSorted()]).toEqual([
    0,
    handled.length,
    handled.map(({ name }) => name).toSorted(),
  ]);
  expect(await left()).toBe(12 - handled.length);
  // Those that were on their way are there at once: nobody holds them.
  const rest = await consume("--out", newFolder(), "--max", String(12 - handled.length));
  expect(new Set([...handled, ...rest.handled].map(({ name }) => name)).size).toBe(12);
});

const isAlive = (pid: string) => existsSync(`/proc/${pid.trim()}`);

test("a second signal ends at once, and the commands with it; the message is released", async () => {
  await produce("slow.txt", "x");
  const { child, ended, until } = tweedle(["consume", "--exec", "echo pid $$; sleep 61 & wait"]);
  await until("pid");
  const signalled = Date.now();
  child.kill("SIGINT");
  await until("Waiting for 1 payload being handled. Ctrl-C again sends the messages back at once.");
  child.kill("SIGINT");
  const { code, stdout } = await ended;
  expect([code, Date.now() - signalled < 5000]).toEqual([130, true]);
  await eventually(() => !isAlive(stdout.slice("pid ".length)));
  await eventually(() => !execFileSync("ps", ["-eo", "args"], { encoding: "utf8" }).includes("sleep 61"));
  // Its visibility timeout is 360 s.
  expect(await visible()).toBe(1);
  expect((await consume("--max", "1", "--exec", "true")).handled).toMatchObject([{ receive_count: 2 }]);
});

test("a command that does not listen has its grace, and is killed", async () => {
  await produce("deaf.txt", "x");
  const script = "trap '' TERM; echo pid $$; while true; do sleep 1; done";
  const { child, ended, until } = tweedle(["consume", "--grace", "1s", "--exec", script]);
  await until("pid");
  child.kill("SIGTERM");
  const { code, stdout, stderr } = await ended;
  expect([code, isAlive(stdout.slice("pid ".length))]).toEqual([0, false]);
  expect(stderr).toContain("The command ended with SIGKILL. (it comes again in 0 s)");
  expect((await consume("--max", "1", "--exec", "true")).code).toBe(0);
});

test("kill -9 leaves nothing under a visible name, and the next start removes what is left", async () => {
  const out = newFolder();
  const partial = join(out, ".partial");
  expect((await tweedle(["produce", "large.bin"]).ended).code).toBe(0);
  const first = tweedle(["consume", "--out", out, "--visibility-timeout", "2s"]);
  const isBegun = () => filesIn(partial).some((name) => statSync(join(partial, name)).size > MIB);
  await eventually(isBegun);
  first.child.kill("SIGKILL");
  expect((await first.ended).signal).toBe("SIGKILL");
  const [killed = ""] = filesIn(partial);
  expect(filesIn(out)).toEqual([`.partial/${killed}`]);
  // What another machine writes now is its own, unless nobody has for an hour.
  for (const name of ["other-1-now", "other-1-old"]) writeFileSync(join(partial, name), "x");
  utimesSync(join(partial, "other-1-old"), new Date(0), new Date(Date.now() - 7_200_000));
  const { handled } = await consume("--out", out, "--max", "1");
  expect(handled).toMatchObject([{ name: "large.bin", receive_count: 2 }]);
  expect(await digestOfFile(handled[0]?.path ?? "")).toBe(await digestOfFile(join(folder, "large.bin")));
  expect(filesIn(partial)).toEqual(["other-1-now"]);
});

test("kill -9 after a command's effect, and before the message is deleted, brings it again under the same id", async () => {
  const ids = join(folder, "ids");
  const key = await produce("once.txt", "1");
  const note = `echo $TWEEDLE_ID >> ${ids}`;
  const first = tweedle(["consume", "--visibility-timeout", "1s", "--exec", `${note}; kill -9 $PPID`]);
  expect((await first.ended).signal).toBe("SIGKILL");
  expect((await tweedle(["consume", "--max", "1", "--exec", note]).ended).code).toBe(0);
  expect(readFileSync(ids, "utf8").split("\n")).toEqual([key, key, ""]);
});

test("two processes may write to one folder", async () => {
  const out = newFolder();
  const first = tweedle(["consume", "--out", out, "--json"]);
  await produce("first.txt", "1");
  await first.until("handled");
  rmSync(join(out, ".partial"), { recursive: true });
  const second = tweedle(["consume", "--out", out, "--json"]);
  // The second one has begun. A third ends, and takes the folder for what is not whole with it.
  await eventually(() => existsSync(join(out, ".partial")));
  rmSync(join(out, ".partial"), { recursive: true });
  await produce("second.txt", "2");
  await Promise.race([first.until("second.txt"), second.until("second.txt")]);
  for (const { child } of [first, second]) child.kill("SIGTERM");
  expect((await Promise.all([first.ended, second.ended])).map(({ code }) => code)).toEqual([0, 0]);
  expect(
    filesIn(out)
      .map((path) => basename(path))
      .toSorted(),
  ).toEqual(["first.txt", "second.txt"]);
});

test("a disk that is full keeps the message, and is said in one line", async () => {
  const out = newFolder();
  mkdirSync(out);
  // Who may not mount has a limit of a file's size, which the write fails at in the same way.
  const isMounted = (await run("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", out]).ended).code === 0;
  try {
    await produce("too-large.bin", Buffer.alloc(2 * MIB, 3));
    const args = ["consume", "--out", out, "--max", "1", "--retry-delay", "0s"].join(" ");
    const limited = isMounted ? undefined : `ulimit -f 1024; exec node tweedle.js ${args}`;
    const full = await (
      limited ? run("bash", ["-c", limited], { cwd: folder, env: chain().env }) : tweedle(args.split(" "))
    ).ended;
    expect(full).toMatchObject({ code: 1, stdout: "" });
    expect(full.stderr).toMatch(
      /^input\/\S+too-large\.bin, received once: (ENOSPC|EFBIG): [^\n]+ \(it comes again in 0 s\)\n$/,
    );
    expect(filesIn(out)).toEqual([]);
  } finally {
    if (isMounted) execFileSync("umount", [out]);
  }
  const { handled } = await consume("--out", out, "--max", "1");
  expect(await digestOfFile(handled[0]?.path ?? "")).toBe(sha256(Buffer.alloc(2 * MIB, 3)));
});

test("--max counts payloads, and takes no more", async () => {
  for (const name of ["1", "2", "3"]) await produce(name, name);
  expect((await consume("--out", newFolder(), "--max", "2", "--concurrency", "10")).handled).toHaveLength(2);
  expect(await left()).toBe(1);
  expect((await consume("--out", newFolder(), "--max", "1")).handled).toHaveLength(1);
});

test("--once ends when the queue stays empty for a long poll", async () => {
  await produce("once.txt", "x");
  const begun = Date.now();
  const { code, handled } = await consume("--once", "--out", newFolder());
  expect([code, handled.length]).toEqual([0, 1]);
  expect(Date.now() - begun).toBeGreaterThan(15_000);
});

test("a reader that has seen enough ends it, and what it holds is not lost", async () => {
  await produce("piped.txt", "x");
  const { child, ended } = tweedle(["consume", "--out", newFolder(), "--json"], {
    input: new Readable({ read: () => undefined }),
  });
  await once(child.stdout as Readable, "data");
  (child.stdout as Readable).destroy();
  await sleep(0);
  await produce("piped-2.txt", "x");
  expect((await ended).code).toBe(0);
  expect(await left()).toBe(0);
});

test("a reader of a command's output that has gone ends it, and no other message is received", async () => {
  const names = Array.from({ length: 12 }, (_, index) => `line-${String(index).padStart(2, "0")}`);
  for (const name of names) await produce(name, `${name}\n`);
  // The reader has gone before the first line, so that none is read while others are being handled.
  const command =
    "exec 3> >(:); wait $!; node tweedle.js consume --concurrency 2 --exec cat --max 12 >&3; echo $?";
  const { stdout } = await run("bash", ["-c", command], { cwd: folder, env: chain().env }).ended;
  expect(stdout).toBe("0\n");
  const { Messages = [] } = await chain().sqs.send(
    new ReceiveMessageCommand({
      QueueUrl: chain().queueUrl,
      MaxNumberOfMessages: 10,
      MessageSystemAttributeNames: ["ApproximateReceiveCount"],
    }),
  );
  // At most those that were being handled have been received before.
  const again = Messages.filter(({ Attributes }) => Number(Attributes?.ApproximateReceiveCount) > 1);
  expect([Messages.length, again.length <= 2]).toEqual([10, true]);
});

test("all that a command prints is passed on, before its payload counts as handled", async () => {
  await produce("large.txt", Buffer.alloc(3 * MIB, "x"));
  const { code, stdout } = await tweedle(["consume", "--max", "1", "--exec", "cat"]).ended;
  expect([code, stdout.length, new Set(stdout)]).toEqual([0, 3 * MIB, new Set("x")]);
});

test("a process that a command leaves behind does not hold up its message", async () => {
  await produce("leaves.txt", "x");
  const { code, stdout } = await tweedle([
    "consume",
    "--max",
    "1",
    "--exec",
    "sleep 30 2>/dev/null & echo done",
  ]).ended;
  expect([code, stdout]).toEqual([0, "done\n"]);
});

test("a message that cannot succeed is reported once, and says that it is a dead letter after the last receive only", async () => {
  await send("not JSON");
  const first = await tweedle(["consume", "--max", "1", "--exec", "true"]).ended;
  const why =
    "received once: The message is not JSON. (it cannot succeed, and becomes a dead letter after 4 more receives)";
  expect([first.code, first.stderr]).toEqual([
    1,
    expect.stringMatching(/^The message [0-9a-f-]+, [^\n]*\n$/),
  ]);
  expect(first.stderr).toContain(why);
  const others = await tweedle(["consume", "--max", "3", "--exec", "true"]).ended;
  expect(others.stderr.split("\n")).toHaveLength(2);
  const last = await tweedle(["consume", "--max", "1", "--exec", "true"]).ended;
  expect(last.stderr).toMatch(/received 5 times: The message is not JSON\. \(it becomes a dead letter\)\n$/);
});

test("a failure at the last receive says that it becomes a dead letter", async () => {
  await produce("fails-five-times.txt", "x");
  const args = ["consume", "--max", "5", "--retry-delay", "0s", "--exec", "false"];
  const { stderr } = await tweedle(args).ended;
  const ends = stderr.split("\n").map((line) => line.split("exit code 1. ")[1]);
  const again = "(it comes again in 0 s)";
  expect(ends).toEqual([again, again, again, again, "(it becomes a dead letter)", undefined]);
});

test("another event of S3 is printed, and S3's test is not", async () => {
  await send('{"Service":"Amazon S3","Event":"s3:TestEvent"}');
  const s3 = { bucket: { name: "bucket" }, object: { key: "input/a+b%1B" } };
  const removed = { eventSource: "aws:s3", eventName: "ObjectRemoved:Delete", s3 };
  await send(JSON.stringify({ Records: [removed] }));
  await produce("payload.txt", "x");
  const { code, stderr } = await tweedle(["consume", "--max", "1", "--out", newFolder()]).ended;
  expect([code, stderr]).toEqual([0, "Ignored: ObjectRemoved:Delete of input/a b\\u001b\n"]);
});

test("an API that refuses everything is one line and exit code 1, and the message stays", async () => {
  await produce("refused.txt", "x", "--inline-threshold", "0");
  const api = createServer((request, response) => {
    const paths = { "/getObject": { post: {} } };
    if (request.method === "GET") return response.end(JSON.stringify({ paths, components: { schemas: {} } }));
    return response.writeHead(403).end('{"error":{"code":"AccessDenied","message":"No."}}');
  }).listen(0, "127.0.0.1");
  await once(api, "listening");
  const where = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;
  const { code, stdout, stderr } = await tweedle(["consume", "--exec", "cat", "--api-url", where]).ended;
  api.close();
  expect([code, stdout, stderr]).toEqual([1, "", expect.stringMatching(/^tweedle: [^\n]*No\.\n$/)]);
  expect(await visible()).toBe(1);
});

test("on a terminal it says what it waits for, and elsewhere nothing", async () => {
  const queue = chain().queueUrl.split("/").at(-1);
  for (const isTerminal of [true, false]) {
    await produce("waited-for.txt", "x");
    const command = "node tweedle.js consume --exec cat --max 1";
    const [program, ...args] = isTerminal ? ["script", "-qefc", command, "/dev/null"] : ["sh", "-c", command];
    const { stdout, stderr } = await run(program, args, { cwd: folder, env: chain().env }).ended;
    const said = (stdout + stderr).includes(`Waiting for messages on ${queue}. Ctrl-C stops.`);
    expect([isTerminal, said]).toEqual([isTerminal, isTerminal]);
  }
});

test("a queue that is not there is one line", async () => {
  const { code, stderr } = await consume("--out", newFolder(), "--queue-url", `${chain().queueUrl}-not`);
  expect([code, stderr]).toEqual([
    1,
    "tweedle: There is no such queue: look at its URL, and at the account of the credentials.\n",
  ]);
});
