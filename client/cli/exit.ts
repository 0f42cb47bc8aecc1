import { HttpError, TweedleError } from "../errors";

/** What a command ends with, as its help says. */
export const EXIT_CODES = {
  ok: 0,
  /** Something was not delivered. */
  failed: 1,
  /** A mistake in what was asked for. */
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

/** Turns the first signal that asks for an end into an abort; the second one ends the process at once. */
export function interruptible(): AbortSignal {
  const controller = new AbortController();
  for (const [name, status] of Object.entries(SIGNALS)) {
    process.on(name, () => {
      // oxlint-disable-next-line unicorn/no-process-exit -- Asked twice.
      if (asked !== undefined) process.exit(status);
      asked = status;
      controller.abort();
    });
  }
  return controller.signal;
}

/** What to end with after an interruption. */
export const codeOfInterruption = (): number => asked ?? EXIT_CODES.failed;

/** What to end with after a failure. */
export function codeOf(error: unknown): number {
  if (!(error instanceof TweedleError)) return isSetting(error) ? EXIT_CODES.usage : EXIT_CODES.failed;
  if (error.code === "Interrupted") return codeOfInterruption();
  return error.code === "Invalid" ? EXIT_CODES.usage : EXIT_CODES.failed;
}

/** What the SDK misses among the user's settings. */
const isSetting = (error: unknown): boolean =>
  error instanceof Error &&
  (/^(CredentialsProviderError|TokenProviderError)$/.test(error.name) ||
    error.message === "Region is missing");

/**
 * What to say of a failure in one line; undefined where it is our own mistake. What AWS or its SDK refuses is about
 * the user's settings (no credentials, no region, no such queue, no right), what the system refuses about the machine.
 */
export function sentenceOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error instanceof TweedleError) return error.message;
  if (error instanceof HttpError) {
    return `The server refused it with ${[error.status, error.code].join(" ").trim()}: ${error.message}`;
  }
  const { code = "", message, name } = error as NodeJS.ErrnoException;
  if (message === "Region is missing") return "The region is missing: set AWS_REGION.";
  if (!isSetting(error) && !("$metadata" in error) && !("syscall" in error)) return undefined;
  // Several addresses that all refuse have no sentence of their own.
  const [cause] = error instanceof AggregateError ? (error.errors as Error[]) : [];
  return message || cause?.message || code || name;
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
