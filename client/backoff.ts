/* The retry rules that the client and the upload form share: this runs in a browser, too. */

export interface RetryOptions {
  /** How long an operation is retried, in milliseconds from its first failure; 0 for never. @default 300,000 */
  readonly maxDurationMs?: number;
  /** The longest pause before the first retry, in milliseconds; it doubles with each further one. @default 100 */
  readonly baseDelayMs?: number;
  /** The longest pause before any retry, in milliseconds, unless a server asks for a longer one. @default 20,000 */
  readonly maxDelayMs?: number;
}

export const DEFAULTS: Required<RetryOptions> = {
  maxDurationMs: 300_000,
  baseDelayMs: 100,
  maxDelayMs: 20_000,
};

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
