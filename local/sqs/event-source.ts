import { setTimeout } from "node:timers/promises";
import type { LocalFunction } from "../lambda";
import type { EventSource } from "../stack/stack";

/** A message as ReceiveMessage gives it. */
interface Message {
  readonly MessageId: string;
  readonly ReceiptHandle: string;
  readonly Body: string;
  readonly MD5OfBody: string;
  readonly Attributes?: Readonly<Record<string, string>>;
  readonly MessageAttributes?: Readonly<
    Record<string, { DataType: string; StringValue?: string; BinaryValue?: string }>
  >;
}

/** How long a queue that cannot be asked is left alone. */
const RETRY_MS = 1000;

export interface EventSourceOptions {
  readonly source: EventSource;
  readonly region: string;
  /** The endpoint of SQS, and the queue's URL. */
  readonly endpoint: string;
  readonly queueUrl: string;
  readonly consumer: LocalFunction;
  /** Told of each batch, once the function is done with it. */
  readonly onBatch: (batch: ConsumedBatch) => void;
}

export interface ConsumedBatch {
  readonly functionArn: string;
  readonly bodies: readonly string[];
  /** Those of them that failed, and come back. */
  readonly failed: readonly string[];
  readonly ms: number;
}

/**
 * Polls a queue for a function, as Lambda does: what the function is done with is deleted, what failed is left for
 * the visibility timeout to bring back.
 *
 * https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
 */
export function startEventSource(options: EventSourceOptions): { stop: () => Promise<void> } {
  const { source, region, endpoint, queueUrl, consumer, onBatch } = options;
  const stopped = new AbortController();
  const stop = new Promise<void>((end) => {
    stopped.signal.addEventListener("abort", () => end());
  });

  async function call(action: string, parameters: object, signal?: AbortSignal): Promise<unknown> {
    const response = await fetch(endpoint, {
      method: "POST",
      headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": `AmazonSQS.${action}` },
      body: JSON.stringify({ QueueUrl: queueUrl, ...parameters }),
      ...(signal && { signal }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`SQS refused ${action}: ${text}`);
    return text === "" ? {} : JSON.parse(text);
  }

  async function handle(messages: readonly Message[]): Promise<void> {
    const begun = performance.now();
    const failed = await Promise.race([askConsumer(messages), stop.then(() => messages)]);
    for (const message of messages) {
      if (!failed.includes(message)) await call("DeleteMessage", { ReceiptHandle: message.ReceiptHandle });
    }
    const bodies = (of: readonly Message[]) => of.map(({ Body }) => Body);
    const { functionArn } = source;
    onBatch({ functionArn, bodies: bodies(messages), failed: bodies(failed), ms: performance.now() - begun });
  }

  /** @returns the messages that failed */
  async function askConsumer(messages: readonly Message[]): Promise<readonly Message[]> {
    try {
      return failedMessages(await consumer.invoke(sqsEvent(messages, source, region)), messages, source);
    } catch (error) {
      console.error(error);
      return messages;
    }
  }

  async function poll(): Promise<void> {
    const parameters = {
      MaxNumberOfMessages: source.batchSize,
      WaitTimeSeconds: 20,
      AttributeNames: ["All"],
      MessageAttributeNames: ["All"],
    };
    const { Messages = [] } = (await call("ReceiveMessage", parameters, stopped.signal)) as {
      Messages?: Message[];
    };
    if (Messages.length > 0) await handle(Messages);
  }

  const polling = (async () => {
    while (!stopped.signal.aborted) {
      try {
        await poll();
      } catch (error) {
        if (stopped.signal.aborted) return;
        console.error(error);
        await Promise.race([setTimeout(RETRY_MS), stop]);
      }
    }
  })();
  return {
    // A function that is still at work goes on; its messages are not deleted, and come back.
    stop: async () => {
      stopped.abort();
      await polling;
    },
  };
}

/** https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html */
const sqsEvent = (messages: readonly Message[], { queueArn }: EventSource, region: string) => ({
  Records: messages.map((message) => ({
    messageId: message.MessageId,
    receiptHandle: message.ReceiptHandle,
    body: message.Body,
    attributes: message.Attributes ?? {},
    messageAttributes: Object.fromEntries(
      Object.entries(message.MessageAttributes ?? {}).map(
        ([name, { DataType: dataType, StringValue: stringValue, BinaryValue: binaryValue }]) => [
          name,
          { dataType, stringValue, binaryValue, stringListValues: [], binaryListValues: [] },
        ],
      ),
    ),
    md5OfBody: message.MD5OfBody,
    eventSource: "aws:sqs",
    eventSourceARN: queueArn,
    awsRegion: region,
  })),
});

/** The messages that a function says it could not handle; all of them where what it says is not well formed. */
function failedMessages(
  answer: unknown,
  messages: readonly Message[],
  source: EventSource,
): readonly Message[] {
  const { batchItemFailures = [] } = (answer ?? {}) as { batchItemFailures?: unknown };
  if (!source.reportsFailures || batchItemFailures === null) return [];
  if (!Array.isArray(batchItemFailures)) return messages;
  const failed = batchItemFailures.map((item: { itemIdentifier?: unknown } | null) =>
    messages.find(({ MessageId }) => MessageId === item?.itemIdentifier),
  );
  return failed.every((message) => message !== undefined) ? failed : messages;
}
