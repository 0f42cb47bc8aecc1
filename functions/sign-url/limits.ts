const GIB = 1024 ** 3;

/**
 * What S3, SQS and we allow, in bytes, seconds or counts: the numbers that the code goes by.
 *
 * S3's own: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
 */
export const LIMITS = {
  /** One PUT, or one part of a multipart upload, in bytes. */
  putBytes: 5 * GIB,
  partsPerUpload: 10_000,
  /** An object put in parts, in bytes: 10,000 parts of 5 GiB, about 50 TB. */
  objectBytes: 10_000 * 5 * GIB,
  /** A key, in bytes of UTF-8: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html */
  keyBytes: 1024,
  /** Names and values of user metadata together, in bytes: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html */
  metadataBytes: 2048,
  /** URLs that one uploadPart answers with: 1,000 keep the answer under API Gateway's and Lambda's 6 MB. */
  partsPerCall: 1000,
  /** A request's body: 1,000 part numbers fit. */
  requestBytes: 16 * 1024,
  /** The body of a request that holds a payload: the base64 of a message's payload fits, and its other fields. */
  sendRequestBytes: 400_000,
  /**
   * A message on the queue, with its attributes: what every version of the provider that we take makes a queue for.
   * Newer ones set 1 MiB: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
   */
  messageBytes: 256 * 1024,
  /** How long a URL lives where the caller does not say, in seconds. */
  defaultExpirySeconds: 100,
  /** The longest a URL may live. The bucket's policy refuses signatures that are older. */
  maxExpirySeconds: 900,
} as const;

/** How long an upload in parts may take, in days: then the bucket drops it. */
export const UPLOAD_DAYS = 1;
/** How long a received message stays hidden from other consumers, where nobody says otherwise, in seconds. */
export const VISIBILITY_TIMEOUT_SECONDS = 360;
