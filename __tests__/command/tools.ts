import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createReadStream, existsSync, readFileSync, readdirSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { GetQueueAttributesCommand, PurgeQueueCommand, SQSClient } from "@aws-sdk/client-sqs";
import { buildCommand } from "../../client/build";
import { temporaryFolder } from "../local/tools";

export const ROOT = join(__dirname, "../..");

const running = new Set<ChildProcess>();
const chains = new Set<ChildProcess>();
afterAll(async () => {
  for (const child of [...running].toReversed()) {
    const closed = once(child, "close");
    // A chain that is asked to end removes what it made.
    child.kill(chains.has(child) ? "SIGTERM" : "SIGKILL");
    await closed;
  }
});

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The most memory that it has had, in bytes, as far as it was looked at. */
  readonly peakBytes: number;
}

export interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves once stdout or stderr holds this. */
  readonly until: (text: string) => Promise<void>;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** What is on its standard input. @default nothing */
  readonly input?: string | Buffer | NodeJS.ReadableStream;
}

/** Starts a program that does not outlive the tests of the file. */
export function run(program: string, args: readonly string[], { env, cwd, input }: RunOptions = {}): Run {
  const child = spawn(program, args, { cwd, env: { ...process.env, ...env } });
  running.add(child);
  let [stdout, stderr, peakBytes] = ["", "", 0];
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const look = setInterval(() => (peakBytes = peakOf(child) ?? peakBytes), 50);
  const ended = once(child, "close").then(([code, signal]): Ended => {
    clearInterval(look);
    running.delete(child);
    return { code, signal, stdout, stderr, peakBytes };
  });
  // A program that ends early has no use for the rest.
  child.stdin.on("error", () => undefined);
  if (input === undefined || typeof input === "string" || Buffer.isBuffer(input)) child.stdin.end(input);
  else input.pipe(child.stdin);
  const until = async (text: string) => {
    while (!(stdout + stderr).includes(text)) {
      const more = await Promise.race([once(child.stdout, "data"), once(child.stderr, "data"), ended]);
      if ("code" in more && !(stdout + stderr).includes(text))
        throw new Error(`It ended before it said "${text}": ${stdout}${stderr}`);
    }
  };
  return { child, ended, until };
}

/** The most memory that a process has had so far, as Linux counts it. */
function peakOf({ pid }: ChildProcess): number | undefined {
  try {
    const [, kilobytes] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  } catch {
    return undefined;
  }
}

export interface LocalChain {
  readonly apiUrl: string;
  readonly queueUrl: string;
  readonly deadLetterQueueUrl: string;
  readonly bucketName: string;
  readonly s3Endpoint: string;
  /** What the command and the SDK need to find it. */
  readonly env: Readonly<Record<string, string>>;
  readonly sqs: SQSClient;
  /** Keys of the payloads that are in the bucket. */
  readonly keys: () => string[];
  /** How many parts each upload has that is neither completed nor given up. */
  readonly uploads: () => number[];
  /** Drops the messages and the dead letters of the test before, those that are hidden included. */
  readonly empty: () => Promise<void>;
  /** How many messages a queue has, those that are hidden included. */
  readonly count: (queueUrl: string) => Promise<number>;
  /** The most memory that it has had so far, in bytes. */
  readonly peakBytes: () => number;
}

/** Starts the local chain in a process of its own, as people do. */
export async function startChain(folder: string, data = join(folder, "data")): Promise<LocalChain> {
  const args = ["--import", "tsx", "local/start.ts", "--json", "--port", "0", "--data", data];
  const { child, ended } = run(process.execPath, args, {
    cwd: ROOT,
    env: { CDKTF_OUTDIR: join(folder, "synthesized") },
  });
  chains.add(child);
  const first = once(createInterface(child.stdout as NodeJS.ReadableStream), "line");
  const line = await Promise.race([first, ended]);
  if ("code" in line) throw new Error(`The chain did not start: ${line.stderr}`);
  const described = JSON.parse(String(line[0])) as Record<string, string>;
  const {
    api_url = "",
    queue_url = "",
    dead_letter_queue_url = "",
    bucket_name = "",
    s3_endpoint = "",
    region = "",
    access_key_id = "",
    secret_access_key = "",
  } = described;
  const credentials = { accessKeyId: access_key_id, secretAccessKey: secret_access_key };
  const sqs = new SQSClient({ endpoint: new URL(queue_url).origin, region, credentials });
  const bucket = join(data, bucket_name);
  return {
    apiUrl: api_url,
    queueUrl: queue_url,
    deadLetterQueueUrl: dead_letter_queue_url,
    bucketName: bucket_name,
    s3Endpoint: s3_endpoint,
    env: {
      TWEEDLE_API_URL: api_url,
      TWEEDLE_QUEUE_URL: queue_url,
      TWEEDLE_DEAD_LETTER_QUEUE_URL: dead_letter_queue_url,
      TWEEDLE_BUCKET_NAME: bucket_name,
      AWS_ENDPOINT_URL_S3: s3_endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: access_key_id,
      AWS_SECRET_ACCESS_KEY: secret_access_key,
      XDG_STATE_HOME: join(folder, "state"),
    },
    sqs,
    keys: () =>
      readdirSync(bucket, { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith("._S3rver_object"))
        .map((name) => name.replace(/\._S3rver_object$/, ""))
        .toSorted(),
    uploads: () => {
      const bodies = join(bucket, "._S3rver_bodies");
      return readdirSync(bodies)
        .filter((name) => existsSync(join(bodies, name, "upload.json")))
        .map((name) => readdirSync(join(bodies, name)).filter((part) => /^\d/.test(part)).length);
    },
    empty: async () => {
      for (const QueueUrl of [queue_url, dead_letter_queue_url])
        await sqs.send(new PurgeQueueCommand({ QueueUrl }));
    },
    count: async (QueueUrl) => {
      const { Attributes = {} } = await sqs.send(
        new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }),
      );
      return (
        Number(Attributes["ApproximateNumberOfMessages"]) +
        Number(Attributes["ApproximateNumberOfMessagesNotVisible"])
      );
    },
    peakBytes: () => peakOf(child) ?? 0,
  };
}

/** The command as users have it, and the chain that it leads to. */
export function commandTools(): {
  readonly folder: string;
  readonly chain: () => LocalChain;
  readonly tweedle: (args: readonly string[], options?: RunOptions) => Run;
} {
  const folder = temporaryFolder();
  const bin = join(folder, "tweedle.js");
  let chain: LocalChain | undefined;
  beforeAll(async () => {
    buildCommand(bin);
    chain = await startChain(folder);
  });
  afterAll(() => chain?.sqs.destroy());
  return {
    folder,
    chain: () => chain as LocalChain,
    tweedle: (args, options = {}) =>
      run(process.execPath, [bin, ...args], {
        cwd: folder,
        ...options,
        env: { ...chain?.env, ...options.env },
      }),
  };
}

/** A line of --json. */
export type Line = Readonly<Record<string, unknown>> & {
  readonly event: string;
  readonly key: string;
  readonly name: string;
  readonly size: number;
  readonly path: string;
  readonly via: string;
  readonly message_id: string;
  readonly receive_count: number;
};

export const linesOf = (text: string): Line[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);

/** Waits for what comes a moment later, and is told by no event. */
export async function eventually(isSo: () => boolean | Promise<boolean>, seconds = 20): Promise<void> {
  for (const until = Date.now() + seconds * 1000; !(await isSo());) {
    if (Date.now() > until) throw new Error(`It is not so after ${seconds} s: ${isSo.toString()}`);
    await sleep(20);
  }
}

export const sha256 = (bytes: Buffer | string): string => createHash("sha256").update(bytes).digest("hex");

export async function digestOfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: 1024 ** 2 }), hash);
  return hash.digest("hex");
}

/** Writes a file of so many bytes, of which no two MiB are the same, and says its digest. */
export async function writeLarge(path: string, size: number): Promise<string> {
  const block = randomBytes(1024 ** 2);
  const hash = createHash("sha256");
  const file: FileHandle = await open(path, "w");
  for (let position = 0; position < size; position += block.length) {
    block.writeDoubleBE(position);
    const bytes = block.subarray(0, Math.min(block.length, size - position));
    hash.update(bytes);
    await file.write(bytes);
  }
  await file.close();
  return hash.digest("hex");
}

/** Every file in a folder, hidden ones included, by its path within. */
export const filesIn = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => !entry.isDirectory())
        .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
        .toSorted()
    : [];
