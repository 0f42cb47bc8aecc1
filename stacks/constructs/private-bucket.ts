import { S3Bucket } from "@cdktf/provider-aws/lib/s3-bucket";
import {
  S3BucketCorsConfiguration,
  type S3BucketCorsConfigurationCorsRule,
} from "@cdktf/provider-aws/lib/s3-bucket-cors-configuration";
import { S3BucketLifecycleConfiguration } from "@cdktf/provider-aws/lib/s3-bucket-lifecycle-configuration";
import { S3BucketLoggingA } from "@cdktf/provider-aws/lib/s3-bucket-logging";
import { S3BucketOwnershipControls } from "@cdktf/provider-aws/lib/s3-bucket-ownership-controls";
import { S3BucketPolicy } from "@cdktf/provider-aws/lib/s3-bucket-policy";
import { S3BucketPublicAccessBlock } from "@cdktf/provider-aws/lib/s3-bucket-public-access-block";
import { S3BucketServerSideEncryptionConfigurationA } from "@cdktf/provider-aws/lib/s3-bucket-server-side-encryption-configuration";
import { S3BucketVersioningA } from "@cdktf/provider-aws/lib/s3-bucket-versioning";
import type { ITerraformDependable, TerraformResource } from "cdktf";
import { Construct } from "constructs";
import { UPLOAD_DAYS } from "../../functions/sign-url/limits";
import { bucketArn } from "../arns";
import { type Statement, policyJson } from "../policy";
import type { EncryptionKey } from "./encryption-key";

export interface PrivateBucketProps {
  /** Without dots: a bucket's name is part of a host name that a wildcard certificate must cover. */
  readonly bucketName: string;
  /** Days that an object is kept. @default for ever */
  readonly expirationDays?: number;
  /** Days that a version is kept once it is deleted or written over. @default 7 */
  readonly noncurrentDays?: number;
  /** Such versions of each key that are kept whatever their age. @default none */
  readonly noncurrentVersions?: number;
  /** Whether the bucket is deleted with its objects. Otherwise Terraform refuses every plan that would destroy it. @default false */
  readonly forceDestroy?: boolean;
  /** Statements beside those that every bucket has. */
  readonly statements?: readonly Statement[];
  /** The bucket that S3 writes this one's access logs to, under this one's name. @default no access logs */
  readonly accessLogs?: PrivateBucket;
  /** What objects are encrypted with. @default keys of S3 */
  readonly key?: EncryptionKey | undefined;
  /** Who may call from a browser. @default nobody */
  readonly corsRules?: S3BucketCorsConfigurationCorsRule[];
}

/**
 * A bucket that nobody sees from outside: public access blocked, ACLs off, encrypted, versioned, TLS 1.2 or better
 * and Signature Version 4 only, expiring.
 *
 * S3 answers OperationAborted to two changes of one bucket at once, so its settings are applied one by one; use
 * {@link ready} for what comes after.
 */
export class PrivateBucket extends Construct {
  readonly bucket: S3Bucket;
  readonly bucketName: string;
  readonly arn: string;
  /** The last of the settings. */
  readonly ready: ITerraformDependable;

  constructor(scope: Construct, id: string, props: PrivateBucketProps) {
    super(scope, id);
    const {
      bucketName,
      expirationDays,
      noncurrentDays = 7,
      noncurrentVersions,
      forceDestroy = false,
    } = props;
    this.bucketName = bucketName;
    this.arn = bucketArn(bucketName);
    this.bucket = new S3Bucket(this, "bucket", {
      bucket: bucketName,
      forceDestroy,
      ...(!forceDestroy && { lifecycle: { preventDestroy: true } }),
    });

    let last: TerraformResource = this.bucket;
    // The reference makes Terraform wait for the bucket, dependsOn for the setting before.
    const next = () => ({ bucket: this.bucket.id, dependsOn: [last] });

    last = new S3BucketPublicAccessBlock(this, "public-access-block", {
      ...next(),
      blockPublicAcls: true,
      blockPublicPolicy: true,
      ignorePublicAcls: true,
      restrictPublicBuckets: true,
    });
    last = new S3BucketOwnershipControls(this, "ownership", {
      ...next(),
      rule: { objectOwnership: "BucketOwnerEnforced" },
    });
    last = new S3BucketServerSideEncryptionConfigurationA(this, "encryption", {
      ...next(),
      rule: [
        props.key
          ? {
              applyServerSideEncryptionByDefault: {
                sseAlgorithm: "aws:kms",
                kmsMasterKeyId: props.key.key.arn,
              },
              // One call of KMS for many objects: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html
              bucketKeyEnabled: true,
            }
          : { applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } },
      ],
    });
    last = new S3BucketVersioningA(this, "versioning", {
      ...next(),
      versioningConfiguration: { status: "Enabled" },
    });
    last = new S3BucketPolicy(this, "policy", {
      ...next(),
      policy: policyJson([...this.commonStatements(), ...(props.statements ?? [])]),
    });
    last = new S3BucketLifecycleConfiguration(this, "lifecycle", {
      ...next(),
      rule: [
        // Parts of an upload that nobody completes are invisible, and paid for.
        {
          id: "abort-multipart-uploads",
          status: "Enabled",
          filter: [{}],
          abortIncompleteMultipartUpload: [{ daysAfterInitiation: UPLOAD_DAYS }],
        },
        {
          id: "expire-objects",
          status: "Enabled",
          filter: [{}],
          ...(expirationDays !== undefined && { expiration: [{ days: expirationDays }] }),
          noncurrentVersionExpiration: [
            {
              noncurrentDays,
              ...(noncurrentVersions !== undefined && { newerNoncurrentVersions: noncurrentVersions }),
            },
          ],
        },
        {
          id: "expire-delete-markers",
          status: "Enabled",
          filter: [{}],
          expiration: [{ expiredObjectDeleteMarker: true }],
        },
      ],
    });
    if (props.corsRules) {
      last = new S3BucketCorsConfiguration(this, "cors", { ...next(), corsRule: props.corsRules });
    }
    if (props.accessLogs) {
      const { dependsOn, ...target } = next();
      last = new S3BucketLoggingA(this, "access-logs", {
        ...target,
        dependsOn: [...dependsOn, props.accessLogs.ready],
        targetBucket: props.accessLogs.bucket.id,
        targetPrefix: `${bucketName}/`,
      });
    }
    this.ready = last;
  }

  private commonStatements(): Statement[] {
    const objects = `${this.arn}/*`;
    const deny = (Sid: string, Condition: NonNullable<Statement["Condition"]>): Statement => ({
      Sid,
      Effect: "Deny",
      Principal: { AWS: "*" },
      Action: "s3:*",
      Resource: [this.arn, objects],
      Condition,
    });
    return [
      deny("DenyPlainHttp", { Bool: { "aws:SecureTransport": "false" } }),
      deny("DenyOldTls", { NumericLessThan: { "s3:TlsVersion": "1.2" } }),
      // "AWS" is what S3 calls Signature Version 2.
      deny("DenySignatureVersion2", { StringEquals: { "s3:signatureversion": "AWS" } }),
      {
        // An object under a customer's own key is one that no consumer can read.
        ...deny("DenyCustomerKeys", {
          Null: { "s3:x-amz-server-side-encryption-customer-algorithm": "false" },
        }),
        Action: "s3:PutObject",
        Resource: objects,
      },
    ];
  }
}
