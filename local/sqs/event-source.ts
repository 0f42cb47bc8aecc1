import type { LocalFunction } from "../lambda";
import type { EventSource } from "../stack/stack";

/** A message as ReceiveMessage gives it. */
interface Message {
  readonly MessageId: string;
  readonly ReceiptHandle: string;
  readonly Body: string;
  readonly MD5OfBody: string;
  readonly Attributes?: Readonly<Record<string, string>>;
  readonly MessageAttributes?: Readonly<Record<string, unknown>>;
}

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
  /** How many of the messages failed, and come back. */
  readonly failed: number;
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
    const failed = await consumer.invoke(sqsEvent(messages, source, region)).then(
      (answer) => failedMessages(answer, messages, source),
      (error: unknown) => {
        console.error(error);
        return messages.map(({ MessageId }) => MessageId);
      },
    );
    for (const { MessageId, ReceiptHandle } of messages) {
      if (!failed.includes(MessageId)) await call("DeleteMessage", { ReceiptHandle });
    }
    const bodies = messages.map(({ Body }) => Body);
    const { functionArn } = source;
    onBatch({ functionArn, bodies, failed: failed.length, ms: performance.now() - begun });
  }

  const polling = (async () => {
    while (!stopped.signal.aborted) {
      const parameters = {
        MaxNumberOfMessages: source.batchSize,
        WaitTimeSeconds: 20,
        AttributeNames: ["All"],
      };
      const { Messages = [] } = (await call("ReceiveMessage", parameters, stopped.signal)) as {
        Messages?: Message[];
      };
      if (Messages.length > 0) await handle(Messages);
    }
  })().catch((error: unknown) => {
    if (!stopped.signal.aborted) console.error(error);
  });
  return {
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
    messageAttributes: message.MessageAttributes ?? {},
    md5OfBody: message.MD5OfBody,
    eventSource: "aws:sqs",
    eventSourceARN: queueArn,
    awsRegion: region,
  })),
});

/** The messages that a function says it could not handle; all of them where it names one that it was not given. */
function failedMessages(answer: unknown, messages: readonly Message[], source: EventSource): string[] {
  if (!source.reportsFailures) return [];
  const { batchItemFailures = [] } = (answer ?? {}) as {
    batchItemFailures?: { itemIdentifier: string }[] | null;
  };
  const given = messages.map(({ MessageId }) => MessageId);
  const failed = (batchItemFailures ?? []).map(({ itemIdentifier }) => itemIdentifier);
  return failed.every((id) => given.includes(id)) ? failed : given;
}
