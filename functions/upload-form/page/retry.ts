import { DEFAULTS, delayBefore } from "../../../client/backoff";
import type { Service } from "../../../contract/answers";
import { NoAnswer, Refusal } from "./errors";
import { isConnected } from "./http";
import { pause } from "./pause";

/** Why an upload that runs does not move. */
export type WaitReason = "checking" | "finishing" | "offline" | Trouble;

/** A service that fails, and is asked again. */
export interface Trouble {
  readonly service: Service;
  /** Of its response; undefined where there is none. */
  readonly refusal: Refusal | undefined;
  /** When it is given up, by performance.now(). */
  readonly until: number;
}

export interface RetryContext {
  readonly signal?: AbortSignal;
  readonly onWait?: (reason: WaitReason) => void;
  /** Looks whether it is the file's fault that there was no response, and throws where it is. */
  readonly check?: () => Promise<void>;
  /** How long an operation is retried, in milliseconds from its first failure. @default 300,000, as the client does */
  readonly maxDurationMs?: number;
}

const MAX_DELAY_MS = 10_000;

/** How often a request is signed again after a refusal: its URL, or the credentials behind it, may have expired. */
const MAX_RESIGNINGS = 2;

/**
 * Carries out an operation, and again after each retryable failure, until it succeeds or its time since the first
 * failure is over. While the API cannot be reached at all, it is the visitor's connection that is lost: they see that,
 * and it is waited for as long as it takes.
 *
 * @param attempt one try, which signs all that it sends: a URL that has expired is never used again
 * @throws what `attempt` threw last, or at once where no retry would help; what `check` throws; the signal's reason
 */
export async function retrying<T>(
  attempt: () => Promise<T>,
  { signal, onWait, check, maxDurationMs = DEFAULTS.maxDurationMs }: RetryContext,
): Promise<T> {
  let failedAt: number | undefined;
  let resignings = 0;
  for (let attempts = 1; ; attempts += 1) {
    let failure: NoAnswer | Refusal;
    try {
      return await attempt();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof NoAnswer || error instanceof Refusal)) throw error;
      failure = error;
    }
    if (failure instanceof NoAnswer) {
      await check?.();
      if (!(await isConnected(signal))) {
        onWait?.("offline");
        failedAt = undefined;
        attempts = 1;
        // Where the browser knows that it is offline, it also knows when that is over.
        await pause(navigator.onLine ? MAX_DELAY_MS : 2 ** 30, signal);
        continue;
      }
    } else if (failure.remedy === "sign again") {
      resignings += 1;
      if (resignings > MAX_RESIGNINGS) throw failure;
    } else if (failure.remedy === "final") {
      throw failure;
    }
    const now = performance.now();
    failedAt ??= now;
    const until = failedAt + maxDurationMs;
    const refusal = failure instanceof Refusal ? failure : undefined;
    const askedMs = refusal?.retryAfterMs ?? 0;
    if (now >= until || now + askedMs > until) throw failure;
    onWait?.({ service: failure.service, refusal, until });
    const delayMs = askedMs + delayBefore(attempts, { maxDelayMs: MAX_DELAY_MS });
    await pause(Math.min(delayMs, until - now), signal);
  }
}
