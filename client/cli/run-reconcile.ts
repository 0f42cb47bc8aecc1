import { S3Client } from "@aws-sdk/client-s3";
import { formatBytes } from "../../stacks/format";
import { announce, findLeft } from "../reconcile";
import { regionOf, sqsClient } from "../sqs";
import { settingsOf } from "./configuration";
import { interruptible } from "./exit";
import { usesPaths } from "./endpoints";
import type { ReconcileFlags } from "./reconcile";
import { formatSeconds, printable } from "./terminal";

export async function runReconcile(flags: ReconcileFlags): Promise<void> {
  const settings = await settingsOf(flags as unknown as Record<string, unknown>, ["bucketName", "queueUrl"]);
  const region = regionOf(settings.queueUrl);
  const options = {
    ...settings,
    s3: new S3Client({ ...(region !== undefined && { region }), forcePathStyle: usesPaths() }),
    sqs: sqsClient(settings.queueUrl),
    olderThanMs: flags.olderThan * 1000,
  };
  const interrupted = interruptible();
  let count = 0;
  let bytes = 0;
  for await (const object of findLeft(options)) {
    if (interrupted.signal.aborted) break;
    if (flags.announce) await announce(options, object);
    count += 1;
    bytes += object.size;
    const { key, size, modifiedAt } = object;
    const age = formatSeconds((Date.now() - modifiedAt.getTime()) / 1000);
    if (flags.json) {
      console.log(
        JSON.stringify({
          key,
          size,
          modified_at: modifiedAt.toISOString(),
          announced: Boolean(flags.announce),
        }),
      );
    } else {
      console.log(`${formatBytes(size).padStart(8)}  ${age.padStart(12)}  ${printable(key)}`);
    }
  }
  if (!flags.json) {
    const then = flags.announce ? "announced again" : "not announced: say --announce to do it";
    console.log(count === 0 ? "Nothing is left." : `${count} payloads, ${formatBytes(bytes)}, ${then}.`);
  }
  process.exitCode = interrupted.code();
}
