import { ChangeMessageVisibilityCommand, type Message, type SQSClient } from "@aws-sdk/client-sqs";

/** However often it is extended, a message is hidden for 12 hours from its receipt at most, in seconds. */
const MAX_VISIBILITY_SECONDS = 43_200;

/** How long SQS may take for a short request, in milliseconds: the SDK itself waits for ever. */
const TIMEOUT_MS = 30_000;

/** Options of a request that must not hold up all that waits for its end. */
export const bounded = () => ({ abortSignal: AbortSignal.timeout(TIMEOUT_MS) });

/**
 * Keeps a message hidden from other consumers while it is being handled.
 *
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html
 */
export class Visibility {
  readonly #receivedAt = performance.now();
  readonly #timer: NodeJS.Timeout;
  #changing: Promise<unknown> = Promise.resolve();

  /** @param onFailure told why a heartbeat failed; the next one tries again */
  constructor(
    private readonly sqs: SQSClient,
    private readonly queueUrl: string,
    private readonly message: Message,
    private readonly timeoutSeconds: number,
    private readonly onFailure: (error: unknown) => void,
  ) {
    // Two may fail before it shows.
    this.#timer = setInterval(() => this.#extend(), (timeoutSeconds * 1000) / 3);
  }

  #extend(): void {
    const elapsed = (performance.now() - this.#receivedAt) / 1000;
    const left = Math.floor(MAX_VISIBILITY_SECONDS - elapsed) - 1;
    if (left <= this.timeoutSeconds / 3) {
      clearInterval(this.#timer);
      this.onFailure(new Error("It is being handled for 12 hours: SQS shows it to others now."));
      return;
    }
    const change = this.#change(Math.min(this.timeoutSeconds, left)).catch(this.onFailure);
    this.#changing = Promise.all([this.#changing, change]);
  }

  async #change(seconds: number): Promise<void> {
    const { queueUrl: QueueUrl, message } = this;
    await this.sqs.send(
      new ChangeMessageVisibilityCommand({
        QueueUrl,
        ReceiptHandle: message.ReceiptHandle,
        VisibilityTimeout: Math.round(seconds),
      }),
      bounded(),
    );
  }

  /** Ends the heartbeat. What it had begun is over, too: it must not hide a message that is given back. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#changing;
  }

  /** Ends the heartbeat, and shows the message again after so many seconds. */
  async giveBack(seconds: number): Promise<void> {
    await this.stop();
    await this.#change(Math.min(Math.max(seconds, 0), MAX_VISIBILITY_SECONDS - 60)).catch(this.onFailure);
  }
}
