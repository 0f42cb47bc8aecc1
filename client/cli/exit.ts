import { TweedleError } from "../errors";

/** What a command ends with, as its help says. */
export const EXIT_CODES = {
  /** Something was not delivered. */
  failed: 1,
  /** A mistake in the options or the arguments. */
  usage: 2,
} as const;

/** What a shell says of a process that a signal has ended. */
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

export const EXIT_HELP = `
Exit codes:
  0    all was done
  1    something failed: what it was stands on stderr, or in the lines of --json
  2    a mistake in the options or the arguments
  130  interrupted (Ctrl-C), 143 terminated, 129 hung up, before all was done`;

let asked: number | undefined;

/**
 * Turns the first signal that asks for an end into an abort; the second one ends the process.
 *
 * @param lastly what to wait for before that, unless a third signal comes. It has to be short. @default nothing
 */
export function interruptible(lastly?: () => Promise<void>): AbortSignal {
  const controller = new AbortController();
  let isEnding = false;
  for (const [name, status] of Object.entries(SIGNALS)) {
    // oxlint-disable-next-line unicorn/no-process-exit -- Asked twice.
    const end = () => process.exit(status);
    process.on(name, () => {
      if (asked === undefined) {
        asked = status;
        controller.abort();
      } else if (lastly && !isEnding) {
        isEnding = true;
        void lastly().finally(end);
      } else end();
    });
  }
  return controller.signal;
}

/** What to end with after an interruption. */
export const codeOfInterruption = (): number => asked ?? EXIT_CODES.failed;

/** A mistake in the options or the arguments of a command. Its message is one line that says what to change. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Gives the exit code after a failure. */
export function codeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT_CODES.usage;
  const isInterruption = error instanceof TweedleError && error.code === "Interrupted";
  return isInterruption ? codeOfInterruption() : EXIT_CODES.failed;
}

const tasks = new Set<() => void>();
process.once("exit", () => {
  for (const task of tasks) task();
});

/**
 * Runs something if the process ends before the returned function is called, however that comes about. It cannot wait
 * for anything.
 */
export function atExit(task: () => void): () => void {
  tasks.add(task);
  return () => void tasks.delete(task);
}
