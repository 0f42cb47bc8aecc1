/* What the client and the upload form have in common of trying again. It runs in a browser, too. */

export interface RetryOptions {
  /** How often one request is tried; four times as often where it is throttled. @default 8 */
  readonly maxAttempts?: number;
  /** The longest that the first retry waits, in milliseconds; it doubles with each. @default 100 */
  readonly baseDelayMs?: number;
  /** The longest that any retry waits, in milliseconds. @default 20,000 */
  readonly maxDelayMs?: number;
}

export const DEFAULTS: Required<RetryOptions> = { maxAttempts: 8, baseDelayMs: 100, maxDelayMs: 20_000 };

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

/** Whether the same request may succeed later, by an answer that says no. */
export const isPassing = ({ status, code }: { readonly status: number; readonly code: string }): boolean =>
  TRANSIENT_STATUS.includes(status) || TRANSIENT_CODE.includes(code);
