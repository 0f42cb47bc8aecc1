import type { Service } from "../contract/answers";
import { DEFAULTS, type RetryOptions, delayBefore } from "./backoff";
import { HttpError, NetworkError, TransientError, TweedleError, throwIfAborted } from "./errors";

export { type RetryOptions, delayBefore } from "./backoff";

/** How often a request is signed again after a refusal: its URL or its credentials may have expired. */
export const MAX_RESIGNINGS = 2;

/** How often a pause is reported, in milliseconds. */
const REPORT_INTERVAL_MS = 1000;

/** A pause between a failure and the next attempt. */
export interface Waiting {
  /** The service that failed; undefined where this machine did: it has no file descriptor left. */
  readonly service: Service | undefined;
  /** The last failure in a few words: connection refused, 503 SlowDown. */
  readonly reason: string;
  /** Milliseconds since the operation's first failure. */
  readonly elapsedMs: number;
  /** Milliseconds after which the operation is given up. */
  readonly maxDurationMs: number;
}

/** How an operation is retried. */
export interface RetryContext {
  readonly signal?: AbortSignal | undefined;
  readonly retry?: RetryOptions | undefined;
  /** Called at the beginning of each pause, and every second of it. */
  readonly onWait?: ((waiting: Waiting) => void) | undefined;
  /** Called for each failure for want of a file descriptor. */
  readonly onExhausted?: (() => void) | undefined;
}

/** Whether an error is that of a process, or a machine, without a free file descriptor. */
export const isExhausted = (error: unknown): boolean =>
  ["EMFILE", "ENFILE"].includes((error as NodeJS.ErrnoException | undefined)?.code ?? "");

/** Whether the same request may succeed later. */
export function isRetryable(error: unknown): error is Error {
  if (error instanceof HttpError) return error.remedy === "retry";
  return error instanceof TransientError || error instanceof NetworkError || isExhausted(error);
}

/** Whether a request that failed may have been carried out: its response was lost, or says nothing. */
export const outcomeUnknown = (error: unknown): boolean =>
  error instanceof NetworkError ||
  (error instanceof HttpError && (error.status >= 500 || error.status < 300));

/**
 * Waits, unless the signal aborts.
 *
 * @throws TweedleError Interrupted
 */
export async function wait(ms: number, signal?: AbortSignal): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const elapsed = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  try {
    await unlessAborted(elapsed, signal);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Waits for something, unless somebody asks for an end first. Nothing of it is kept: `Promise.race` with a promise that
 * stays open would hold every value that it ever gave.
 *
 * @throws TweedleError Interrupted
 */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return await promise;
  let stop = () => undefined as void;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(new TweedleError("Interrupted", "Interrupted.", { cause: signal.reason }));
  });
  promise.catch(() => undefined);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/**
 * Carries out an operation, and again after each retryable failure, until it succeeds or its time since the first
 * failure is over.
 *
 * @param operation for the message, as a subject: Uploading cat.jpg
 * @throws TweedleError Unavailable where it kept failing, Interrupted where the signal aborts; else what `attempt` throws
 */
export async function retry<T>(
  operation: string,
  attempt: () => Promise<T>,
  { signal, retry: options, onWait, onExhausted }: RetryContext = {},
): Promise<T> {
  const { maxDurationMs } = { ...DEFAULTS, ...options };
  let failedAt: number | undefined;
  for (let attempts = 1; ; attempts += 1) {
    throwIfAborted(signal);
    let failure: Error;
    try {
      return await attempt();
    } catch (error) {
      throwIfAborted(signal);
      if (!isRetryable(error)) throw error;
      failure = error;
    }
    if (isExhausted(failure)) onExhausted?.();
    const now = performance.now();
    failedAt ??= now;
    const deadline = failedAt + maxDurationMs;
    const askedMs = failure instanceof HttpError ? (failure.retryAfter ?? 0) * 1000 : 0;
    if (now >= deadline || now + askedMs > deadline)
      throw unavailable(operation, failure, attempts, now - failedAt, askedMs);
    const next = Math.min(deadline, now + askedMs + delayBefore(attempts, options));
    for (let at = now; at < next; at = performance.now()) {
      onWait?.({ ...reasonOf(failure), elapsedMs: at - failedAt, maxDurationMs });
      await wait(Math.min(next - at, REPORT_INTERVAL_MS), signal);
    }
  }
}

function unavailable(
  operation: string,
  failure: Error,
  attempts: number,
  elapsedMs: number,
  askedMs: number,
): TweedleError {
  const times = attempts === 1 ? "once" : `${attempts} times in ${Math.ceil(elapsedMs / 1000)} s`;
  const asked = askedMs > 0 ? ` (the server asks to wait ${Math.ceil(askedMs / 1000)} s)` : "";
  const message = `${operation} failed ${times}: ${failure.message.replace(/\.$/, "")}${asked}.`;
  return new TweedleError("Unavailable", message, { cause: failure });
}

function reasonOf(failure: unknown): Pick<Waiting, "service" | "reason"> {
  if (failure instanceof TransientError && failure.cause) return reasonOf(failure.cause);
  if (failure instanceof HttpError || failure instanceof NetworkError)
    return { service: failure.service, reason: failure.reason };
  const reason = isExhausted(failure) ? "too many open files" : (failure as Error).message;
  return { service: undefined, reason };
}
