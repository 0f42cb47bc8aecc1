import { createHash } from "node:crypto";
import { type EventEmitter, once } from "node:events";
import { createReadStream, statSync } from "node:fs";
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { basename } from "node:path";
import { SQSClient } from "@aws-sdk/client-sqs";
import { contentType } from "mime-types";
import type { SignedUrl } from "../client/api";
import { Consumer } from "../client/consume/consumer";
import { Producer } from "../client/produce/producer";
import type { ProgressReport } from "../client/produce/progress";
import { formatBytes, formatTime } from "../stacks/format";
import { CREDENTIALS, type Chain, type ChainEvents, DEMO_CREDENTIALS } from "./chain";
import type { Received } from "./sqs/sqs";
import { keysOf } from "./announced-keys";
import type { GatewayStep } from "./api-gateway/gateway";

/** Shows what happens. */
export interface Reporter {
  readonly line: (text: string) => void;
  /** How far a transfer is. */
  readonly progress: (what: string, report: ProgressReport) => void;
}

/** Numbers the twelve steps, and times each from the one before. */
class Steps {
  #number = 0;
  #last = performance.now();
  readonly #begun = this.#last;

  constructor(private readonly reporter: Reporter) {}

  show(way: string, what: string): void {
    const now = performance.now();
    const took = formatTime(now - this.#last).padStart(7);
    this.#last = now;
    this.#number += 1;
    this.reporter.line(`${String(this.#number).padStart(3)}  ${took}  ${way.padEnd(24)}  ${what}`);
  }

  get elapsed(): number {
    return performance.now() - this.#begun;
  }
}

/**
 * Sends a file through the chain as a producer and fetches it as a consumer, and shows the twelve steps as they
 * happen.
 *
 * @returns whether its own consumer has received it; false where another consumer was faster
 * @throws Error where a step fails, or the file arrives with another SHA-256
 */
export async function deliver(
  chain: Chain,
  path: string,
  reporter: Reporter,
  signal?: AbortSignal,
): Promise<boolean> {
  const { size } = statSync(path);
  const digest = await digestOf(createReadStream(path), (bytes) =>
    reporter.progress("hashing", { bytes, totalBytes: size }),
  );
  reporter.line(`${basename(path)}, ${formatBytes(size)}, SHA-256 ${digest}`);
  const steps = new Steps(reporter);
  const announced = watch(chain, "announced", ({ key, eventName }, message) => [
    [key, { eventName, message }],
  ]);
  // Where the stack has a consumer of its own, that one gets the message.
  const consumed =
    chain.stack.eventSources.length > 0
      ? watch(chain, "consumed", (batch) => batch.bodies.flatMap(keysOf).map((key) => [key, batch]))
      : undefined;
  const key = await produce(chain, path, steps, reporter, signal);
  const { eventName, message } = await announced.of(key);
  steps.show("S3 → SQS", `s3:${eventName}, a message of ${formatBytes(Buffer.byteLength(message))}`);

  if (consumed) {
    const { functionArn, failed } = await consumed.of(key);
    if (failed.some((body) => keysOf(body).includes(key)))
      throw new Error(`${functionArn} failed, and gets the message again.`);
    steps.show(
      "SQS → consumer",
      `the stack's own: ${functionArn.split(":").at(-1)} is done with the message`,
    );
    reporter.line(`Delivered in ${formatTime(steps.elapsed)}.`);
    return true;
  }
  if (!(await consume(chain, { key, digest }, steps, reporter, signal))) {
    reporter.line("Another consumer has received the message, and has it now.");
    return false;
  }
  reporter.line(`Delivered in ${formatTime(steps.elapsed)}. The message and its payload are deleted.`);
  return true;
}

/** Connections on this machine: a proxy of the environment cannot reach it. */
const DIRECT = { http: new HttpAgent({ keepAlive: true }), https: new HttpsAgent() };

/** What a client of a stage may need: the first API key, and credentials where the stage wants a signature. */
const clientOptions = ({ apiUrl, stack: { region, api } }: Chain) => ({
  apiUrl,
  region,
  apiKey: api.usagePlan?.apiKeys[0]?.value,
  credentials: () => Promise.resolve(CREDENTIALS),
  connections: DIRECT,
});

/** Steps 1 to 7. Never in the message itself, however small: what is to be seen is the whole way. */
async function produce(
  chain: Chain,
  path: string,
  steps: Steps,
  reporter: Reporter,
  signal: AbortSignal | undefined,
): Promise<string> {
  const producer = new Producer({ ...clientOptions(chain), inlineThresholdBytes: 0 });
  const unwatch = watchFirst(chain, ["putObject", "createMultipartUpload"], {
    received: ({ method, path: asked, body }) =>
      steps.show(
        "producer → API Gateway",
        `${method} ${asked}, ${formatBytes(Buffer.byteLength(body))} of JSON`,
      ),
    invoked: ({ arn }) => steps.show("API Gateway → Lambda", `a proxy event for ${arn.split(":").at(-1)}`),
    answered: ({ statusCode, bytes }) => {
      steps.show("Lambda", "checks the request, makes a key, signs the URL");
      steps.show("Lambda → API Gateway", `${statusCode}, ${formatBytes(bytes)} of JSON`);
    },
    "passed-on": ({ body }) => {
      steps.show("API Gateway", "checks the answer's form and passes it on");
      steps.show("API Gateway → producer", describeUrl(body));
    },
  });
  try {
    const { key, size, parts } = await producer.produce(path, {
      contentType: typeOf(path),
      signal,
      onProgress: (report) => reporter.progress("putting", report),
    });
    const how = parts > 1 ? `PUT ${formatBytes(size)} in ${parts} parts` : `PUT ${formatBytes(size)}`;
    steps.show("producer → S3", `${how} to ${short(key)}`);
    return key;
  } finally {
    unwatch();
    producer.close();
  }
}

/**
 * Steps 9 to 12. What else is in the queue is left to others.
 *
 * @returns false where another consumer receives the message first
 */
async function consume(
  chain: Chain,
  { key: wanted, digest }: { readonly key: string; readonly digest: string },
  steps: Steps,
  reporter: Reporter,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const { apiUrl, queueUrl, sqsEndpoint: endpoint, stack } = chain;
  const { region } = stack;
  const sqs = new SQSClient({ endpoint, region, credentials: DEMO_CREDENTIALS });
  let arrived = false;
  let taken = false;
  let trouble: Error | undefined;
  let unwatch = () => undefined as unknown;
  const consumer = new Consumer({
    apiUrl,
    queueUrl,
    region,
    sqs,
    connections: DIRECT,
    retryDelaySeconds: () => 0,
    // Its first request is a check of the API.
    onReady: () => {
      unwatch = watchFirst(chain, ["getObject", "headObject"], {
        received: ({ method, path }) => {
          steps.show("SQS → consumer", `the message, which names ${short(wanted)}`);
          steps.show("consumer → API Gateway", `${method} ${path} with that key`);
        },
        "passed-on": ({ body }) => steps.show("API Gateway → consumer", describeUrl(body)),
      });
    },
    handler: async ({ key, size, body }) => {
      if (key !== wanted) throw new Error(`${key} is for somebody else.`);
      const is = await digestOf(body, (bytes) => reporter.progress("getting", { bytes, totalBytes: size }));
      if (is !== digest) throw new Error(`${key} arrived with another SHA-256: ${is}, not ${digest}.`);
      arrived = true;
      steps.show("S3 → consumer", `GET ${formatBytes(size)}, SHA-256 equal`);
    },
    onEvent: (event) => {
      if (event.kind === "trouble" || (event.kind === "failed" && event.key === wanted))
        trouble = event.error;
      // It is waited for: the message is deleted, and then its payload.
      if (arrived || trouble) void consumer.stop();
    },
  });
  const watchOthers = ({ accessKeyId, bodies }: Received) => {
    if (accessKeyId === DEMO_CREDENTIALS.accessKeyId || !bodies.flatMap(keysOf).includes(wanted)) return;
    taken = true;
    void consumer.stop();
  };
  chain.events.on("received", watchOthers);
  const abort = () => void consumer.abort();
  signal?.addEventListener("abort", abort);
  try {
    await consumer.run();
  } finally {
    chain.events.off("received", watchOthers);
    signal?.removeEventListener("abort", abort);
    unwatch();
    sqs.destroy();
  }
  if (trouble) throw trouble;
  return !taken;
}

/** The media type of a file, by its name. */
export const typeOf = (path: string): string =>
  contentType(/\./.test(basename(path)) ? basename(path) : `${basename(path)}.txt`) ||
  "application/octet-stream";

/** The SHA-256 of what passes, in base64. */
async function digestOf(chunks: AsyncIterable<Buffer>, onProgress: (bytes: number) => void): Promise<string> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of chunks) {
    hash.update(chunk);
    bytes += chunk.length;
    onProgress(bytes);
  }
  return hash.digest("base64");
}

/** Of an answer that holds a URL. */
function describeUrl(answer: string): string {
  const { url, expires_at } = JSON.parse(answer) as SignedUrl;
  return `a URL of ${url.length} characters, good until ${expires_at}`;
}

/** input/6f…/cat.jpg */
const short = (key: string) => key.replace(/^([^/]+\/..)[^/]*/, "$1…");

type StepOf<Kind> = Extract<GatewayStep, { kind: Kind }>;
type Watchers = { readonly [Kind in GatewayStep["kind"]]?: (step: StepOf<Kind>) => void };

/**
 * Shows what only the gateway sees of the first request for one of these actions.
 *
 * @returns a function that ends it
 */
function watchFirst(chain: Chain, actions: readonly string[], watchers: Watchers): () => void {
  let phase: "before" | "first" | "after" = "before";
  const show = (step: GatewayStep) => {
    if (step.kind === "received" && (phase === "first" || isFor(step.path))) {
      phase = phase === "before" ? "first" : "after";
    }
    if (phase === "first") (watchers[step.kind] as ((step: GatewayStep) => void) | undefined)?.(step);
  };
  const isFor = (path: string) => actions.some((action) => path.endsWith(`/${action}`));
  chain.events.on("gateway", show);
  return () => chain.events.off("gateway", show);
}

/** Collects what an event tells of keys, from now on. */
function watch<Name extends "announced" | "consumed", T>(
  { events }: Chain,
  name: Name,
  tells: (...event: ChainEvents[Name]) => readonly (readonly [key: string, told: T])[],
): { of: (key: string) => Promise<T> } {
  const told = new Map<string, T>();
  const listener = (...event: unknown[]) => {
    for (const [key, value] of tells(...(event as ChainEvents[Name]))) told.set(key, value);
  };
  const emitter: EventEmitter = events;
  emitter.on(name, listener);
  return {
    of: async (key) => {
      while (!told.has(key)) await once(emitter, name);
      emitter.off(name, listener);
      return told.get(key) as T;
    },
  };
}
