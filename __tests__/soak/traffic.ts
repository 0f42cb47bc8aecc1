import { createHash, randomBytes, randomInt } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ProgressLine } from "../../client/cli/terminal";
import { withWorkers } from "../../client/produce/pool";
import { Producer } from "../../client/produce/producer";
import { type Fault, type FaultProxy, INTERNAL, SLOW_DOWN } from "../client/fault-proxy";
import { type Run, type commandTools, digestOfFile, eventually, filesIn, linesOf } from "../command/tools";

type Tools = ReturnType<typeof commandTools>;

const KIB = 1024;
const MIB = 1024 ** 2;

/** What may be answered, or not, in place of what was asked for, by service. */
const FAULTS: Readonly<Record<"s3" | "sqs", readonly Fault[]>> = {
  s3: [SLOW_DOWN, INTERNAL, "reset", "lost answer"],
  sqs: [{ status: 503, code: "ServiceUnavailable" }, { status: 500 }, "reset", "lost answer"],
};
const STEPS: Readonly<Record<keyof typeof FAULTS, readonly string[]>> = {
  s3: ["PUT", "PUT part", "POST create", "POST complete", "GET", "GET range", "DELETE"],
  sqs: ["SQS ReceiveMessage", "SQS DeleteMessage", "SQS ChangeMessageVisibility", "SQS GetQueueAttributes"],
};

/** Messages a second: an hour's worth in four minutes, and below the 50 that a method of dev takes. */
const RATE = 40;

export interface TrafficOptions {
  readonly messages: number;
  /** Consumers that are there at any time. */
  readonly consumers: number;
  /** The part of S3's and SQS's answers that are errors, from 0 to 1. */
  readonly faults: number;
}

/** What came of it. */
export interface Traffic {
  readonly sent: number;
  readonly sentBytes: number;
  /** By how they went. */
  readonly ways: Readonly<Record<string, number>>;
  /** Payloads that consumers have under their keys, as they were sent. */
  readonly delivered: number;
  /** Payloads that are not there, or not whole, and files that nobody sent. */
  readonly lost: number;
  /** Times that a payload was handled once more. */
  readonly duplicates: number;
  readonly killed: number;
  /** Messages that kills and errors made dead letters, and that were sent back. */
  readonly redriven: number;
  /** Payloads whose message was done when its consumer was killed: `tweedle reconcile` finds them. */
  readonly kept: number;
  /** Errors in place of answers, by service. */
  readonly faults: Readonly<Record<string, number>>;
  readonly requests: Readonly<Record<string, number>>;
  readonly seconds: number;
}

/** Most travel in their messages, 15 of 100 in one request, and a few in parts. */
function sizeOf(index: number): number {
  if (index % 400 === 3) return randomInt(12 * MIB, 24 * MIB);
  return index % 20 < 3 ? randomInt(257 * KIB, MIB) : randomInt(0, 64 * KIB);
}

/**
 * Sends messages while S3 and SQS answer some of all requests with errors, and consumers are killed at random moments
 * and others take their places, until all has been delivered.
 */
export async function traffic(
  { folder, chain, tweedle }: Tools,
  proxy: FaultProxy,
  { messages, consumers, faults }: TrafficOptions,
): Promise<Traffic> {
  const begunAt = performance.now();
  const out = join(folder, "out");
  const shown = new ProgressLine();
  injectAtRandom(proxy, faults);

  const sent = new Map<string, string>();
  const ways: Record<string, number> = {};
  let sentBytes = 0;
  const producer = new Producer({
    apiUrl: chain().apiUrl,
    connections: proxy.connections,
    multipartThresholdBytes: 8 * MIB,
    partSizeBytes: 5 * MIB,
  });
  const sending = withWorkers(12, Array(messages).keys(), async (index) => {
    await sleep(begunAt + (index * 1000) / RATE - performance.now());
    const bytes = randomBytes(sizeOf(index));
    const { key, via } = await producer.produce(bytes, { name: `${index}.bin` });
    sent.set(key, createHash("sha256").update(bytes).digest("hex"));
    ways[via] = (ways[via] ?? 0) + 1;
    sentBytes += bytes.length;
    shown.show(() => `${sent.size} of ${messages} sent`, begunAt);
  }).finally(() => producer.close());

  let handled = 0;
  const keys = new Set<string>();
  const consume = () =>
    tweedle(
      [
        "consume",
        "--out",
        out,
        "--concurrency",
        "8",
        "--visibility-timeout",
        "5s",
        "--retry-delay",
        "0s",
        "--json",
      ],
      { env: { NODE_OPTIONS: proxy.nodeOptions } },
    );
  const note = (stdout: string) => {
    // The last line may be cut.
    for (const { event, key } of linesOf(stdout.slice(0, stdout.lastIndexOf("\n") + 1))) {
      if (event !== "handled") continue;
      handled += 1;
      keys.add(key);
    }
  };
  const running: Run[] = Array.from({ length: consumers }, consume);
  const allSent = new AbortController();
  let [killed, redriven] = [0, 0];
  const killing = (async () => {
    while (!allSent.signal.aborted) {
      await sleep(randomInt(500, 3000));
      const [{ child, ended } = consume()] = running.splice(randomInt(running.length), 1, consume());
      child.kill("SIGKILL");
      note((await ended).stdout);
      killed += 1;
    }
  })();
  await sending.finally(() => allSent.abort());
  await killing;

  const { queueUrl, deadLetterQueueUrl, count } = chain();
  await eventually(async () => {
    const [waiting, dead] = [await count(queueUrl), await count(deadLetterQueueUrl)];
    shown.show(() => `${waiting} waiting, ${dead} dead`, begunAt);
    if (dead > 0 && waiting === 0) redriven += await redrive(tweedle);
    return waiting + dead === 0;
  }, 300);
  for (const { child } of running) child.kill("SIGTERM");
  for (const { code, stdout, stderr } of await Promise.all(running.map(({ ended }) => ended))) {
    if (code !== 0) throw new Error(`A consumer ended with ${code}: ${stderr}`);
    note(stdout);
  }
  shown.clear();
  const seconds = Math.round((performance.now() - begunAt) / 1000);

  let delivered = 0;
  for (const [key, digest] of sent) {
    const path = join(out, key.slice("input/".length));
    if (existsSync(path) && (await digestOfFile(path)) === digest) delivered += 1;
  }
  const services = Object.entries(STEPS).map(([service, steps]) => {
    const passed = proxy.passed.filter(({ step }) => steps.includes(step));
    return [service, passed.length, passed.filter(({ fault }) => fault !== undefined).length] as const;
  });
  return {
    sent: sent.size,
    sentBytes,
    ways,
    delivered,
    lost: sent.size - delivered + (filesIn(out).length - delivered),
    duplicates: handled - keys.size,
    killed,
    redriven,
    kept: chain().keys().length,
    faults: Object.fromEntries(services.map(([service, , faulty]) => [service, faulty])),
    requests: Object.fromEntries(services.map(([service, all]) => [service, all])),
    seconds,
  };
}

/** Each kind of fault as often as the others of its service. */
function injectAtRandom(proxy: FaultProxy, share: number): void {
  for (const service of ["s3", "sqs"] as const) {
    const faults = FAULTS[service];
    for (const step of STEPS[service]) {
      for (const [index, fault] of faults.entries()) {
        // Each is asked only where those before it have said no.
        const each = share / faults.length;
        const chance = each / (1 - index * each);
        proxy.inject(step, fault, Infinity, () => Math.random() < chance);
      }
    }
  }
}

async function redrive(tweedle: Tools["tweedle"]): Promise<number> {
  const { code, stdout, stderr } = await tweedle(["dlq", "redrive", "--all", "--json"]).ended;
  if (code !== 0) throw new Error(stderr);
  return (JSON.parse(stdout) as { redriven: number }).redriven;
}
