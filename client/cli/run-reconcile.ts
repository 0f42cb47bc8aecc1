import { formatBytes } from "../../stacks/format";
import { throwIfAborted } from "../errors";
import { type WaitingMessages, announce, countWaiting, findLeft } from "../reconcile";
import { sqsClient } from "../sqs";
import { settingsOf } from "./configuration";
import { interruptible } from "./exit";
import { s3Client } from "./s3";
import type { ReconcileFlags } from "./reconcile";
import { sentenceOf } from "./sentence";
import { formatSeconds, printJson, printable } from "./terminal";

/** Consumers that were down for a night are no reason to announce anything. */
const DEFAULT_AGE_SECONDS = 86_400;

export async function runReconcile(flags: ReconcileFlags): Promise<void> {
  const settings = await settingsOf(flags as Record<string, unknown>, ["bucketName", "queueUrl"]);
  const options = {
    ...settings,
    s3: s3Client(settings.queueUrl),
    sqs: sqsClient(settings.queueUrl),
    olderThanMs: (flags.olderThan ?? DEFAULT_AGE_SECONDS) * 1000,
  };
  const interrupted = interruptible();
  // Before any is announced: those messages would count, too.
  const waiting = await countWaiting(options).catch((error: unknown) => error as Error);
  let count = 0;
  let bytes = 0;
  for await (const object of findLeft(options)) {
    throwIfAborted(interrupted);
    if (flags.announce) await announce(options, object);
    count += 1;
    bytes += object.size;
    const { key, size, modifiedAt } = object;
    const age = formatSeconds((Date.now() - modifiedAt.getTime()) / 1000);
    if (flags.json) {
      const facts = { key, size, modified_at: modifiedAt.toISOString() };
      printJson({ ...facts, waiting: isEmpty(waiting) ? false : null, announced: Boolean(flags.announce) });
    } else {
      console.log(`${formatBytes(size).padStart(8)}  ${age.padStart(12)}  ${printable(key)}`);
    }
  }
  if (flags.json) return;
  if (count === 0) {
    console.log("Nothing is left.");
    return;
  }
  const then = flags.announce ? "announced again" : "not announced: say --announce to do it";
  console.log(`${count} ${count === 1 ? "payload" : "payloads"}, ${formatBytes(bytes)}, ${then}.`);
  console.log(printable(sentenceOn(waiting, count, Boolean(flags.announce))));
}

/** Whether no message can name a payload. */
const isEmpty = (waiting: WaitingMessages | Error): boolean =>
  !(waiting instanceof Error) && waiting.queued + (waiting.deadLetters ?? NaN) === 0;

/** Says how many of the payloads that were listed may have a message, as far as that can be told. */
function sentenceOn(waiting: WaitingMessages | Error, listed: number, isAnnounced: boolean): string {
  if (waiting instanceof Error) {
    return `Whether they have messages cannot be told: ${sentenceOf(waiting) ?? waiting.message}`;
  }
  const { queued, inFlight, deadLetters } = waiting;
  if (isEmpty(waiting)) return "None has a message: the queue and its dead-letter queue are empty.";
  const messages = queued === 1 ? "1 message" : `${queued} messages`;
  const dead = deadLetters === undefined ? "an unknown number" : String(deadLetters);
  const without = listed - queued - (deadLetters ?? Infinity);
  return [
    `The queue has ${messages} (${inFlight} in flight), its dead-letter queue ${dead}: which payloads they name, only a receive would tell.`,
    ...(isAnnounced ? ["A payload that they name comes twice now."] : []),
    ...(without > 0 ? [`At least ${without} have none.`] : []),
  ].join(" ");
}
