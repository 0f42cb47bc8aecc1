import { LambdaEventSourceMapping } from "@cdktf/provider-aws/lib/lambda-event-source-mapping";
import { S3BucketNotification } from "@cdktf/provider-aws/lib/s3-bucket-notification";
import { SqsQueue } from "@cdktf/provider-aws/lib/sqs-queue";
import { Construct } from "constructs";
import { type Place, queueArn } from "../arns";
import { type Statement, consumeStatement, policyJson } from "../policy";
import { ConfigurationError } from "../stage";
import type { BundledFunction } from "./bundled-function";
import type { PrivateBucket } from "./private-bucket";

const DAYS = 86_400;

export interface QueueProps {
  readonly queueName: string;
  readonly place: Place;
  /** The bucket whose new objects are announced. */
  readonly source: PrivateBucket;
  /** The objects that are announced: those whose keys begin so. */
  readonly prefix: string;
  /** How long a message stays hidden from others once it is received, in seconds. @default 360 */
  readonly visibilityTimeoutSeconds?: number;
  /** How long a message waits for a consumer, in seconds. @default 14 days, SQS's longest */
  readonly messageRetentionSeconds?: number;
  /** How long a dead letter is kept, in seconds, counted from its first enqueue. @default 14 days */
  readonly deadLetterRetentionSeconds?: number;
  /** Receives without a delete that make a message a dead letter. @default 5 */
  readonly maxReceiveCount?: number;
}

/**
 * The queue on which S3 announces payloads, with its dead-letter queue.
 *
 * Its policy, the bucket's notification and their order are here, since one is of no use without the others: S3
 * tests the policy when the notification is set, and a notification that it may not deliver is lost.
 */
export class Queue extends Construct {
  readonly queue: SqsQueue;
  readonly deadLetterQueue: SqsQueue;
  readonly queueName: string;
  readonly arn: string;
  readonly deadLetterName: string;
  readonly deadLetterArn: string;
  readonly visibilityTimeoutSeconds: number;
  readonly messageRetentionSeconds: number;
  readonly deadLetterRetentionSeconds: number;

  constructor(scope: Construct, id: string, props: QueueProps) {
    super(scope, id);
    const { queueName, place, source, prefix, maxReceiveCount = 5 } = props;
    this.visibilityTimeoutSeconds = props.visibilityTimeoutSeconds ?? 360;
    this.messageRetentionSeconds = props.messageRetentionSeconds ?? 14 * DAYS;
    this.deadLetterRetentionSeconds = props.deadLetterRetentionSeconds ?? 14 * DAYS;
    // Fewer, and a short outage makes dead letters of good messages; more, and a poison message costs too much.
    if (!Number.isInteger(maxReceiveCount) || maxReceiveCount < 5 || maxReceiveCount > 10) {
      throw new ConfigurationError(
        `Queue ${queueName}: maxReceiveCount must be from 5 to 10, not ${maxReceiveCount}.`,
      );
    }
    this.queueName = queueName;
    this.deadLetterName = `${queueName}-dead-letter`;
    this.arn = queueArn(place, queueName);
    this.deadLetterArn = queueArn(place, this.deadLetterName);

    const common = { sqsManagedSseEnabled: true, receiveWaitTimeSeconds: 20 };
    this.deadLetterQueue = new SqsQueue(this, "dead-letter-queue", {
      ...common,
      name: this.deadLetterName,
      messageRetentionSeconds: this.deadLetterRetentionSeconds,
      redriveAllowPolicy: JSON.stringify({ redrivePermission: "byQueue", sourceQueueArns: [this.arn] }),
      policy: policyJson([denyPlainHttp(this.deadLetterArn)]),
    });
    this.queue = new SqsQueue(this, "queue", {
      ...common,
      name: queueName,
      messageRetentionSeconds: this.messageRetentionSeconds,
      visibilityTimeoutSeconds: this.visibilityTimeoutSeconds,
      redrivePolicy: JSON.stringify({ deadLetterTargetArn: this.deadLetterArn, maxReceiveCount }),
      // https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html
      policy: policyJson([
        {
          Sid: "AnnounceObjects",
          Effect: "Allow",
          Principal: { Service: "s3.amazonaws.com" },
          Action: "sqs:SendMessage",
          Resource: this.arn,
          Condition: {
            ArnEquals: { "aws:SourceArn": source.arn },
            StringEquals: { "aws:SourceAccount": place.accountId },
          },
        },
        denyPlainHttp(this.arn),
      ]),
      dependsOn: [this.deadLetterQueue],
    });
    // The one notification resource of the bucket: a second would replace it.
    new S3BucketNotification(this, "notification", {
      bucket: source.bucket.id,
      queue: [{ id: "payloads", queueArn: this.arn, events: ["s3:ObjectCreated:*"], filterPrefix: prefix }],
      dependsOn: [this.queue, source.ready],
    });
  }

  /**
   * Lets a function consume the queue.
   *
   * @param batchSize messages a call, 1 to 10. The function says which of them failed.
   * @throws ConfigurationError where a call may outlast the messages' visibility timeout
   */
  addConsumer(
    consumer: BundledFunction,
    { batchSize = 10 }: { batchSize?: number } = {},
  ): LambdaEventSourceMapping {
    // Lambda takes more only if it may wait for them, which would count into the visibility timeout.
    if (!Number.isInteger(batchSize) || batchSize < 1 || batchSize > 10) {
      throw new ConfigurationError(
        `${consumer.functionName}: batchSize must be from 1 to 10, not ${batchSize}.`,
      );
    }
    // https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    const least = 6 * consumer.timeoutSeconds;
    if (this.visibilityTimeoutSeconds < least) {
      throw new ConfigurationError(
        `The visibility timeout must be at least 6 times the consumer's timeout: ${consumer.functionName} may take ` +
          `${consumer.timeoutSeconds} s, so ${least} s, not ${this.visibilityTimeoutSeconds} s.`,
      );
    }
    const policy = consumer.grant("consume-queue", [consumeStatement(this.arn)]);
    return new LambdaEventSourceMapping(consumer, "queue", {
      eventSourceArn: this.queue.arn,
      functionName: consumer.function.functionName,
      batchSize,
      functionResponseTypes: ["ReportBatchItemFailures"],
      dependsOn: [policy],
    });
  }
}

const denyPlainHttp = (Resource: string): Statement => ({
  Sid: "DenyPlainHttp",
  Effect: "Deny",
  Principal: { AWS: "*" },
  Action: "sqs:*",
  Resource,
  Condition: { Bool: { "aws:SecureTransport": "false" } },
});
