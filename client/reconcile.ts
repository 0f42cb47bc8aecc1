import type { S3Client } from "@aws-sdk/client-s3";
import { SendMessageCommand, type SQSClient } from "@aws-sdk/client-sqs";
import { encodeKey } from "./consume/contents";
import { readQueue } from "./queue";
import { type StoredObject, listObjects } from "./objects";

export interface ReconcileOptions {
  readonly s3: S3Client;
  readonly sqs: SQSClient;
  /** The stack's output bucket_name. */
  readonly bucketName: string;
  /** The stack's output queue_url. */
  readonly queueUrl: string;
  /** How old a payload must be, in milliseconds: a younger one may still be on its way. */
  readonly olderThanMs: number;
  /** Of when. @default now */
  readonly now?: Date;
}

/** Messages that may name a payload that is still there, by SQS's approximate counts. */
export interface WaitingMessages {
  /** In the queue: visible, in flight and delayed ones. */
  readonly queued: number;
  /** How many of these have been received, and neither handled nor given back. */
  readonly inFlight: number;
  /** Undefined where the queue has no dead-letter queue, or that may not be read. */
  readonly deadLetters: number | undefined;
}

/**
 * Counts the messages of a queue and of its dead-letter queue, and receives none: that would count towards the
 * dead-letter queue. Which payloads they name cannot be told without.
 */
export async function countWaiting({
  sqs,
  queueUrl,
}: Pick<ReconcileOptions, "sqs" | "queueUrl">): Promise<WaitingMessages> {
  const { visible, inFlight, delayed, deadLetterQueueUrl } = await readQueue(sqs, queueUrl);
  const queued = visible + inFlight + delayed;
  const dead =
    deadLetterQueueUrl === undefined
      ? undefined
      : await readQueue(sqs, deadLetterQueueUrl).catch(() => undefined);
  return { queued, inFlight, deadLetters: dead && dead.visible + dead.inFlight + dead.delayed };
}

/**
 * Lists the payloads that are still there after a while. Consumers delete what they have handled, so either these were
 * never announced (S3 announces once, and keeps no dead letters of its own), or they are waiting, or were kept.
 */
export async function* findLeft({
  s3,
  bucketName,
  olderThanMs,
  now = new Date(),
}: ReconcileOptions): AsyncGenerator<StoredObject> {
  for await (const object of listObjects(s3, bucketName)) {
    if (now.getTime() - object.modifiedAt.getTime() >= olderThanMs) yield object;
  }
}

/**
 * Announces a payload once more, in the words of S3. Whoever has handled it in the same process recognises it; to
 * others it comes as new.
 */
export async function announce(
  { sqs, bucketName, queueUrl }: ReconcileOptions,
  object: StoredObject,
): Promise<void> {
  const MessageBody = JSON.stringify({
    Records: [
      {
        eventVersion: "2.1",
        eventSource: "aws:s3",
        eventTime: object.modifiedAt.toISOString(),
        eventName: "ObjectCreated:Put",
        s3: {
          s3SchemaVersion: "1.0",
          configurationId: "reconcile",
          bucket: { name: bucketName },
          object: { key: encodeKey(object.key), size: object.size, eTag: object.eTag },
        },
      },
    ],
  });
  await sqs.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody }));
}
