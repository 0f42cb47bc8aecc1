import { formatBytes, formatTime } from "../../stacks/format";
import { Consumer, type ConsumerEvent } from "../consume/consumer";
import type { Payload } from "../consume/payload";
import type { ProgressReport } from "../produce/progress";
import { settingsOf } from "./configuration";
import type { ConsumeFlags } from "./consume";
import { execute } from "./execute";
import { EXIT_CODES, UsageError, interruptible } from "./exit";
import { Failures } from "./failures";
import { Folder } from "./folder";
import { ProgressLine, printJson, printable, progressText } from "./terminal";

/** Receives payloads until there is a reason to stop. */
export async function runConsume(flags: ConsumeFlags): Promise<void> {
  const { out, exec, json, retryDelay } = flags;
  if ((out === undefined) === (exec === undefined)) {
    throw new UsageError("Say where payloads go: --out DIR or --exec COMMAND, and not both.");
  }
  const settings = await settingsOf(flags as Record<string, unknown>, ["apiUrl", "queueUrl"]);
  const folder = out === undefined ? undefined : await Folder.open(out);
  const shown = new Shown();
  const paths = new Map<string, string>();
  // Whoever consumes without an end asks for no exit code, and is told of each failure.
  const failures = flags.max !== undefined || flags.once ? new Failures() : undefined;
  const handler = async (payload: Payload) => {
    shown.begin(payload.name);
    try {
      if (folder) paths.set(payload.id, await folder.save(payload));
      // Where our own output is read by a program, the command's goes to stderr.
      else await execute(exec ?? "", payload, json ? "stderr" : "stdout");
    } finally {
      shown.end(payload.name);
    }
  };
  const onEvent = (event: ConsumerEvent) => {
    shown.clear();
    if (event.kind === "failed") failures?.add(event.messageId);
    if (event.kind === "duplicate") failures?.delete(event.messageId);
    if (event.kind === "handled") failures?.delete(event.payload.messageId);
    const path = event.kind === "handled" ? paths.get(event.payload.id) : undefined;
    if (event.kind === "handled") paths.delete(event.payload.id);
    if (json) printJson(asJson(event, path));
    // What a command prints is not mixed with what we say.
    else tell(event, path, exec === undefined ? console.log : console.error);
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
    ...(retryDelay !== undefined && { retryDelaySeconds: () => retryDelay }),
    onProgress: (name, report) => shown.progress(name, report),
    onEvent,
  });
  // A reader that has seen enough ends us, and what we hold goes back to the queue.
  process.stdout.on("error", () => void consumer.stop());
  interrupted.addEventListener("abort", () => {
    shown.clear();
    if (shown.count > 0)
      console.error(`Waiting for what is being handled: ${shown.count}. Once more, and it ends at once.`);
    void consumer.stop();
  });
  try {
    await consumer.run();
    // Whoever ends it by hand has seen what failed; it comes again, or is a dead letter.
    if (failures?.any && !interrupted.aborted) process.exitCode = EXIT_CODES.failed;
  } finally {
    shown.clear();
    await folder?.close();
  }
}

/** Our words as the API and the other commands write them: message_id. */
const inSnakeCase = (facts: object): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(facts).map(([name, value]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      value,
    ]),
  );

function asJson(event: ConsumerEvent, path: string | undefined): Record<string, unknown> {
  const { kind, ...rest } = event;
  if (event.kind === "handled") {
    const ms = Math.round(event.ms);
    return { event: kind, ...inSnakeCase(event.payload), ...(path !== undefined && { path }), ms };
  }
  if (!("error" in event)) return { event: kind, ...inSnakeCase(rest) };
  const { error, ...others } = rest as typeof event;
  return { event: kind, ...inSnakeCase(others), reason: error.message };
}

function tell(event: ConsumerEvent, path: string | undefined, say: (line: string) => void): void {
  switch (event.kind) {
    case "handled": {
      const { size, name } = event.payload;
      say(
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
        `${what}, received ${event.receiveCount === 1 ? "once" : `${event.receiveCount} times`}: ${printable(event.error.message)} (${then})`,
      );
      break;
    }
    case "trouble":
      console.error(printable(`${event.what} failed: ${event.error.message}`));
      break;
    case "duplicate":
      console.error(`${printable(event.key)} came again, and was handled before.`);
      break;
    case "ignored":
      // S3's test has no key: it comes whenever a notification is set, and says nothing.
      if (event.key !== undefined) console.error(printable(`Ignored: ${event.why} of ${event.key}`));
      break;
  }
}

/** How far the payloads are that are being handled. */
class Shown {
  readonly #line = new ProgressLine();
  readonly #begunAt = new Map<string, number>();
  readonly #reports = new Map<string, ProgressReport>();

  get count(): number {
    return this.#begunAt.size;
  }

  begin(name: string): void {
    this.#begunAt.set(name, performance.now());
  }

  end(name: string): void {
    this.#begunAt.delete(name);
    this.#reports.delete(name);
  }

  progress(name: string, report: ProgressReport): void {
    const begunAt = this.#begunAt.get(name);
    if (begunAt === undefined) return;
    this.#reports.set(name, report);
    this.#line.show((elapsed) => {
      const others = this.count > 1 ? `  and ${this.count - 1} more` : "";
      return progressText(name, report, elapsed) + others;
    }, begunAt);
  }

  clear(): void {
    this.#line.clear();
  }
}
