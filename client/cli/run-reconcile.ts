import { formatBytes } from "../../stacks/format";
import { throwIfAborted } from "../errors";
import { announce, findLeft } from "../reconcile";
import { sqsClient } from "../sqs";
import { settingsOf } from "./configuration";
import { interruptible } from "./exit";
import { s3Client } from "./s3";
import type { ReconcileFlags } from "./reconcile";
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
      printJson({ key, size, modified_at: modifiedAt.toISOString(), announced: Boolean(flags.announce) });
    } else {
      console.log(`${formatBytes(size).padStart(8)}  ${age.padStart(12)}  ${printable(key)}`);
    }
  }
  if (!flags.json) {
    const then = flags.announce ? "announced again" : "not announced: say --announce to do it";
    console.log(
      count === 0
        ? "Nothing is left."
        : `${count} ${count === 1 ? "payload" : "payloads"}, ${formatBytes(bytes)}, ${then}.`,
    );
  }
}
