/*
 * S3's events, as it names them itself and as EventBridge does. Only a documented event may be ignored: a message that
 * is deleted is lost.
 */

/** A created object: Put, Post, Copy, CompleteMultipartUpload, or a way that S3 adds. Others prefix it with s3:. */
export const isCreation = (eventName: string): boolean => /^(s3:)?ObjectCreated:\w+$/.test(eventName);

/**
 * Events that announce no new payload.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
 */
const OTHER_EVENTS: ReadonlySet<string> = new Set([
  "IntelligentTiering",
  "LifecycleExpiration:Delete",
  "LifecycleExpiration:DeleteMarkerCreated",
  "LifecycleTransition",
  "ObjectAcl:Put",
  "ObjectAnnotation:Delete",
  "ObjectAnnotation:Put",
  "ObjectRemoved:Delete",
  "ObjectRemoved:DeleteMarkerCreated",
  "ObjectRestore:Completed",
  "ObjectRestore:Delete",
  "ObjectRestore:Post",
  "ObjectRetention:Put",
  "ObjectTagging:Delete",
  "ObjectTagging:Put",
  "ReducedRedundancyLostObject",
  "Replication:OperationFailedReplication",
  "Replication:OperationMissedThreshold",
  "Replication:OperationNotTracked",
  "Replication:OperationReplicatedAfterThreshold",
]);

/** Whether S3 documents an event that announces no new payload. */
export const isOtherEvent = (eventName: string): boolean => OTHER_EVENTS.has(eventName.replace(/^s3:/, ""));

/** A created object, as EventBridge names it. */
export const CREATED_DETAIL_TYPE = "Object Created";

/**
 * EventBridge's events of S3 that announce no new payload. CloudTrail's events of S3 are none of them.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventBridge.html
 */
export const OTHER_DETAIL_TYPES: readonly string[] = [
  "Object Access Tier Changed",
  "Object ACL Updated",
  "Object Deleted",
  "Object Restore Completed",
  "Object Restore Expired",
  "Object Restore Initiated",
  "Object Storage Class Changed",
  "Object Tags Added",
  "Object Tags Deleted",
];
