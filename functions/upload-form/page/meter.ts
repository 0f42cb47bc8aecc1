const WINDOW_MS = 5000;

/** How fast bytes go, over the last seconds. */
export class Meter {
  #samples: { readonly at: number; readonly bytes: number }[] = [];

  /** @param bytes all that have gone so far */
  add(bytes: number, at = performance.now()): void {
    const last = this.#samples[this.#samples.length - 1];
    // What is taken back, to be sent once more, is no speed.
    if (last && bytes < last.bytes) this.#samples = [];
    this.#samples.push({ at, bytes });
    while (this.#samples.length > 2 && at - (this.#samples[0]?.at ?? at) > WINDOW_MS) this.#samples.shift();
  }

  reset(): void {
    this.#samples = [];
  }

  /** Bytes a second; 0 where nobody knows yet. */
  rate(now = performance.now()): number {
    const [first] = this.#samples;
    const last = this.#samples[this.#samples.length - 1];
    if (!first || !last || now - first.at < 500) return 0;
    return ((last.bytes - first.bytes) * 1000) / (now - first.at);
  }
}
