import { Consumer, type ConsumerEvent } from "../consume/consumer";
import type { Payload, PayloadIdentity } from "../consume/payload";
import type { ProgressReport } from "../produce/progress";
import type { Waiting } from "../retry";
import { settingsOf } from "./configuration";
import type { ConsumeFlags } from "./consume";
import { execute } from "./execute";
import { EXIT_CODES, UsageError, interruptible } from "./exit";
import { Failures } from "./failures";
import { Folder } from "./folder";
import { linePrinter, printAsJson } from "./print-event";
import { ProgressLine, printable, progressText, waitingText } from "./terminal";

/** Receives payloads until there is a reason to stop. */
export async function runConsume(flags: ConsumeFlags): Promise<void> {
  const { out, exec, json, retryDelay, retryFor } = flags;
  if ((out === undefined) === (exec === undefined)) {
    throw new UsageError("Say where payloads go: --out DIR or --exec COMMAND, and not both.");
  }
  const settings = await settingsOf(flags as Record<string, unknown>, ["apiUrl", "queueUrl"]);
  const folder = out === undefined ? undefined : await Folder.open(out);
  const shown = new Shown();
  // What a command prints is not mixed with what we say.
  const print = json ? printAsJson : linePrinter(exec === undefined ? console.log : console.error);
  const paths = new Map<string, string>();
  // Whoever consumes without an end asks for no exit code, and is told of each failure.
  const failures = flags.max !== undefined || flags.once ? new Failures() : undefined;
  const handler = async (payload: Payload) => {
    shown.begin(payload);
    try {
      if (folder) paths.set(payload.id, await folder.save(payload));
      // Where our own output is read by a program, the command's goes to stderr.
      else await execute(exec ?? "", payload, json ? "stderr" : "stdout");
    } finally {
      shown.end(payload);
    }
  };
  const onEvent = (event: ConsumerEvent) => {
    shown.clear();
    if (event.kind === "failed") failures?.add(event.messageId);
    if (event.kind === "duplicate") failures?.delete(event.messageId);
    if (event.kind === "handled") failures?.delete(event.payload.messageId);
    const path = event.kind === "handled" ? paths.get(event.payload.id) : undefined;
    if (event.kind === "handled") paths.delete(event.payload.id);
    print(event, path);
  };
  const interrupted = interruptible(() => consumer.abort());
  const consumer = new Consumer({
    ...settings,
    handler,
    concurrency: flags.concurrency,
    maxMessages: flags.max,
    stopWhenEmpty: flags.once,
    keep: flags.keep,
    visibilityTimeoutSeconds: flags.visibilityTimeout,
    graceSeconds: flags.grace,
    ...(retryFor !== undefined && { retry: { maxDurationMs: retryFor * 1000 } }),
    ...(retryDelay !== undefined && { retryDelaySeconds: () => retryDelay }),
    onProgress: (payload, report) => shown.progress(payload, report),
    onWait: (waiting) => shown.wait(waiting),
    onReady: () => {
      shown.clear();
      const queue = printable(settings.queueUrl.split("/").at(-1) ?? "");
      if (process.stderr.isTTY) console.error(`Waiting for messages on ${queue}. Ctrl-C stops.`);
    },
    onEvent,
  });
  // A reader that has seen enough ends us, and what we hold goes back to the queue.
  let isRead = true;
  process.stdout.on("error", () => {
    isRead = false;
    void (exec === undefined || json ? consumer.stop() : consumer.abort());
  });
  interrupted.addEventListener("abort", () => {
    shown.clear();
    if (shown.count > 0)
      console.error(
        `Waiting for ${shown.count} ${shown.count === 1 ? "payload" : "payloads"} being handled. Ctrl-C again sends the messages back at once.`,
      );
    void consumer.stop();
  });
  try {
    await consumer.run();
    // Whoever ends it by hand has seen what failed; it comes again, or is a dead letter.
    if (failures?.any && !interrupted.aborted && isRead) process.exitCode = EXIT_CODES.failed;
  } finally {
    shown.clear();
    await folder?.close();
  }
}

/** How far the payloads are that are being handled, by their ids. */
class Shown {
  readonly #line = new ProgressLine();
  readonly #begunAt = new Map<string, number>();

  get count(): number {
    return this.#begunAt.size;
  }

  begin({ id }: PayloadIdentity): void {
    this.#begunAt.set(id, performance.now());
  }

  end({ id }: PayloadIdentity): void {
    this.#begunAt.delete(id);
  }

  /** Shows that nothing is received because the API is out of reach. */
  wait(waiting: Waiting): void {
    this.#line.show(() => waitingText(waiting), performance.now() - waiting.elapsedMs);
  }

  progress({ id, name }: PayloadIdentity, report: ProgressReport): void {
    // Before its handler begins, a payload is shown only where it waits.
    const waitsSince = report.waiting && performance.now() - report.waiting.elapsedMs;
    const begunAt = this.#begunAt.get(id) ?? waitsSince;
    if (begunAt === undefined) return;
    this.#line.show((elapsed) => {
      const others = this.count > 1 ? `  and ${this.count - 1} more` : "";
      return progressText(name, report, elapsed) + others;
    }, begunAt);
  }

  clear(): void {
    this.#line.clear();
  }
}
