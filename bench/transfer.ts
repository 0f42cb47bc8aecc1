import { spawn, spawnSync } from "node:child_process";
import { createHash, randomFillSync } from "node:crypto";
import { once } from "node:events";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  readdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { usualBundle } from "./bundle";
import { type Comparison, type Goal, type Row, row } from "./table";
import { type Endpoints, FILES_AT_ONCE } from "./transfer/contender";
import type { Move, Task } from "./transfer/move";
import { medians, takeTurns } from "./turns";

const ROOT = join(__dirname, "..");
const TSX = ["--import", "tsx"];
const MIB = 1024 ** 2;
const TURNS = 3;
const FRESH_PROCESSES = 9;

/** The SDK tells every user of Node 20 when its support ends. */
const ENVIRONMENT = { ...process.env, AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true" };

/** What is moved: so many files of so many bytes. */
export interface Load {
  readonly name: string;
  readonly files: number;
  readonly bytes: number;
}

const LOADS: readonly Load[] = [
  { name: "1 KiB × 200", files: 200, bytes: 1024 },
  { name: "1 MiB × 500", files: 500, bytes: MIB },
  { name: "256 MiB", files: 1, bytes: 256 * MIB },
  { name: "2 GiB", files: 1, bytes: 2048 * MIB },
];

type Direction = "produce" | "consume";

const under = (most: number): Goal => ({ text: `ours under ${most}`, holds: (ours) => ours < most });
/** Of throughputs: checked and bare come last, and bare leaves out what makes sure of every byte. */
const fast = (others: string, from: number): Goal => ({
  text: `${others} at most 1, checked at most 1.25`,
  holds: (_, ratios) => ratios.slice(from, -2).every((ratio) => ratio <= 1) && (ratios.at(-2) ?? NaN) <= 1.25,
});
/** GetObject, the first of those that receive, verifies nothing either. */
const FAST: Record<Direction, Goal> = { produce: fast("others", 0), consume: fast("aws", 1) };

/**
 * The chain in a process of its own.
 *
 * @param folder temporary: it goes with the chain
 */
export async function startChain(
  folder: string,
): Promise<{ endpoints: Endpoints; stop: () => Promise<void> }> {
  const script = join(__dirname, "transfer", "chain.ts");
  const chain = spawn(process.execPath, [...TSX, script, folder], {
    cwd: ROOT,
    env: ENVIRONMENT,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(chain, "close");
  const [line] = (await Promise.race([once(chain.stdout, "data"), ended])) as [Buffer | number | null];
  if (!Buffer.isBuffer(line)) throw new Error(`The chain ended with ${line}.`);
  const stop = async () => {
    chain.stdin.end();
    await ended;
  };
  return { endpoints: JSON.parse(line.toString()), stop };
}

/** Random bytes, of which nothing can be left out. */
function writeLoad(folder: string, { files, bytes }: Load): string[] {
  mkdirSync(folder);
  const chunk = Buffer.alloc(Math.min(bytes, 8 * MIB));
  return Array.from({ length: files }, (_, index) => {
    const path = join(folder, `${index}.bin`);
    const file = openSync(path, "wx");
    for (let left = bytes; left > 0; left -= chunk.length) writeSync(file, randomFillSync(chunk));
    closeSync(file);
    return path;
  });
}

function digest(path: string): string {
  const hash = createHash("sha256");
  const chunk = Buffer.alloc(8 * MIB);
  const file = openSync(path, "r");
  for (let read; (read = readSync(file, chunk)) > 0;) hash.update(chunk.subarray(0, read));
  closeSync(file);
  return hash.digest("hex");
}

const digests = (paths: readonly string[]) => paths.map(digest).toSorted().join();

/** Builds what the processes run: our library and command as they are published, and the contenders. */
export function buildContenders(folder: string): void {
  const build = [...TSX, join(ROOT, "client", "build.ts"), "--outdir", join(folder, "dist")];
  const { status, stderr } = spawnSync(process.execPath, build, { cwd: ROOT, encoding: "utf8" });
  if (status !== 0) throw new Error(`The client could not be built: ${stderr}`);
  for (const name of ["move", "ours", "usual", "aws", "checked", "bare"]) {
    writeFileSync(join(folder, `${name}.js`), usualBundle(`transfer/${name}.ts`));
  }
}

/** Runs a contender in a fresh process. */
export function move(folder: string, task: Task): Move {
  const { region, credentials } = task.chain;
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, "move.js")], {
    input: JSON.stringify(task),
    encoding: "utf8",
    env: {
      ...ENVIRONMENT,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      // The local S3 knows no CRC32.
      AWS_REQUEST_CHECKSUM_CALCULATION: "when_required",
      AWS_RESPONSE_CHECKSUM_VALIDATION: "when_required",
    },
  });
  if (status !== 0) throw new Error(`${task.contender} failed to ${task.direction}: ${stderr}`);
  return JSON.parse(stdout);
}

/**
 * Our client against the AWS SDK, Amazon's command and the loopback, on the local chain.
 *
 * @param folder where the contenders go; in the repository, for its packages
 */
export async function compareTransfers(folder: string, loads = LOADS): Promise<Comparison[]> {
  buildContenders(folder);
  const temporary = mkdtempSync(join(tmpdir(), "tweedle-bench-"));
  const chain = await startChain(temporary);
  try {
    return [
      ...compareMoves(folder, temporary, chain.endpoints, loads),
      compareDelays(folder, temporary, chain.endpoints),
      compareStarts(folder),
    ];
  } finally {
    await chain.stop();
  }
}

const hasAws = () => spawnSync("aws", ["--version"]).status === 0;

/** Each contender receives what it has sent itself. */
function compareMoves(
  folder: string,
  temporary: string,
  chain: Endpoints,
  loads: readonly Load[],
): Comparison[] {
  const contenders = [
    { name: "ours" },
    { name: "usual" },
    ...(hasAws() ? [{ name: "aws" }] : []),
    { name: "checked" },
    { name: "bare" },
  ];
  const rows: Record<Direction, Row[]> = { produce: [], consume: [] };
  for (const load of loads) {
    const files = writeLoad(join(temporary, "load"), load);
    const sent = digests(files);
    const moves = takeTurns(load.name, TURNS, contenders, ({ name: contender }, turn) => {
      const received = join(temporary, "received");
      mkdirSync(received);
      const task = { contender, chain, files, folder: received } as const;
      const produce = move(folder, { ...task, direction: "produce", keys: [] });
      const consume = move(folder, { ...task, direction: "consume", keys: produce.keys });
      // Once: it takes as long as a move.
      if (turn === 1 && digests(readdirSync(received).map((name) => join(received, name))) !== sent) {
        throw new Error(`What "${contender}" received is not what it had sent.`);
      }
      rmSync(received, { recursive: true });
      return { produce, consume };
    });
    rmSync(join(temporary, "load"), { recursive: true });
    for (const direction of ["produce", "consume"] as const) {
      rows[direction].push(
        ...rowsOf(
          direction,
          load,
          moves.map((runs) => runs.map((run) => run[direction])),
        ),
      );
    }
  }
  const comparison = (title: Direction, usual: string, notes: readonly string[]): Comparison => ({
    title,
    contenders: contenders.map(({ name }) => ({ usual, aws: "aws s3 cp" })[name] ?? name),
    rows: rows[title],
    notes,
  });
  return [
    comparison("produce", "lib-storage", [
      "lib-storage: its Upload with all defaults but checksums, as the local S3 knows no CRC32; with the account's credentials.",
      "bare: a PUT a file from node:http, its URL signed before; no digest. checked: with one, which the server checks.",
    ]),
    comparison("consume", "GetObject", [
      "GetObject: the SDK for SQS and S3; as ours it deletes message and payload. It verifies nothing.",
      "bare: a GET a file from node:http, its URL signed before. checked: with its SHA-256.",
      "aws s3 cp, checked and bare know the keys, and no queue.",
      "aws s3 cp: the whole process, Python's start with it; of the others, what follows the loading of modules.",
      `Of several files, ${FILES_AT_ONCE} at once. Received into files without fsync. Peak memory: VmHWM, of Linux.`,
      "The chain runs in a process of its own, with a stage that throttles nobody (dev takes 50 requests a second).",
      `Medians of ${TURNS} fresh processes each, in turns; what each received first is compared with what it sent.`,
    ]),
  ];
}

function rowsOf(direction: Direction, { name, files, bytes }: Load, moves: readonly Move[][]): Row[] {
  const seconds = medians(moves, (run) => run.seconds);
  const perSecond = (amount: number) => seconds.map((each) => amount / each);
  return [
    ...(files > 1 ? [row(`${name}: messages a second`, perSecond(files))] : []),
    // Of small ones, messages are what counts.
    ...(bytes >= MIB
      ? [row(`${name}: MB/s`, perSecond((files * bytes) / 1e6), files > 1 ? undefined : FAST[direction])]
      : []),
    row(
      `${name}: peak memory, MB`,
      medians(moves, (run) => run.peakMb),
      under(200),
    ),
  ];
}

function compareDelays(folder: string, temporary: string, chain: Endpoints): Comparison {
  const contenders = [{ name: "ours" }, { name: "usual" }];
  const runs = takeTurns("delay", 1, contenders, ({ name: contender }) => {
    const { delaysMs } = move(folder, {
      contender,
      direction: "delay",
      chain,
      files: [],
      keys: [],
      folder: temporary,
    });
    return delaysMs;
  });
  const each = runs.map(([delaysMs = []]) => [...delaysMs]);
  return {
    title: "one message",
    contenders: ["ours", "SDK"],
    rows: [
      row(
        "from the upload's end to the handler's first byte, ms",
        medians(each, (ms) => ms),
        under(100),
      ),
    ],
    notes: [
      `Medians of ${each[0]?.length} payloads of 1 MiB, sent one by one to a consumer that waits. The local SQS looks for messages every 10 ms.`,
    ],
  };
}

function compareStarts(folder: string): Comparison {
  const node = process.execPath;
  const commands = [
    { name: "tweedle", command: node, args: [join(folder, "dist", "tweedle.js"), "--help"] },
    ...(hasAws() ? [{ name: "aws", command: "aws", args: ["--version"] }] : []),
    { name: "node", command: node, args: ["--eval", "0"] },
  ];
  const starts = takeTurns("--help", FRESH_PROCESSES, commands, ({ command, args }) => {
    const start = performance.now();
    if (spawnSync(command, args).status !== 0) throw new Error(`${command} ${args.join(" ")} failed.`);
    return performance.now() - start;
  });
  return {
    title: "the command",
    contenders: commands.map(({ name }) => name),
    rows: [
      row(
        "--help, ms",
        medians(starts, (ms) => ms),
        under(150),
      ),
    ],
    notes: [
      `Medians of ${FRESH_PROCESSES} fresh processes each, in turns. aws: --version. node: nothing at all.`,
    ],
  };
}
