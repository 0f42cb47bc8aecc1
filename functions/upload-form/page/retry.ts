import { delayBefore, isPassing } from "../../../client/backoff";
import { NoAnswer, Refusal } from "./errors";
import { isConnected } from "./http";

/** Why something that runs does not move. */
export type Hindrance = "checking" | "offline" | "busy" | "finishing";

export interface Trying {
  readonly signal?: AbortSignal;
  /** Told what is waited for. */
  readonly onWait?: (hindrance: Hindrance) => void;
  /** Looks, after an answer did not come, whether it is the file's fault. */
  readonly check?: () => Promise<void>;
  /** How often it may fail. @default 8; a lost connection, or a server that is busy, does not count */
  readonly maxFailures?: number;
}

const MAX_DELAY_MS = 10_000;
/** A URL dies with the credentials that signed it, whatever it says itself: S3's 403 is a reason to sign again. */
const MAX_DENIALS = 2;

/** Waits, unless the connection is back before, or somebody asks for an end. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const over = (settle: () => void) => () => {
      clearTimeout(timer);
      window.removeEventListener("online", done);
      signal?.removeEventListener("abort", stop);
      settle();
    };
    const done = over(resolve);
    const stop = over(() => reject(signal?.reason));
    const timer = setTimeout(done, milliseconds);
    window.addEventListener("online", done);
    signal?.addEventListener("abort", stop);
    if (signal?.aborted) stop();
  });
}

/**
 * Tries until it works. What is the network's, or a server's that is busy, is waited for as long as it takes; what
 * fails for other passing reasons is tried so often; what is refused is told at once.
 *
 * @param attempt one try, which signs what it needs: a URL that has ended is never used again
 */
export async function retrying<T>(
  attempt: () => Promise<T>,
  { signal, onWait, check, maxFailures = 8 }: Trying,
): Promise<T> {
  let failures = 0;
  let denials = 0;
  for (let tries = 1; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof NoAnswer) {
        await check?.();
        if (await isConnected(signal)) failures += 1;
        else onWait?.("offline");
      } else if (!(error instanceof Refusal)) {
        throw error;
      } else if (error.from === "bucket" && error.status === 403) {
        denials += 1;
        if (denials > MAX_DENIALS) throw error;
      } else if (isPassing(error)) {
        onWait?.("busy");
        if (error.status !== 429) failures += 1;
      } else {
        throw error;
      }
      if (failures >= maxFailures) throw error;
      await (navigator.onLine
        ? pause(delayBefore(tries, { maxDelayMs: MAX_DELAY_MS }), signal)
        : pause(2 ** 30, signal));
    }
  }
}
