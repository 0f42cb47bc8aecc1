import { CloudwatchEventRule } from "@cdktf/provider-aws/lib/cloudwatch-event-rule";
import { CloudwatchEventTarget } from "@cdktf/provider-aws/lib/cloudwatch-event-target";
import { LambdaEventSourceMapping } from "@cdktf/provider-aws/lib/lambda-event-source-mapping";
import { S3BucketNotification } from "@cdktf/provider-aws/lib/s3-bucket-notification";
import { SqsQueue } from "@cdktf/provider-aws/lib/sqs-queue";
import { Construct } from "constructs";
import { VISIBILITY_TIMEOUT_SECONDS } from "../../functions/sign-url/limits";
import { type Place, bucketArn, queueArn, ruleArn } from "../arns";
import { OBJECT_CREATED, type Statement, consumeStatement, policyJson } from "../policy";
import { ConfigurationError } from "../stage";
import type { BundledFunction } from "./bundled-function";
import type { EncryptionKey } from "./encryption-key";
import type { PrivateBucket } from "./private-bucket";

const DAYS = 86_400;

/** EventBridge's longest, and its default: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html */
const MAX_EVENT_AGE = DAYS;

export interface QueueProps {
  readonly queueName: string;
  readonly place: Place;
  /** The bucket whose new objects are announced. */
  readonly source: PrivateBucket;
  /** The objects that are announced: those whose keys begin so. */
  readonly prefix: string;
  /** The name of a rule of EventBridge that announces them in S3's place. @default S3 announces them itself */
  readonly eventRuleName?: string | undefined;
  /** Whether the queues may be destroyed with their messages. Otherwise Terraform refuses every plan that would. @default false */
  readonly forceDestroy?: boolean;
  /** What messages are encrypted with. @default keys of SQS */
  readonly key?: EncryptionKey | undefined;
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
  /** The rule that announces payloads; undefined where S3 does. */
  readonly eventRuleName: string | undefined;
  readonly visibilityTimeoutSeconds: number;
  readonly messageRetentionSeconds: number;
  readonly deadLetterRetentionSeconds: number;
  /** How long a payload may wait to be announced, in seconds: EventBridge tries for so long, S3 does not say. */
  readonly announcementSeconds: number;
  readonly #key: EncryptionKey | undefined;

  constructor(scope: Construct, id: string, props: QueueProps) {
    super(scope, id);
    const { queueName, place, key, maxReceiveCount = 5, forceDestroy = false } = props;
    this.#key = key;
    this.eventRuleName = props.eventRuleName;
    this.announcementSeconds = props.eventRuleName === undefined ? 0 : MAX_EVENT_AGE;
    this.visibilityTimeoutSeconds = props.visibilityTimeoutSeconds ?? VISIBILITY_TIMEOUT_SECONDS;
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

    const common = {
      ...(key ? { kmsMasterKeyId: key.key.arn } : { sqsManagedSseEnabled: true }),
      receiveWaitTimeSeconds: 20,
      ...(!forceDestroy && { lifecycle: { preventDestroy: true } }),
    };
    this.deadLetterQueue = new SqsQueue(this, "dead-letter-queue", {
      ...common,
      name: this.deadLetterName,
      messageRetentionSeconds: this.deadLetterRetentionSeconds,
      redriveAllowPolicy: JSON.stringify({ redrivePermission: "byQueue", sourceQueueArns: [this.arn] }),
      policy: policyJson([
        // What a rule could not announce. S3 has nothing like it.
        ...(props.eventRuleName === undefined
          ? []
          : [sendingStatement("KeepEvents", props, this.deadLetterArn)]),
        denyPlainHttp(this.deadLetterArn),
      ]),
    });
    this.queue = new SqsQueue(this, "queue", {
      ...common,
      name: queueName,
      messageRetentionSeconds: this.messageRetentionSeconds,
      visibilityTimeoutSeconds: this.visibilityTimeoutSeconds,
      redrivePolicy: JSON.stringify({ deadLetterTargetArn: this.deadLetterArn, maxReceiveCount }),
      policy: policyJson([sendingStatement("AnnounceObjects", props, this.arn), denyPlainHttp(this.arn)]),
      dependsOn: [this.deadLetterQueue],
    });
    if (props.eventRuleName === undefined) this.#notify(props);
    else this.#notifyByRule(props, props.eventRuleName);
  }

  #notify({ source, prefix }: QueueProps): void {
    // The one notification resource of the bucket: a second would replace it.
    new S3BucketNotification(this, "notification", {
      bucket: source.bucket.id,
      queue: [{ id: "payloads", queueArn: this.arn, events: ["s3:ObjectCreated:*"], filterPrefix: prefix }],
      dependsOn: [this.queue, source.ready],
    });
  }

  /**
   * An event that the queue does not take for a day becomes a dead letter, which is what the queue would have got:
   * consumers understand it once it is sent back.
   *
   * https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventBridge.html
   * https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
   */
  #notifyByRule({ source, prefix }: QueueProps, name: string): void {
    const rule = new CloudwatchEventRule(this, "rule", {
      name,
      description: "Announces new payloads on the queue.",
      eventPattern: JSON.stringify({
        source: [OBJECT_CREATED.source],
        "detail-type": [OBJECT_CREATED.detailType],
        detail: { bucket: { name: [source.bucketName] }, object: { key: [{ prefix }] } },
      }),
    });
    const target = new CloudwatchEventTarget(this, "target", {
      rule: rule.name,
      targetId: "queue",
      arn: this.arn,
      deadLetterConfig: { arn: this.deadLetterArn },
      retryPolicy: { maximumEventAgeInSeconds: MAX_EVENT_AGE, maximumRetryAttempts: 185 },
      dependsOn: [this.queue],
    });
    new S3BucketNotification(this, "notification", {
      bucket: source.bucket.id,
      eventbridge: true,
      dependsOn: [target, source.ready],
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
    const policy = consumer.grant("consume-queue", [
      consumeStatement(this.arn),
      ...(this.#key ? [this.#key.useStatement("decrypt", ["sqs"])] : []),
    ]);
    return new LambdaEventSourceMapping(consumer, "queue", {
      eventSourceArn: this.queue.arn,
      functionName: consumer.function.functionName,
      batchSize,
      functionResponseTypes: ["ReportBatchItemFailures"],
      dependsOn: [policy],
    });
  }
}

/** The service that announces a bucket's objects: S3, or EventBridge by a rule. */
export const announcer = (eventRuleName: string | undefined): string =>
  `${eventRuleName === undefined ? "s3" : "events"}.amazonaws.com`;

/**
 * Lets the service that announces a bucket's objects send to a queue, for this bucket or rule of this account.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html
 * https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-sqs-permissions
 */
const sendingStatement = (
  Sid: string,
  { place, source, eventRuleName }: Pick<QueueProps, "place" | "source" | "eventRuleName">,
  Resource: string,
): Statement => ({
  Sid,
  Effect: "Allow",
  Principal: { Service: announcer(eventRuleName) },
  Action: "sqs:SendMessage",
  Resource,
  Condition: {
    ArnEquals: {
      "aws:SourceArn":
        eventRuleName === undefined ? bucketArn(source.bucketName) : ruleArn(place, eventRuleName),
    },
    StringEquals: { "aws:SourceAccount": place.accountId },
  },
});

const denyPlainHttp = (Resource: string): Statement => ({
  Sid: "DenyPlainHttp",
  Effect: "Deny",
  Principal: { AWS: "*" },
  Action: "sqs:*",
  Resource,
  Condition: { Bool: { "aws:SecureTransport": "false" } },
});
