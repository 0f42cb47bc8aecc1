import { Session } from "node:inspector/promises";

/**
 * Which blocks of a script have run, as V8 counts them: the feedback of a fuzzer that follows coverage.
 *
 * https://chromedevtools.github.io/devtools-protocol/tot/Profiler/#method-takePreciseCoverage
 */
export class Coverage {
  readonly #session = new Session();
  readonly #blocks = new Set<string>();
  readonly #counts = new Set<string>();

  private constructor(private readonly scripts: (url: string) => boolean) {}

  /** @param scripts whether a script of this URL counts */
  static async start(scripts: (url: string) => boolean): Promise<Coverage> {
    const coverage = new Coverage(scripts);
    coverage.#session.connect();
    await coverage.#session.post("Profiler.enable");
    await coverage.#session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
    return coverage;
  }

  /** How many blocks one request or another has run. */
  get size(): number {
    return this.#blocks.size;
  }

  /** Whether a block ran, since the last look, that no request that was kept had run. */
  async isNew(): Promise<boolean> {
    return (await this.#take()).some(([block]) => !this.#blocks.has(block));
  }

  /**
   * Remembers what one request ran since the last look.
   *
   * @returns whether it ran a block that none had run, or one more often: once, twice, up to 4, 8, 16 times or more
   */
  async keepIfNew(): Promise<boolean> {
    const before = this.#counts.size;
    for (const [block, count] of await this.#take()) {
      this.#blocks.add(block);
      this.#counts.add(`${block}:${Math.min(Math.ceil(Math.log2(count)), 5)}`);
    }
    return this.#counts.size > before;
  }

  stop(): void {
    this.#session.disconnect();
  }

  /** The blocks that ran since the last look, with how often. */
  async #take(): Promise<[block: string, count: number][]> {
    const { result } = await this.#session.post("Profiler.takePreciseCoverage");
    return result
      .filter(({ url }) => this.scripts(url))
      .flatMap(({ url, functions }) =>
        functions.flatMap(({ ranges }) =>
          ranges
            .filter(({ count }) => count > 0)
            .map(({ startOffset, endOffset, count }): [string, number] => [
              `${url}:${startOffset}-${endOffset}`,
              count,
            ]),
        ),
      );
  }
}
