import { parseApiUrl } from "../api";
import { checkOptions } from "./check-options";
import type { Consumer as LoadedConsumer, ConsumerOptions } from "./consumer";

/**
 * Receives messages and hands out their payloads, until it is stopped. The AWS SDK is loaded with the first consumer,
 * so that a program with a producer alone does without it.
 */
export class Consumer {
  readonly #consumer: Promise<LoadedConsumer>;

  /** @throws TweedleError Invalid, where an option cannot be used */
  constructor(options: ConsumerOptions) {
    parseApiUrl(options.apiUrl);
    checkOptions(options);
    this.#consumer = import("./consumer").then((loaded) => new loaded.Consumer(options));
    // Running or stopping it rejects.
    this.#consumer.catch(() => undefined);
  }

  /**
   * Polls until {@link stop}, or what the options say.
   *
   * @returns once it has stopped
   * @throws TweedleError Invalid, where the queue is not there or may not be read; Refused, where the API refuses
   *   whatever this consumer asks for: each receive would bring messages nearer to the dead-letter queue
   */
  async run(): Promise<void> {
    await (await this.#consumer).run();
  }

  /**
   * Receives no more, and waits for what is being handled, as long as graceSeconds says. What is not done by then is
   * told to end, and comes again.
   */
  async stop(): Promise<void> {
    await (await this.#consumer).stop();
  }

  /**
   * Stops at once: asks handlers to end, and shows their messages to other consumers. It takes 3 s at most, and does
   * not wait for handlers that go on.
   */
  async abort(): Promise<void> {
    await (await this.#consumer).abort();
  }
}
