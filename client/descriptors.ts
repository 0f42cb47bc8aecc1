import { closeSync, openSync } from "node:fs";
import { devNull } from "node:os";
import { throwIfAborted } from "./errors";
import { isExhausted, unlessAborted } from "./retry";

/** How long a lowered limit holds, in milliseconds: the lack may have been another program's. */
const RECOVERY_MS = 60_000;
/** The descriptors that the requests of open files need: a connection to the API, one to S3, two of the resolver. */
const SPARE = 4;

/** How many may run at once: any number, until the system has no file descriptor left for one of them. */
export class AdaptiveLimit {
  #value = Infinity;
  #loweredAt = -Infinity;

  get value(): number {
    return performance.now() - this.#loweredAt < RECOVERY_MS ? this.#value : Infinity;
  }

  /** Lets one fewer run than those that run now, but one at least. */
  lower(running: number): void {
    this.#value = Math.max(1, Math.min(this.value, running - 1));
    this.#loweredAt = performance.now();
  }
}

/** Ends a task's time inside a gate. An error that is a lack of file descriptors lowers the gate's limit. */
export type Leave = (error?: unknown) => void;

/** Lets tasks run in the order in which they come, as many at once as there are file descriptors for. */
export class Gate {
  readonly #limit = new AdaptiveLimit();
  readonly #waiting: (() => void)[] = [];
  #inside = 0;

  /** How many tasks are inside. */
  get size(): number {
    return this.#inside;
  }

  /** @throws TweedleError Interrupted */
  async enter(signal?: AbortSignal): Promise<Leave> {
    throwIfAborted(signal);
    if (this.#waiting.length === 0 && this.#inside < this.#limit.value) this.#inside += 1;
    else await this.#turn(signal);
    let isInside = true;
    return (error) => {
      if (!isInside) return;
      isInside = false;
      if (isExhausted(error)) this.#limit.lower(this.#inside);
      this.#leave();
    };
  }

  async #turn(signal: AbortSignal | undefined): Promise<void> {
    let admit = () => undefined as void;
    const admitted = new Promise<void>((resolve) => {
      admit = resolve;
    });
    this.#waiting.push(admit);
    try {
      await unlessAborted(admitted, signal);
    } catch (error) {
      const place = this.#waiting.indexOf(admit);
      if (place >= 0) this.#waiting.splice(place, 1);
      else this.#leave();
      throw error;
    }
  }

  #leave(): void {
    this.#inside -= 1;
    while (this.#inside < this.#limit.value) {
      const admit = this.#waiting.shift();
      if (!admit) return;
      this.#inside += 1;
      admit();
    }
  }
}

/**
 * Checks that one file more may be open: were all descriptors those of files, each would wait for others to be sent, with
 * none left to send any.
 *
 * @throws Error EMFILE or ENFILE
 */
export function assertSpareDescriptors(): void {
  const spare: number[] = [];
  try {
    while (spare.length < SPARE) spare.push(openSync(devNull, "r"));
  } finally {
    for (const descriptor of spare) closeSync(descriptor);
  }
}
