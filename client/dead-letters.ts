import type { S3Client } from "@aws-sdk/client-s3";
import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ListMessageMoveTasksCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageCommand,
  type SQSClient,
  StartMessageMoveTaskCommand,
} from "@aws-sdk/client-sqs";
import { type Announcement, type Contents, contentsOf } from "./consume/contents";
import { TweedleError, throwIfAborted } from "./errors";
import { findObject } from "./objects";
import { wait } from "./retry";

/** How long letters are hidden while somebody looks at them, in seconds. */
const LOOK_SECONDS = 120;

export interface DeadLettersOptions {
  readonly sqs: SQSClient;
  /** The stack's output dead_letter_queue_url. */
  readonly deadLetterQueueUrl: string;
  /** The stack's output queue_url: where letters are sent back to. */
  readonly queueUrl: string;
  /** Asks for an end. @default nobody does */
  readonly signal?: AbortSignal;
}

/** A message that its consumers could not handle. */
export interface DeadLetter {
  readonly messageId: string;
  /** When it was first sent. */
  readonly sentAt: Date;
  readonly receiveCount: number;
  readonly body: string;
  /** What it is about; the reason, where it cannot be read. */
  readonly contents: Contents | TweedleError;
  readonly message: Message;
}

/** The dead letters of a queue, for somebody who decides about them. */
export class DeadLetters {
  readonly #options: DeadLettersOptions;
  readonly #held = new Map<string, DeadLetter>();

  constructor(options: DeadLettersOptions) {
    this.#options = options;
  }

  /**
   * Receives what there is, and hides it from others until {@link release}.
   *
   * @param limit how many at most
   */
  async receive(limit: number): Promise<DeadLetter[]> {
    const { sqs, deadLetterQueueUrl: QueueUrl, signal } = this.#options;
    for (let more = true; more && this.#held.size < limit;) {
      throwIfAborted(signal);
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({
          QueueUrl,
          MaxNumberOfMessages: Math.min(10, limit - this.#held.size),
          // A poll that does not wait asks some of SQS's machines only, this one all of them.
          WaitTimeSeconds: 1,
          VisibilityTimeout: LOOK_SECONDS,
          MessageAttributeNames: ["All"],
          MessageSystemAttributeNames: ["All"],
        }),
      );
      const before = this.#held.size;
      for (const message of Messages) this.#held.set(message.MessageId ?? "", letterOf(message));
      // Letters show again while a long queue is looked at: what gives no new one has been seen, and would go on for ever.
      more = this.#held.size > before;
    }
    return [...this.#held.values()].toSorted((a, b) => a.sentAt.getTime() - b.sentAt.getTime());
  }

  /** Sends a letter back to its queue, as a new message, and deletes it here. In this order: it may come twice, and is never lost. */
  async redrive({ messageId, message }: DeadLetter): Promise<void> {
    const { sqs, queueUrl: QueueUrl } = this.#options;
    const { Body, MessageAttributes } = message;
    await sqs.send(
      new SendMessageCommand({
        QueueUrl,
        MessageBody: Body,
        ...(MessageAttributes && { MessageAttributes }),
      }),
    );
    await this.#delete(messageId, message);
  }

  async drop({ messageId, message }: DeadLetter): Promise<void> {
    await this.#delete(messageId, message);
  }

  /**
   * Sends all letters back, by a task that SQS runs: it goes on where nobody waits for its end.
   *
   * @param onProgress told how many have been moved so far
   * @returns how many
   */
  async redriveAll(onProgress?: (moved: number, of: number) => void): Promise<number> {
    const { sqs, deadLetterQueueUrl, queueUrl, signal } = this.#options;
    const attributes = async (QueueUrl: string) => {
      const AttributeNames = ["QueueArn", "ApproximateNumberOfMessages"] as const;
      const { Attributes = {} } = await sqs.send(
        new GetQueueAttributesCommand({ QueueUrl, AttributeNames: [...AttributeNames] }),
      );
      return Attributes;
    };
    const { QueueArn: SourceArn = "", ApproximateNumberOfMessages } = await attributes(deadLetterQueueUrl);
    // SQS does not begin a task for an empty queue.
    if (ApproximateNumberOfMessages === "0") return 0;
    // SQS knows where a letter came from only if it made it one; those of EventBridge it would leave.
    const { QueueArn: DestinationArn = "" } = await attributes(queueUrl);
    await sqs.send(new StartMessageMoveTaskCommand({ SourceArn, DestinationArn }));
    for (;;) {
      const { Results: [task] = [] } = await sqs.send(
        new ListMessageMoveTasksCommand({ SourceArn, MaxResults: 1 }),
      );
      const moved = task?.ApproximateNumberOfMessagesMoved ?? 0;
      onProgress?.(moved, task?.ApproximateNumberOfMessagesToMove ?? moved);
      if (task?.Status === "COMPLETED") return moved;
      if (task?.Status !== "RUNNING") {
        throw new TweedleError(
          "Unavailable",
          `SQS stopped the redrive: ${task?.FailureReason ?? task?.Status ?? "no task"}.`,
        );
      }
      await wait(500, signal);
    }
  }

  /** Shows the letters to others again that are still there. */
  async release(): Promise<void> {
    const { sqs, deadLetterQueueUrl: QueueUrl } = this.#options;
    const letters = [...this.#held.values()];
    this.#held.clear();
    while (letters.length > 0) {
      const Entries = letters.splice(0, 10).map(({ message }, index) => ({
        Id: String(index),
        ReceiptHandle: message.ReceiptHandle ?? "",
        VisibilityTimeout: 0,
      }));
      await sqs.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries }));
    }
  }

  async #delete(messageId: string, { ReceiptHandle }: Message): Promise<void> {
    const { sqs, deadLetterQueueUrl: QueueUrl } = this.#options;
    await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    this.#held.delete(messageId);
  }
}

function letterOf(message: Message): DeadLetter {
  const { MessageId = "", Body = "", Attributes = {} } = message;
  return {
    messageId: MessageId,
    sentAt: new Date(Number(Attributes.SentTimestamp)),
    receiveCount: Number(Attributes.ApproximateReceiveCount),
    body: Body,
    contents: tryContents(message),
    message,
  };
}

function tryContents(message: Message): Contents | TweedleError {
  try {
    return contentsOf(message);
  } catch (error) {
    if (error instanceof TweedleError) return error;
    throw error;
  }
}

/** The objects that a letter names. */
export const objectsOf = ({ contents }: DeadLetter): Announcement[] =>
  contents instanceof TweedleError || contents.kind !== "objects"
    ? []
    : contents.objects.filter((object): object is Announcement => !(object instanceof TweedleError));

/**
 * Whether all payloads of a letter are still there; undefined where that cannot be said. Only the bucket that the
 * operator has said is asked: a letter's sender chooses what it names, and would see by whom it is asked for.
 */
export async function payloadExists(
  letter: DeadLetter,
  s3: S3Client,
  bucketName: string,
): Promise<boolean | undefined> {
  const { contents } = letter;
  if (!(contents instanceof TweedleError) && contents.kind === "inline") return true;
  const objects = objectsOf(letter);
  const own = objects.filter(({ bucket }) => bucket === bucketName);
  const found = await Promise.all(own.map(({ key }) => findObject(s3, bucketName, key)));
  if (found.includes(undefined)) return false;
  return own.length > 0 && own.length === objects.length ? true : undefined;
}
