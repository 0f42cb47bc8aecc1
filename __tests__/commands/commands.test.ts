import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "../local/tools";

const ROOT = join(__dirname, "../..");
const folder = temporaryFolder();
/** Where the commands put what is temporary. */
const temporary = temporaryFolder();
const running = new Set<ChildProcess>();

afterAll(() => {
  for (const child of running) child.kill("SIGKILL");
});

interface Run {
  readonly child: ChildProcess;
  /** Resolves with what stdout holds, once it holds this. */
  readonly until: (text: string) => Promise<string>;
  readonly ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
}

/** Runs one of our commands as npm does, with its output folder elsewhere. */
function run(script: string, ...args: string[]): Run {
  const child = spawn(process.execPath, ["--import", "tsx", script, ...args], {
    cwd: ROOT,
    env: { ...process.env, CDKTF_OUTDIR: join(folder, "out"), TMPDIR: temporary },
  });
  running.add(child);
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = once(child, "close").then(([code]) => {
    running.delete(child);
    return { code: code as number | null, stdout, stderr };
  });
  const until = async (text: string) => {
    while (!stdout.includes(text)) {
      const more = await Promise.race([once(child.stdout, "data"), ended]);
      if ("code" in more && !stdout.includes(text))
        throw new Error(`Ended before "${text}": ${stdout}${stderr}`);
    }
    return stdout;
  };
  return { child, until, ended };
}

// tsx keeps what it compiled there.
const temporaryFiles = () => readdirSync(temporary).filter((name) => !name.startsWith("tsx-"));

test("npm run demo shows the twelve steps of each file and exits with 0", async () => {
  const file = join(folder, "a b+ü.bin");
  writeFileSync(file, Buffer.alloc(2_000_000, "x"));
  const { code, stdout, stderr } = await run("local/demo.ts", "package-lock.json", file).ended;
  expect([code, stderr]).toEqual([0, ""]);
  const steps = [...stdout.matchAll(/^ +(\d+) +[\d.]+ m?s {2}\S/gm)].map(([, number]) => Number(number));
  expect(steps).toEqual([...Array(12).keys(), ...Array(12).keys()].map((index) => index + 1));
  expect(stdout.match(/SHA-256 equal/g)).toHaveLength(2);
  expect(stdout).toContain("a b+ü.bin, 2.0 MB, SHA-256 ");
});

test("npm start delivers a first message of over 256 KB and stays up until Ctrl-C, and leaves nothing behind", async () => {
  expect(statSync(join(ROOT, "package-lock.json")).size).toBeGreaterThan(256 * 1024);
  const { child, until, ended } = run("local/start.ts", "--port", "0");
  const stdout = await until("Ctrl-C stops everything.");
  expect(temporaryFiles().length).toBeGreaterThan(0);
  expect(stdout).toMatch(/Delivered in [\d.]+ m?s\./);
  const api = /api_url +(\S+)/.exec(stdout)?.[1] ?? "";
  expect((await fetch(`${api}/openapi.json`)).status).toBe(200);
  child.kill("SIGINT");
  expect(await ended).toMatchObject({ code: 0, stderr: "" });
  await expect(fetch(api)).rejects.toThrow("fetch failed");
  expect(temporaryFiles()).toEqual([]);
});

test("npm run demo that is interrupted leaves nothing behind and says so", async () => {
  const file = join(folder, "large.bin");
  writeFileSync(file, "");
  truncateSync(file, 400_000_000);
  const { child, until, ended } = run("local/demo.ts", file);
  await until("API Gateway → producer");
  child.kill("SIGINT");
  expect(await ended).toMatchObject({ code: 1, stderr: "Interrupted.\n" });
  expect(temporaryFiles()).toEqual([]);
});

test("npm start -- --json says in one line where all is, and nothing else", async () => {
  const { child, until, ended } = run(
    "local/start.ts",
    "--json",
    "--port",
    "0",
    "--data",
    join(folder, "data"),
  );
  const described = JSON.parse(await until("\n")) as Record<string, string>;
  expect(Object.keys(described)).toEqual([
    "api_url",
    "queue_url",
    "dead_letter_queue_url",
    "bucket_name",
    "s3_endpoint",
    "sqs_endpoint",
    "region",
    "access_key_id",
    "secret_access_key",
  ]);
  expect((await fetch(described["api_url"] ?? "", { method: "POST", body: "{}" })).status).toBe(400);
  child.kill("SIGTERM");
  const { code, stdout, stderr } = await ended;
  expect([code, stdout.trim().split("\n").length, stderr]).toEqual([0, 1, ""]);
});

test.each<[string, string[], number, RegExp]>([
  ["local/demo.ts", [], 2, /^Name a file/],
  ["local/demo.ts", ["no-such-file"], 1, /^There is no file no-such-file\.$/],
  ["local/demo.ts", ["stacks"], 1, /^stacks is not a file\.$/],
  ["local/start.ts", ["--stage", "staging"], 2, /^There is no stage "staging"\. Stages: dev, test, prod\.$/],
  ["local/start.ts", ["--port", "x"], 2, /^--port must be a number/],
  ["local/start.ts", ["--prot", "1"], 2, /^Unknown option '--prot'/],
  ["deployment/bootstrap.ts", [], 2, /^Not a terminal: pass --yes to apply, or --dry-run/],
  ["deployment/bootstrap.ts", ["--force"], 2, /^Unknown option '--force'/],
  ["deployment/lock.ts", ["--platforms", "x"], 2, /^Unknown option '--platforms'/],
  [
    "local/start.ts",
    ["--data", "package.json", "--port", "0"],
    1,
    /^--data package\.json must be a folder that may be written: EEXIST\.$/,
  ],
])("%s %j ends with %d and one line that says what to change", async (script, args, code, says) => {
  const ended = await run(script, ...args).ended;
  expect(ended).toMatchObject({ code, stdout: "" });
  expect(ended.stderr.trimEnd()).toMatch(says);
  expect(ended.stderr.trimEnd().split("\n")).toHaveLength(1);
});

test("a file whose name can be no key's ends with one line", async () => {
  const named = join(folder, "back\\slash");
  writeFileSync(named, "x");
  const bad = await run("local/demo.ts", named).ended;
  expect([bad.code, bad.stderr.trimEnd().split("\n").length]).toEqual([1, 1]);
  expect(bad.stderr).toContain("its name must be a name of at most 981 bytes");
});

test.each(["local/start.ts", "local/demo.ts"])(
  "%s --help says its options, and does nothing",
  async (script) => {
    const { code, stdout, stderr } = await run(script, "--help").ended;
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^Usage: npm (start|run demo) -- /);
    expect(stdout).toContain(script.includes("start") ? "default 4600" : "default 0");
  },
);

test.each([
  ["deployment/bootstrap.ts", "npm run bootstrap", ["--dry-run", "--yes"]],
  ["deployment/lock.ts", "npm run lock", ["--platform", "--fs-mirror", "--out"]],
])("%s --help says its options, and does nothing", async (script, command, options) => {
  const { code, stdout, stderr } = await run(script, "--help").ended;
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(new RegExp(`^Usage: ${command} -- `));
  for (const option of options) expect(stdout).toContain(`  ${option} `);
});

test("a port that is taken is said in one line", async () => {
  const first = run("local/start.ts", "--json", "--port", "0");
  const { api_url = "" } = JSON.parse(await first.until("\n")) as Record<string, string>;
  const { port } = new URL(api_url);
  const { code, stderr } = await run("local/start.ts", "--json", "--port", port).ended;
  expect(code).toBe(1);
  // The ports beside it are anybody's, and may be taken, too.
  const ports = ["the API", "S3", "SQS"].map((what, index) => [what, Number(port) + index] as const);
  expect(
    ports.map(
      ([what, taken]) =>
        `Port ${taken}, for ${what}, is taken. Stop what uses it, or choose others with --port.\n`,
    ),
  ).toContain(stderr);
  first.child.kill("SIGINT");
  expect((await first.ended).code).toBe(0);
});
