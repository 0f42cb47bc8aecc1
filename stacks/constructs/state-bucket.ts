import type { Construct } from "constructs";
import { type Place, bucketArn, roleArn } from "../arns";
import type { AccessLogBucket } from "./access-log-bucket";
import { PrivateBucket } from "./private-bucket";

export interface StateBucketProps {
  readonly bucketName: string;
  readonly place: Place;
  readonly accessLogs: AccessLogBucket;
  /** The names of the roles of this account that programs assume, with wildcards. */
  readonly roleNames: readonly string[];
}

/**
 * The bucket that Terraform's states live in. Every state that ever was is kept for 90 days, and the last 20 of each stack
 * for longer: nobody may delete a version, and no role of ours may change what keeps them.
 */
export class StateBucket extends PrivateBucket {
  constructor(scope: Construct, id: string, props: StateBucketProps) {
    const arn = bucketArn(props.bucketName);
    const deny = { Effect: "Deny", Principal: { AWS: "*" } } as const;
    super(scope, id, {
      bucketName: props.bucketName,
      noncurrentDays: 90,
      noncurrentVersions: 20,
      accessLogs: props.accessLogs,
      statements: [
        {
          // S3's own lifecycle is not asked. A delete without a version's id only hides what is there.
          ...deny,
          Sid: "DenyHistoryLoss",
          Action: ["s3:DeleteObjectVersion", "s3:DeleteBucket"],
          Resource: [arn, `${arn}/*`],
        },
        {
          // Whoever bootstraps applies these settings, by hand: pipelines and functions have no business with them.
          ...deny,
          Sid: "DenyTampering",
          Action: [
            "s3:PutLifecycleConfiguration",
            "s3:PutBucketVersioning",
            "s3:PutBucketPolicy",
            "s3:DeleteBucketPolicy",
            "s3:PutBucketPublicAccessBlock",
            "s3:PutEncryptionConfiguration",
            "s3:PutBucketLogging",
          ],
          Resource: arn,
          Condition: {
            ArnLike: { "aws:PrincipalArn": props.roleNames.map((name) => roleArn(props.place, name)) },
          },
        },
      ],
    });
  }
}
