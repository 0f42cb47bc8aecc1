import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { unzipSync } from "fflate";
import { temporaryFolder } from "./tools";

const run = promisify(execFile);
const ROOT = join(__dirname, "../..");
const folder = temporaryFolder();

/** Runs Node in the project, in a shell of this umask. */
const node = (umask: string, args: readonly string[], variables: Readonly<Record<string, string>>) =>
  run("sh", ["-c", 'umask "$0"; exec "$@"', umask, process.execPath, "--import", "tsx", ...args], {
    cwd: ROOT,
    env: { ...process.env, ...variables },
  });

/** Every file below a folder, by its path. */
function filesOf(outdir: string): Map<string, Buffer> {
  const entries = readdirSync(outdir, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(paths.toSorted().map((path) => [path.slice(outdir.length + 1), readFileSync(path)]));
}

const HERE = join(folder, "here");
const THERE = join(folder, "another, deeper/folder", "there");
const IMPORTED = join(folder, "imported");
const synth = ["main.ts"];

let here: Map<string, Buffer>;
let there: Map<string, Buffer>;
let report: string;

beforeAll(async () => {
  mkdirSync(dirname(THERE), { recursive: true });
  const winter = { TZ: "UTC", LANG: "C", LC_ALL: "C" };
  const summer = { TZ: "Pacific/Auckland", LANG: "tr_TR.UTF-8", LC_ALL: "tr_TR.UTF-8" };
  const [{ stdout }] = await Promise.all([
    node("022", synth, { ...winter, CDKTF_OUTDIR: HERE }),
    node("077", synth, { ...summer, CDKTF_OUTDIR: THERE }),
    node("022", ["--eval", 'require("./main")'], { CDKTF_OUTDIR: IMPORTED }),
  ]);
  report = stdout;
  here = filesOf(HERE);
  there = filesOf(THERE);
}, 30_000);

it("Two synths in other folders, time zones, languages and umasks give the same files, byte for byte", () => {
  const digests = (files: Map<string, Buffer>) =>
    [...files].map(([path, bytes]) => `${path} ${createHash("sha256").update(bytes).digest("hex")}`);
  expect(digests(there)).toEqual(digests(here));
});

it("A synth writes each stage, the code of its functions, and a manifest", () => {
  const names = [...here.keys()].filter((path) => !path.startsWith("bundles/"));
  expect(names.map((path) => path.replace(/assets\/.*\//, ""))).toEqual([
    "manifest.json",
    "stacks/producer-consumer-dev/function.zip",
    "stacks/producer-consumer-dev/function.zip",
    "stacks/producer-consumer-dev/function.zip",
    "stacks/producer-consumer-dev/cdk.tf.json",
    "stacks/producer-consumer-prod/function.zip",
    "stacks/producer-consumer-prod/function.zip",
    "stacks/producer-consumer-prod/function.zip",
    "stacks/producer-consumer-prod/function.zip",
    "stacks/producer-consumer-prod/cdk.tf.json",
    "stacks/producer-consumer-test/function.zip",
    "stacks/producer-consumer-test/function.zip",
    "stacks/producer-consumer-test/function.zip",
    "stacks/producer-consumer-test/function.zip",
    "stacks/producer-consumer-test/cdk.tf.json",
  ]);
});

it("No file that a synth writes names a folder of the machine, zipped or not", () => {
  const contents = [...here].flatMap(([path, bytes]) =>
    path.endsWith(".zip")
      ? Object.entries(unzipSync(bytes)).map(([name, file]) => ({
          path: `${path}/${name}`,
          file: Buffer.from(file),
        }))
      : [{ path, file: bytes }],
  );
  const folders = [tmpdir(), homedir(), ROOT]
    .map((path) => `${path.replace(/\/$/, "")}/`)
    .filter((path) => path !== "/");
  expect(
    contents.filter(({ file }) => folders.some((path) => file.includes(path))).map(({ path }) => path),
  ).toEqual([]);
  expect(contents.length).toBeGreaterThan(here.size);
});

it("A synth says what each stage's callers can have stored in a day", () => {
  expect(report.trim().split("\n")).toEqual(
    ["dev", "test", "prod"].map((stage) =>
      expect.stringMatching(`^producer-consumer-${stage} .* a day at worst$`),
    ),
  );
});

it("To import the app is not to synthesize it", () => {
  expect(existsSync(IMPORTED)).toBe(false);
});
