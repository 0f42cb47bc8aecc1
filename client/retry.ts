import { setTimeout as sleep } from "node:timers/promises";
import { DEFAULTS, type RetryOptions, delayBefore, isPassing } from "./backoff";
import { HttpError, TransientError, TweedleError, throwIfAborted } from "./errors";

export { type RetryOptions, delayBefore } from "./backoff";

/** What a name server, a socket or a TLS session says when it is the network's fault. */
const TRANSIENT_NETWORK: readonly string[] = [
  "ECONNRESET",
  "ECONNREFUSED",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENETDOWN",
  "EAI_AGAIN",
  "ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC",
  "HPE_INVALID_CONSTANT",
];

/** Whether the network failed, so that nobody knows whether the request arrived. */
const isNetworkError = (error: unknown): boolean =>
  TRANSIENT_NETWORK.includes((error as NodeJS.ErrnoException)?.code ?? "");

/** Whether the same request may succeed later. */
export function isTransient(error: unknown): boolean {
  if (error instanceof HttpError) {
    return isPassing(error);
  }
  return error instanceof TransientError || isNetworkError(error);
}

/** Whether a request that failed may have done its work all the same: its answer was lost, or says nothing. */
export const mayHaveWorked = (error: unknown): boolean =>
  isNetworkError(error) || (error instanceof HttpError && error.status >= 500);

/** Who sends much at once is told 429 again and again, and only has to wait: so many tries count as one. */
const PATIENCE = 4;
const isThrottled = (error: unknown) => error instanceof HttpError && error.status === 429;

/**
 * Waits, unless somebody asks for an end.
 *
 * @throws TweedleError Interrupted
 */
export async function wait(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, signal && { signal });
  } catch (error) {
    throwIfAborted(signal);
    throw error;
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
 * Tries until it works: what is transient is tried again, everything else is told at once.
 *
 * @throws TweedleError Unavailable where it went on failing, Interrupted where the signal says so; else what attempt throws
 */
export async function retrying<T>(
  what: string,
  attempt: () => Promise<T>,
  { signal, retry = {} }: { signal?: AbortSignal | undefined; retry?: RetryOptions | undefined },
): Promise<T> {
  const maxAttempts = retry.maxAttempts ?? DEFAULTS.maxAttempts;
  let failure: unknown;
  let number = 1;
  for (let counted = 0; counted < maxAttempts; number += 1) {
    if (number > 1) await wait(Math.max(delayBefore(number - 1, retry), retryAfterMs(failure)), signal);
    throwIfAborted(signal);
    try {
      return await attempt();
    } catch (error) {
      throwIfAborted(signal);
      if (!isTransient(error)) throw error;
      failure = error;
      counted += isThrottled(error) ? 1 / PATIENCE : 1;
    }
  }
  const message = `${what} failed ${number - 1} times, at last with: ${(failure as Error).message}`;
  throw new TweedleError("Unavailable", message, { cause: failure });
}

const retryAfterMs = (failure: unknown) =>
  Math.min((failure instanceof HttpError ? (failure.retryAfter ?? 0) : 0) * 1000, DEFAULTS.maxDelayMs);
