import { formatBytes, formatTime } from "../../stacks/format";
import { Consumer, type ConsumerEvent } from "../consume/consumer";
import type { Payload } from "../consume/payload";
import { TweedleError } from "../errors";
import { settingsOf } from "./configuration";
import type { ConsumeFlags } from "./consume";
import { execute } from "./execute";
import { EXIT_CODES, interruptible } from "./exit";
import { Folder } from "./folder";
import { ProgressLine, printable } from "./terminal";

/** Receives payloads until there is a reason to stop. */
export async function runConsume(flags: ConsumeFlags): Promise<void> {
  const { out, exec, json } = flags;
  if ((out === undefined) === (exec === undefined)) {
    throw new TweedleError("Invalid", "Say where payloads go: --out DIR, or --exec COMMAND.");
  }
  const settings = await settingsOf(flags as Record<string, unknown>, ["apiUrl", "queueUrl"]);
  const line = new ProgressLine();
  const folder = out === undefined ? undefined : await Folder.open(out);
  const paths = new Map<string, string>();
  const handler = async (payload: Payload) => {
    if (folder) paths.set(payload.id, await folder.save(payload));
    // Where our own output is read by a program, the command's goes to stderr.
    else await execute(exec ?? "", payload, json ? "stderr" : "stdout");
  };
  const interrupted = interruptible();
  const consumer = new Consumer({
    ...settings,
    handler,
    concurrency: flags.concurrency,
    maxMessages: flags.max,
    stopWhenEmpty: flags.once,
    keep: flags.keep,
    visibilityTimeoutSeconds: flags.visibilityTimeout,
    graceSeconds: flags.grace,
    ...(flags.retryDelay !== undefined && { retryDelaySeconds: () => flags.retryDelay ?? 0 }),
    onProgress: (name, report) => line.show(printable(name), report),
    onEvent: (event) => {
      line.clear();
      if (event.kind === "failed") process.exitCode = EXIT_CODES.failed;
      const path = event.kind === "handled" ? paths.get(event.payload.id) : undefined;
      if (event.kind === "handled") paths.delete(event.payload.id);
      if (json) console.log(JSON.stringify(asJson(event, path)));
      else tell(event, path);
    },
  });
  // A reader that has seen enough ends us, and what we hold goes back to the queue.
  process.stdout.on("error", () => void consumer.stop());
  interrupted.signal.addEventListener("abort", () => void consumer.stop());
  try {
    await consumer.run();
  } finally {
    line.clear();
    await folder?.close();
  }
}

function asJson(event: ConsumerEvent, path: string | undefined): Record<string, unknown> {
  const { kind, ...rest } = event;
  if (event.kind === "handled")
    return { event: kind, ...event.payload, ...(path !== undefined && { path }), ms: Math.round(event.ms) };
  if (!("error" in event)) return { event: kind, ...rest };
  const { error, ...others } = rest as typeof event;
  return { event: kind, ...others, reason: error.message };
}

function tell(event: ConsumerEvent, path: string | undefined): void {
  switch (event.kind) {
    case "handled": {
      const { size, name } = event.payload;
      console.log(
        `${formatBytes(size).padStart(8)}  ${formatTime(event.ms).padStart(7)}  ${printable(path ?? name)}`,
      );
      break;
    }
    case "failed": {
      const what = printable(event.key ?? `The message ${event.messageId}`);
      const then = event.permanent
        ? "it becomes a dead letter"
        : `it comes again in ${Math.round(event.retryAfterSeconds)} s`;
      console.error(
        `${what}, received ${event.receiveCount} times: ${printable(event.error.message)} (${then})`,
      );
      break;
    }
    case "trouble":
      console.error(`${event.what} failed: ${event.error.message}`);
      break;
    case "duplicate":
      console.error(`${printable(event.key)} came again, and was handled before.`);
      break;
    case "ignored":
      break;
  }
}
