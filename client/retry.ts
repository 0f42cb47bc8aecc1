import { setTimeout as sleep } from "node:timers/promises";
import { HttpError, TransientError, TweedleError, throwIfAborted } from "./errors";

export interface RetryOptions {
  /** How often one request is tried. @default 8 */
  readonly maxAttempts?: number;
  /** The longest that the first retry waits, in milliseconds; it doubles with each. @default 100 */
  readonly baseDelayMs?: number;
  /** The longest that any retry waits, in milliseconds. @default 20,000 */
  readonly maxDelayMs?: number;
}

const DEFAULTS: Required<RetryOptions> = { maxAttempts: 8, baseDelayMs: 100, maxDelayMs: 20_000 };

/**
 * Answers that a later try may change.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
 */
const TRANSIENT_STATUS: readonly number[] = [
  408, // RequestTimeout: S3 waited for bytes.
  409, // ConditionalRequestConflict, OperationAborted: another request to the same key was under way.
  425,
  429,
  500,
  502,
  503,
  504,
];
const TRANSIENT_CODE: readonly string[] = [
  "RequestTimeout",
  "RequestTimeTooSkewed",
  "SlowDown",
  "InternalError",
];

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
export const isNetworkError = (error: unknown): boolean =>
  TRANSIENT_NETWORK.includes((error as NodeJS.ErrnoException)?.code ?? "");

/** Whether the same request may succeed later. */
export function isTransient(error: unknown): boolean {
  if (error instanceof HttpError) {
    return TRANSIENT_STATUS.includes(error.status) || TRANSIENT_CODE.includes(error.code);
  }
  return error instanceof TransientError || isNetworkError(error);
}

/** Whether a request that failed may have done its work all the same: its answer was lost, or says nothing. */
export const mayHaveWorked = (error: unknown): boolean =>
  isNetworkError(error) || (error instanceof HttpError && error.status >= 500);

/**
 * Full jitter: anything from nothing up to a bound that doubles and is capped, so that many clients that failed
 * together do not come back together.
 *
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 *
 * @param retry 1 for the first
 * @returns milliseconds
 */
export function delayBefore(retry: number, options: RetryOptions = {}): number {
  const { baseDelayMs, maxDelayMs } = { ...DEFAULTS, ...options };
  return Math.random() * Math.min(maxDelayMs, baseDelayMs * 2 ** (retry - 1));
}

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
  for (let number = 1; number <= maxAttempts; number += 1) {
    if (number > 1) await wait(Math.max(delayBefore(number - 1, retry), retryAfterMs(failure)), signal);
    throwIfAborted(signal);
    try {
      return await attempt();
    } catch (error) {
      throwIfAborted(signal);
      if (!isTransient(error)) throw error;
      failure = error;
    }
  }
  const message = `${what} failed ${maxAttempts} times, at last with: ${(failure as Error).message}`;
  throw new TweedleError("Unavailable", message, { cause: failure });
}

const retryAfterMs = (failure: unknown) =>
  Math.min((failure instanceof HttpError ? (failure.retryAfter ?? 0) : 0) * 1000, DEFAULTS.maxDelayMs);
