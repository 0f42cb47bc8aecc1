import { GetQueueAttributesCommand, type QueueAttributeName, type SQSClient } from "@aws-sdk/client-sqs";

/**
 * Attributes of a queue. Counts are approximate, and a minute old at times.
 *
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
 */
export interface QueueAttributes {
  readonly arn: string;
  readonly visibilityTimeoutSeconds: number | undefined;
  /** How often a message is received before it becomes a dead letter; undefined without a dead-letter queue. */
  readonly maxReceiveCount: number | undefined;
  readonly deadLetterQueueUrl: string | undefined;
  /** Messages that a receive would get. */
  readonly visible: number;
  /** Messages that were received and neither deleted nor shown again. */
  readonly inFlight: number;
  /** Messages that were sent with a delay. */
  readonly delayed: number;
}

const NAMES: QueueAttributeName[] = [
  "QueueArn",
  "VisibilityTimeout",
  "RedrivePolicy",
  "ApproximateNumberOfMessages",
  "ApproximateNumberOfMessagesNotVisible",
  "ApproximateNumberOfMessagesDelayed",
];

/** Reads a queue's attributes: it needs sqs:GetQueueAttributes. */
export async function readQueue(
  sqs: SQSClient,
  queueUrl: string,
  signal?: AbortSignal,
): Promise<QueueAttributes> {
  const { Attributes = {} } = await sqs.send(
    new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: NAMES }),
    signal && { abortSignal: signal },
  );
  const { deadLetterTargetArn, maxReceiveCount } = parsePolicy(Attributes.RedrivePolicy);
  return {
    arn: Attributes.QueueArn ?? "",
    visibilityTimeoutSeconds: numberIn(Attributes.VisibilityTimeout),
    // Written as a number by some, as a text by others.
    maxReceiveCount: numberIn(maxReceiveCount),
    deadLetterQueueUrl:
      typeof deadLetterTargetArn === "string" ? siblingUrl(queueUrl, deadLetterTargetArn) : undefined,
    visible: numberIn(Attributes.ApproximateNumberOfMessages) ?? 0,
    inFlight: numberIn(Attributes.ApproximateNumberOfMessagesNotVisible) ?? 0,
    delayed: numberIn(Attributes.ApproximateNumberOfMessagesDelayed) ?? 0,
  };
}

/** The URL of a queue in the same account and region as another: a dead-letter queue and its sources are. */
export const siblingUrl = (queueUrl: string, arn: string): string =>
  queueUrl.replace(/[^/]*$/, () => arn.split(":").at(-1) ?? "");

/** @returns undefined of what is absent or no number */
function numberIn(value: unknown): number | undefined {
  const number = Number(value ?? NaN);
  return Number.isNaN(number) ? undefined : number;
}

function parsePolicy(json: string | undefined): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(json ?? "{}") as Readonly<Record<string, unknown>>;
  } catch {
    return {};
  }
}
