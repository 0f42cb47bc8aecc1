import { randomUUID } from "node:crypto";
import { encodeKey } from "../../client/consume/contents";
import { type Policy, assertSupported, isAllowed } from "../iam";
import type { CreatedObject } from "./s3";
import type { BucketNotification, Stack, StackBucket, StackQueue } from "../stack/stack";

const matches = (pattern: string, event: string) =>
  pattern.endsWith("*") ? event.startsWith(pattern.slice(0, -1)) : event === pattern;

/** The notifications of a bucket that an object's creation raises. */
export function notificationsFor(
  bucket: StackBucket,
  { key, eventName }: CreatedObject,
): BucketNotification[] {
  return bucket.notifications.filter(
    ({ events, prefix, suffix }) =>
      key.startsWith(prefix) &&
      key.endsWith(suffix) &&
      events.some((event) => matches(event, `s3:${eventName}`)),
  );
}

let counter = 0;

/** Orders the events of a key: 16 hexadecimal digits that only grow, within a process and from one to the next. */
function sequencer(): string {
  counter += 1;
  return (BigInt(Date.now()) * 65_536n + BigInt(counter % 65_536))
    .toString(16)
    .toUpperCase()
    .padStart(16, "0");
}

/** The message that S3 sends: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html */
export function objectCreatedMessage(
  { region, accountId }: Stack,
  { arn, name }: StackBucket,
  { key, size, eTag, versionId, eventName }: CreatedObject,
  configurationId: string,
): string {
  return JSON.stringify({
    Records: [
      {
        eventVersion: "2.1",
        eventSource: "aws:s3",
        awsRegion: region,
        eventTime: new Date().toISOString(),
        eventName,
        userIdentity: { principalId: accountId },
        requestParameters: { sourceIPAddress: "127.0.0.1" },
        responseElements: { "x-amz-request-id": randomUUID(), "x-amz-id-2": randomUUID() },
        s3: {
          s3SchemaVersion: "1.0",
          configurationId,
          bucket: { name, ownerIdentity: { principalId: accountId }, arn },
          object: {
            key: encodeKey(key),
            size,
            eTag,
            ...(versionId && { versionId }),
            sequencer: sequencer(),
          },
        },
      },
    ],
  });
}

/** A creation, as EventBridge's events give the reason for it. */
const REASONS: Readonly<Record<string, string>> = {
  "ObjectCreated:Put": "PutObject",
  "ObjectCreated:Post": "POST Object",
  "ObjectCreated:CompleteMultipartUpload": "CompleteMultipartUpload",
};

/** The event that EventBridge sends: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html */
export function objectCreatedEvent(
  { region, accountId }: Stack,
  { arn, name }: StackBucket,
  { key, size, eTag, versionId, eventName }: CreatedObject,
): string {
  return JSON.stringify({
    version: "0",
    id: randomUUID(),
    "detail-type": "Object Created",
    source: "aws.s3",
    account: accountId,
    time: new Date().toISOString().replace(/\.\d+Z$/, "Z"),
    region,
    resources: [arn],
    detail: {
      version: "0",
      bucket: { name },
      object: {
        key,
        size,
        etag: eTag,
        ...(versionId && { "version-id": versionId }),
        sequencer: sequencer(),
      },
      "request-id": randomUUID(),
      requester: accountId,
      "source-ip-address": "127.0.0.1",
      reason: REASONS[eventName],
    },
  });
}

/** What S3 sends to a queue when a notification to it is set, to see that it may. */
export function testMessage(bucketName: string): string {
  return JSON.stringify({
    Service: "Amazon S3",
    Event: "s3:TestEvent",
    Time: new Date().toISOString(),
    Bucket: bucketName,
    RequestId: randomUUID(),
    HostId: randomUUID(),
  });
}

/**
 * Refuses a notification that S3 could not deliver, as S3 does when it is set.
 *
 * @throws Error that names the bucket and the queue
 */
export function assertDeliverable({ accountId, queues }: Stack, bucket: StackBucket): void {
  for (const { queueArn, ruleArn, deadLetterArn } of bucket.notifications) {
    for (const sentTo of deadLetterArn === undefined ? [queueArn] : [queueArn, deadLetterArn]) {
      const queue = queues.find(({ arn }) => arn === sentTo);
      if (!queue)
        throw new Error(`The bucket ${bucket.name} announces to ${sentTo}, which is not in this stack.`);
      const [service, sender] = ruleArn ? ["events", "the rule for"] : ["s3", "the bucket"];
      if (!maySend(queue, `${service}.amazonaws.com`, ruleArn ?? bucket.arn, accountId)) {
        throw new Error(
          `The policy of the queue ${queue.name} does not let ${sender} ${bucket.name} send to it.`,
        );
      }
    }
  }
}

const SQS_CONDITION_KEYS = ["aws:SourceArn", "aws:SourceAccount", "aws:SecureTransport"];

function maySend(
  { arn, name, policy }: StackQueue,
  service: string,
  sourceArn: string,
  accountId: string,
): boolean {
  assertSupported(policy satisfies Policy, SQS_CONDITION_KEYS, `The policy of the queue ${name}`);
  return isAllowed([policy], {
    principal: { service },
    action: "sqs:SendMessage",
    resource: arn,
    context: { "aws:SourceArn": sourceArn, "aws:SourceAccount": accountId, "aws:SecureTransport": "true" },
  });
}
