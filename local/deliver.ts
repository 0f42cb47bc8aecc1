import { type EventEmitter, once } from "node:events";
import { statSync } from "node:fs";
import { basename } from "node:path";
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  type Message,
  ReceiveMessageCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { LIMITS } from "../functions/sign-url/limits";
import { formatBytes, formatTime } from "../stacks/format";
import { CREDENTIALS, type Chain, type ChainEvents } from "./chain";
import type { GatewayStep } from "./api-gateway/gateway";
import { StartError } from "./server";
import { signedHeaders } from "./sign";
import { digestFile, digestUrl, putFile } from "./transfer";

/** Shows what happens. */
export interface Reporter {
  readonly line: (text: string) => void;
  /** How much of a transfer is done, from 0 to 1. */
  readonly progress: (text: string, done: number) => void;
}

interface SignedUrl {
  readonly object_key: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly expires_at: string;
}

const WAIT_SECONDS = 20;

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
 * @throws Error where a step fails, or the file arrives with another SHA-256
 */
export async function deliver(chain: Chain, path: string, reporter: Reporter): Promise<void> {
  const { size } = statSync(path);
  if (size > LIMITS.putBytes) {
    throw new StartError(
      `${path} has ${formatBytes(size)}: one PUT takes up to ${formatBytes(LIMITS.putBytes)}, more goes up in parts.`,
    );
  }
  const digest = await digestFile(path, (bytes) => reporter.progress("hashing", bytes / size));
  reporter.line(`${basename(path)}, ${formatBytes(size)}, SHA-256 ${digest}`);
  const steps = new Steps(reporter);
  const announced = watch(chain, "announced", ({ key }, message) => [[key, message]]);
  // Where the stack has a consumer of its own, that one gets the message.
  const consumed =
    chain.stack.eventSources.length > 0
      ? watch(chain, "consumed", (batch) => batch.bodies.flatMap(keysOf).map((key) => [key, batch]))
      : undefined;
  const put = await watching(chain, producerSteps(steps), () =>
    ask(chain, "putObject", {
      object_key: basename(path),
      content_length: size,
      checksum_sha256: digest,
      if_none_match: "*",
    }),
  );
  steps.show("API Gateway → producer", `a URL of ${put.url.length} characters, good until ${put.expires_at}`);
  await putFile(put.url, put.headers, path, (bytes) => reporter.progress("putting", bytes / size));
  steps.show("producer → S3", `PUT ${formatBytes(size)} to ${short(put.object_key)}`);
  const message = await announced.of(put.object_key);
  steps.show("S3 → SQS", `s3:ObjectCreated:Put, a message of ${formatBytes(Buffer.byteLength(message))}`);

  if (consumed) {
    const { functionArn, failed } = await consumed.of(put.object_key);
    if (failed.some((body) => keysOf(body).includes(put.object_key)))
      throw new Error(`${functionArn} failed, and gets the message again.`);
    steps.show(
      "SQS → consumer",
      `the stack's own: ${functionArn.split(":").at(-1)} is done with the message`,
    );
    reporter.line(`Delivered in ${formatTime(steps.elapsed)}.`);
    return;
  }
  const sqs = new SQSClient({
    endpoint: chain.sqsEndpoint,
    region: chain.stack.region,
    credentials: CREDENTIALS,
  });
  try {
    const [received, key] = await receive(sqs, chain.queueUrl, put.object_key);
    steps.show("SQS → consumer", `the message, which names ${short(key)}`);
    const get = await watching(chain, consumerSteps(steps), () =>
      ask(chain, "getObject", { object_key: key }),
    );
    steps.show(
      "API Gateway → consumer",
      `a URL of ${get.url.length} characters, good until ${get.expires_at}`,
    );
    const fetched = await digestUrl(get.url, (bytes) => reporter.progress("getting", bytes / size));
    if (fetched !== digest)
      throw new Error(`${path} arrived with another SHA-256: ${fetched}, not ${digest}.`);
    steps.show("S3 → consumer", `GET ${formatBytes(size)}, SHA-256 equal`);

    // The order that loses nothing: the work is done, then the message goes, then its payload.
    await sqs.send(
      new DeleteMessageCommand({ QueueUrl: chain.queueUrl, ReceiptHandle: received.ReceiptHandle }),
    );
    const { url } = await ask(chain, "deleteObject", { object_key: key });
    const deleted = await fetch(url, { method: "DELETE" });
    if (!deleted.ok)
      throw new Error(`The payload was not deleted: ${deleted.status} ${await deleted.text()}`);
    reporter.line(`Delivered in ${formatTime(steps.elapsed)}. The message and its payload are deleted.`);
  } finally {
    sqs.destroy();
  }
}

/** input/6f…/cat.jpg */
const short = (key: string) => key.replace(/^([^/]+\/..)[^/]*/, "$1…");

type StepOf<Kind> = Extract<GatewayStep, { kind: Kind }>;
type Watchers = { readonly [Kind in GatewayStep["kind"]]?: (step: StepOf<Kind>) => void };

/** Shows what only the gateway sees while a request is under way. */
async function watching<T>(chain: Chain, watchers: Watchers, work: () => Promise<T>): Promise<T> {
  const show = (step: GatewayStep) =>
    (watchers[step.kind] as ((step: GatewayStep) => void) | undefined)?.(step);
  chain.events.on("gateway", show);
  try {
    return await work();
  } finally {
    chain.events.off("gateway", show);
  }
}

/** Steps 1 to 5. */
const producerSteps = (steps: Steps): Watchers => ({
  received: ({ method, path, body }) =>
    steps.show(
      "producer → API Gateway",
      `${method} ${path}, ${formatBytes(Buffer.byteLength(body))} of JSON`,
    ),
  invoked: ({ arn }) => steps.show("API Gateway → Lambda", `a proxy event for ${arn.split(":").at(-1)}`),
  answered: ({ statusCode, bytes }) => {
    steps.show("Lambda", "checks the request, makes a key, signs the PUT");
    steps.show("Lambda → API Gateway", `${statusCode}, ${formatBytes(bytes)} of JSON`);
  },
  "passed-on": () => steps.show("API Gateway", "checks the answer's form and passes it on"),
});

/** Step 10. */
const consumerSteps = (steps: Steps): Watchers => ({
  received: ({ method, path }) => steps.show("consumer → API Gateway", `${method} ${path} with that key`),
});

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

/** Whether a stage's API wants requests for an action signed. */
export const wantsSignature = ({ stack }: Chain, action: string): boolean =>
  Boolean(stack.api.definition.paths[`/${action}`]?.["post"]?.security?.length);

async function ask(chain: Chain, action: string, fields: object): Promise<SignedUrl> {
  const url = new URL(`${chain.apiUrl}/${action}`);
  const body = JSON.stringify(fields);
  const headers = wantsSignature(chain, action)
    ? await signedHeaders(url, body, chain.stack.region, CREDENTIALS)
    : {};
  const response = await fetch(url, { method: "POST", body, headers });
  const answer = (await response.json()) as SignedUrl & { error?: { message: string } };
  if (!response.ok)
    throw new Error(`${action} was refused with ${response.status}: ${answer.error?.message}`);
  return answer;
}

/** The keys that a message announces. */
function keysOf(body: string): string[] {
  let message: { Records?: { s3: { object: { key: string } } }[] };
  try {
    message = JSON.parse(body) as typeof message;
  } catch {
    return [];
  }
  return (message.Records ?? []).map(({ s3 }) => decodeURIComponent(s3.object.key.replaceAll("+", " ")));
}

/** Polls until the message that names a key is there. What else is in the queue is left to others. */
async function receive(sqs: SQSClient, queueUrl: string, wanted: string): Promise<[Message, key: string]> {
  for (;;) {
    const { Messages: messages } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl: queueUrl, WaitTimeSeconds: WAIT_SECONDS }),
    );
    if (!messages) throw new Error(`The queue stayed empty for ${WAIT_SECONDS} s.`);
    for (const message of messages) {
      const receipt = { QueueUrl: queueUrl, ReceiptHandle: message.ReceiptHandle };
      if (keysOf(message.Body ?? "").includes(wanted)) return [message, wanted];
      // S3's own test names no object.
      if (message.Body?.includes('"s3:TestEvent"')) await sqs.send(new DeleteMessageCommand(receipt));
      else await sqs.send(new ChangeMessageVisibilityCommand({ ...receipt, VisibilityTimeout: 0 }));
    }
  }
}
