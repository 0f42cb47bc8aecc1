import { Cloudtrail } from "@cdktf/provider-aws/lib/cloudtrail";
import { Construct } from "constructs";
import { type Place, bucketArn, trailArn } from "../arns";
import type { AccessLogBucket } from "./access-log-bucket";
import { PrivateBucket } from "./private-bucket";

export interface TrailProps {
  readonly trailName: string;
  readonly place: Place;
  /** The bucket whose objects' reads and writes are recorded. */
  readonly source: PrivateBucket;
  /** The name of the trail's own bucket. */
  readonly bucketName: string;
  readonly accessLogs: AccessLogBucket;
  /** @default false */
  readonly forceDestroy?: boolean;
}

/** A trail of every read and write of a bucket's objects, in a bucket of its own, kept for 365 days. */
export class Trail extends Construct {
  readonly trail: Cloudtrail;
  readonly logBucket: PrivateBucket;
  readonly arn: string;

  constructor(scope: Construct, id: string, props: TrailProps) {
    super(scope, id);
    const { trailName, place, source, bucketName, accessLogs, forceDestroy } = props;
    this.arn = trailArn(place, trailName);

    // https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html
    const principal = { Service: "cloudtrail.amazonaws.com" };
    this.logBucket = new PrivateBucket(this, "log-bucket", {
      bucketName,
      expirationDays: 365,
      ...(forceDestroy !== undefined && { forceDestroy }),
      accessLogs,
      statements: [
        {
          Sid: "TrailReadsAcl",
          Effect: "Allow",
          Principal: principal,
          Action: "s3:GetBucketAcl",
          Resource: bucketArn(bucketName),
          Condition: { StringEquals: { "aws:SourceArn": this.arn } },
        },
        {
          Sid: "TrailWrites",
          Effect: "Allow",
          Principal: principal,
          Action: "s3:PutObject",
          Resource: `${bucketArn(bucketName)}/AWSLogs/${place.accountId}/*`,
          Condition: {
            StringEquals: { "aws:SourceArn": this.arn, "s3:x-amz-acl": "bucket-owner-full-control" },
          },
        },
      ],
    });
    this.trail = new Cloudtrail(this, "trail", {
      name: trailName,
      s3BucketName: this.logBucket.bucket.id,
      enableLogFileValidation: true,
      includeGlobalServiceEvents: false,
      eventSelector: [
        {
          readWriteType: "All",
          includeManagementEvents: false,
          // With the slash: without it, buckets whose names begin with this one's would be recorded too.
          dataResource: [{ type: "AWS::S3::Object", values: [`${source.arn}/`] }],
        },
      ],
      dependsOn: [this.logBucket.ready],
    });
  }
}
