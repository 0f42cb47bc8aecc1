import type { S3Client } from "@aws-sdk/client-s3";
import {
  ChangeMessageVisibilityBatchCommand,
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
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
import { readQueue, siblingUrl } from "./queue";
import { wait } from "./retry";
import { isUnsupported } from "./sqs-errors";

/** How long dead letters are hidden from others while they are looked at, in seconds. */
export const LOOK_SECONDS = 120;

export interface DeadLettersOptions {
  readonly sqs: SQSClient;
  /** The stack's output dead_letter_queue_url. */
  readonly deadLetterQueueUrl: string;
  /** The stack's output queue_url: where letters are sent back to. */
  readonly queueUrl: string;
  /** Asks for an end. @default never */
  readonly signal?: AbortSignal;
}

/** A message that its consumers could not handle. */
export interface DeadLetter {
  readonly messageId: string;
  /** When it was first sent. */
  readonly sentAt: Date;
  /** How often it was received from the queue that it comes from, by consumers. */
  readonly receiveCount: number;
  readonly body: string;
  /** What it is about; the reason, where it cannot be read. */
  readonly contents: Contents | TweedleError;
  readonly message: Message;
}

/** Called with how many messages have been moved, and how many there are about. */
type OnMoved = (moved: number, of: number) => void;

/** The dead letters of a queue, for an operator who decides about them. */
export class DeadLetters {
  readonly #options: DeadLettersOptions;
  readonly #held = new Map<string, DeadLetter>();
  /** The messages that letters have become on their queue. One that comes here again has failed again. */
  readonly #sentBack = new Set<string>();
  /** By the ARN of a queue that letters come from. */
  readonly #maxReceiveCounts = new Map<string, Promise<number | undefined>>();

  constructor(options: DeadLettersOptions) {
    this.#options = options;
  }

  /** Counts the messages, approximately. Those in flight are hidden, because another reader has received them. */
  async count(): Promise<{ readonly visible: number; readonly inFlight: number }> {
    const { visible, inFlight } = await this.#attributes();
    return { visible, inFlight: Math.max(0, inFlight - this.#held.size) };
  }

  /**
   * Receives what there is, and hides it from others until {@link release}.
   *
   * @param limit how many at most
   */
  async receive(limit: number): Promise<DeadLetter[]> {
    const { signal } = this.#options;
    for (let more = true; more && this.#held.size < limit;) {
      throwIfAborted(signal);
      const messages = await this.#poll(limit - this.#held.size);
      const before = this.#held.size;
      for (const message of messages) this.#held.set(message.MessageId ?? "", await this.#letterOf(message));
      // Letters show again while a long queue is looked at: what gives no new one has been seen, and would go on for ever.
      more = this.#held.size > before;
    }
    return [...this.#held.values()].toSorted((a, b) => a.sentAt.getTime() - b.sentAt.getTime());
  }

  /** Sends a letter back to its queue, as a new message, and deletes it here. In this order: it may come twice, and is never lost. */
  async redrive({ messageId, message }: Pick<DeadLetter, "messageId" | "message">): Promise<void> {
    const { sqs, queueUrl: QueueUrl } = this.#options;
    const { Body, MessageAttributes } = message;
    const { MessageId = "" } = await sqs.send(
      new SendMessageCommand({
        QueueUrl,
        MessageBody: Body,
        ...(MessageAttributes && { MessageAttributes }),
      }),
    );
    this.#sentBack.add(MessageId);
    await this.#delete(messageId, message);
  }

  async drop({ messageId, message }: DeadLetter): Promise<void> {
    await this.#delete(messageId, message);
  }

  /**
   * Sends all letters back: by a task of SQS, which goes on if this process ends, or one by one where the engine has no
   * such tasks. Messages in flight stay.
   *
   * @returns how many were moved
   */
  async redriveAll(onProgress?: OnMoved): Promise<number> {
    const { arn, visible } = await this.#attributes();
    // SQS does not begin a task for an empty queue, and its counts are a minute old at times.
    if (visible === 0) {
      const [letter] = await this.receive(1);
      if (!letter) return 0;
      // Where that fails, it is in flight, and stays.
      await this.release().catch(() => undefined);
    }
    try {
      return await this.#moveBySqs(arn, onProgress);
    } catch (error) {
      if (!isUnsupported(error)) throw error;
      return await this.#moveOneByOne(visible, onProgress);
    }
  }

  async #moveBySqs(SourceArn: string, onProgress?: OnMoved): Promise<number> {
    const { sqs, queueUrl, signal } = this.#options;
    // SQS knows where a letter came from only if it made it one; those of EventBridge it would leave.
    const { arn: DestinationArn } = await readQueue(sqs, queueUrl);
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

  async #moveOneByOne(about: number, onProgress?: OnMoved): Promise<number> {
    for (let moved = 0; ;) {
      const messages = (await this.#poll(10)).filter(({ MessageId = "" }) => !this.#held.has(MessageId));
      if (messages.length === 0) return moved;
      for (const message of messages) {
        const letter = await this.#letterOf(message);
        this.#held.set(letter.messageId, letter);
      }
      for (const { MessageId: messageId = "", ...message } of messages) {
        throwIfAborted(this.#options.signal);
        if (this.#sentBack.has(messageId)) continue;
        await this.redrive({ messageId, message });
        moved += 1;
        onProgress?.(moved, Math.max(moved, about));
      }
    }
  }

  /**
   * Shows the letters to others again that are still there.
   *
   * @throws Error where SQS refuses it: they show again by themselves, after {@link LOOK_SECONDS}
   */
  async release(): Promise<void> {
    const handles = [...this.#held.values()].map(({ message }) => message.ReceiptHandle ?? "");
    this.#held.clear();
    const failures: unknown[] = [];
    while (handles.length > 0) {
      // The others are shown all the same.
      await this.#show(handles.splice(0, 10)).catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  }

  async #show(handles: readonly string[]): Promise<void> {
    const { sqs, deadLetterQueueUrl: QueueUrl } = this.#options;
    const Entries = handles.map((ReceiptHandle, index) => ({
      Id: String(index),
      ReceiptHandle,
      VisibilityTimeout: 0,
    }));
    try {
      const { Failed: [failed] = [] } = await sqs.send(
        new ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries }),
      );
      if (failed) throw new TweedleError("Unavailable", `${failed.Message ?? failed.Code}`);
    } catch (error) {
      if (!isUnsupported(error)) throw error;
      for (const ReceiptHandle of handles) {
        await sqs.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 }));
      }
    }
  }

  async #poll(most: number): Promise<readonly Message[]> {
    const { sqs, deadLetterQueueUrl: QueueUrl } = this.#options;
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({
        QueueUrl,
        MaxNumberOfMessages: Math.min(10, most),
        // A poll that does not wait asks some of SQS's machines only, this one all of them.
        WaitTimeSeconds: 1,
        VisibilityTimeout: LOOK_SECONDS,
        MessageAttributeNames: ["All"],
        MessageSystemAttributeNames: ["All"],
      }),
    );
    return Messages;
  }

  async #delete(messageId: string, { ReceiptHandle }: Message): Promise<void> {
    const { sqs, deadLetterQueueUrl: QueueUrl } = this.#options;
    await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    this.#held.delete(messageId);
  }

  async #attributes() {
    const { sqs, deadLetterQueueUrl } = this.#options;
    return await readQueue(sqs, deadLetterQueueUrl);
  }

  async #letterOf(message: Message): Promise<DeadLetter> {
    const { MessageId = "", Body = "", Attributes = {} } = message;
    return {
      messageId: MessageId,
      sentAt: new Date(Number(Attributes.SentTimestamp)),
      receiveCount: await this.#sourceReceives(message),
      body: Body,
      contents: tryContents(message),
      message,
    };
  }

  /**
   * Counts the receives of the queue that a letter comes from. SQS counts on in the dead-letter queue, so that each look
   * at a letter is one more; it moves a message once it has been received as often as the redrive policy says.
   *
   * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
   */
  async #sourceReceives({ Attributes = {}, MessageAttributes = {} }: Message): Promise<number> {
    // https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
    if (MessageAttributes["RULE_ARN"]) return 0;
    const before = Number(Attributes.ApproximateReceiveCount ?? 1) - 1;
    const source = Attributes.DeadLetterQueueSourceArn;
    return Math.min(before, (source !== undefined && (await this.#maxReceiveCount(source))) || Infinity);
  }

  #maxReceiveCount(arn: string): Promise<number | undefined> {
    const { sqs, deadLetterQueueUrl } = this.#options;
    const known = this.#maxReceiveCounts.get(arn);
    if (known) return known;
    const asked = readQueue(sqs, siblingUrl(deadLetterQueueUrl, arn)).then(
      ({ maxReceiveCount }) => maxReceiveCount,
      // It may be gone, or not be for this reader.
      () => undefined,
    );
    this.#maxReceiveCounts.set(arn, asked);
    return asked;
  }
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

/** The state of the payloads of a letter. */
export interface PayloadState {
  /** Whether all of them are still there; undefined where that cannot be said. */
  readonly exists: boolean | undefined;
  /** Their bytes together, as they are or were announced; undefined where one is unknown. */
  readonly size: number | undefined;
}

/**
 * Looks for the payloads of a letter. Only the bucket that the operator has said is asked: a letter's sender chooses
 * what it names, and would see by whom it is asked for. Without the right to list the bucket nothing is known of it.
 */
export async function findPayloads(
  letter: DeadLetter,
  s3: S3Client,
  bucketName: string,
): Promise<PayloadState> {
  const { contents } = letter;
  if (!(contents instanceof TweedleError) && contents.kind === "inline") {
    return { exists: true, size: contents.payload.bytes.length };
  }
  const states = await Promise.all(objectsOf(letter).map((object) => findPayload(object, s3, bucketName)));
  if (states.length === 0) return { exists: undefined, size: undefined };
  const found = states.map(({ exists }) => exists);
  const sizes = states.map(({ size }) => size);
  const isKnown = (size: number | undefined): size is number => size !== undefined;
  return {
    exists: found.includes(false) ? false : found.includes(undefined) ? undefined : true,
    size: sizes.every(isKnown) ? sizes.reduce((sum, size) => sum + size, 0) : undefined,
  };
}

async function findPayload(
  { bucket, key, size }: Announcement,
  s3: S3Client,
  bucketName: string,
): Promise<PayloadState> {
  if (bucket !== bucketName) return { exists: undefined, size };
  try {
    const found = await findObject(s3, bucketName, key);
    return { exists: found !== undefined, size: size ?? found?.size };
  } catch {
    return { exists: undefined, size };
  }
}
