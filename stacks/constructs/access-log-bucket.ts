import type { Construct } from "constructs";
import { bucketArn } from "../arns";
import { PrivateBucket } from "./private-bucket";

export interface AccessLogBucketProps {
  readonly bucketName: string;
  readonly accountId: string;
  /** The names of the buckets whose access logs come here. */
  readonly sources: readonly string[];
  /** @default false */
  readonly forceDestroy?: boolean;
}

/** The bucket that S3 writes the other buckets' access logs to, kept for 365 days. Its own accesses are not logged. */
export class AccessLogBucket extends PrivateBucket {
  constructor(
    scope: Construct,
    id: string,
    { bucketName, accountId, sources, forceDestroy }: AccessLogBucketProps,
  ) {
    super(scope, id, {
      bucketName,
      expirationDays: 365,
      ...(forceDestroy !== undefined && { forceDestroy }),
      // https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
      statements: sources.map((source, index) => ({
        Sid: `AccessLogs${index + 1}`,
        Effect: "Allow",
        Principal: { Service: "logging.s3.amazonaws.com" },
        Action: "s3:PutObject",
        Resource: `${bucketArn(bucketName)}/${source}/*`,
        Condition: {
          ArnLike: { "aws:SourceArn": bucketArn(source) },
          StringEquals: { "aws:SourceAccount": accountId },
        },
      })),
    });
  }
}
