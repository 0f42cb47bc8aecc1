import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { LIMITS } from "../../functions/sign-url/limits";
import { ACTIONS, ROLES } from "../../functions/sign-url/actions";
import { actionReference } from "../permissions/reference";
import { faultsOfPolicy } from "../permissions/statements";
import { type Resource, statements, text } from "../stacks/tools";
import { type Attributes, type Deployment, type Example, gone, refer, set } from "./deployment";
import {
  DAY,
  accessLogBuckets,
  actionsOf,
  all,
  bucketArnOf,
  bucketPolicy,
  conditionOf,
  contentBuckets,
  deadLetterQueues,
  definitionBecomes,
  definitionOf,
  denies,
  isOfThisAccount,
  lifecycleOf,
  list,
  methodSettingsOf,
  operationsOf,
  policyOf,
  queueArnOf,
  redriveOf,
  retentionOf,
  rightsOf,
  roleOf,
  settingOf,
  signers,
  statementBecomes,
  stringOf,
  trailBuckets,
  withAlso,
  without,
  workQueues,
} from "./read";

/** What must hold of every deployment, and proof that it would be seen if it did not. */
export interface Rule {
  readonly id: string;
  readonly says: string;
  /**
   * Where it comes from: controls of AWS Security Hub (most are of its Foundational Security Best Practices), cdk-nag,
   * checkov and trivy, or the page that says why. A scanner's id says what the rule is about, not that the scanner
   * would find what the rule finds.
   */
  readonly from: readonly string[];
  /** The app that has something that it is about. @default the stages' */
  readonly app?: "bootstrap";
  /** What it is about. */
  readonly of: (deployment: Deployment) => readonly Resource[];
  readonly holds: (resource: Resource, deployment: Deployment) => boolean;
  readonly examples: readonly [Example, ...Example[]];
}

/** An example: a construct's resource with other attributes. @param finds the constructs that are found; the changed one */
const mistake = (
  what: string,
  at: string,
  become: Example["become"],
  finds: readonly string[] = [at],
): Example => ({ what, at, become, finds });

const inBootstrap = (example: Example): Example => ({ ...example, of: "bootstrap" });

/** An example: a resource that should not be there. */
const addition = (
  what: string,
  adds: string,
  at: string,
  become: Example["become"],
  finds?: readonly string[],
): Example => ({ ...mistake(what, at, become, finds), adds });

/** The addresses of what breaks a rule. */
export const findings = ({ of, holds }: Rule, deployment: Deployment): readonly string[] =>
  of(deployment)
    .filter((resource) => !holds(resource, deployment))
    .map(({ address }) => address);

const S3_GUIDE = "https://docs.aws.amazon.com/AmazonS3/latest/userguide";
const SQS_GUIDE = "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide";
const API_GUIDE = "https://docs.aws.amazon.com/apigateway/latest/developerguide";
const SIGV4_CONDITIONS =
  "https://docs.aws.amazon.com/AmazonS3/latest/API/bucket-policy-s3-sigv4-conditions.html";

const PREVENT_DESTROY =
  "https://developer.hashicorp.com/terraform/language/meta-arguments/lifecycle#prevent_destroy";

/** Whether Terraform refuses every plan that would destroy a resource. */
const isKept = ({ lifecycle }: Attributes) =>
  (lifecycle as Attributes | undefined)?.["prevent_destroy"] === true;

const buckets = all("aws_s3_bucket");
const functions = all("aws_lambda_function");
const apis = all("aws_api_gateway_rest_api");

const objectsOf = (bucket: Resource) => `${bucketArnOf(bucket)}/*`;

/** A bucket and its objects. */
const whole = (bucket: Resource) => [bucketArnOf(bucket), objectsOf(bucket)];

/** A rule that a bucket's policy denies everybody something. */
const bucketDenies = (
  rule: Pick<Rule, "id" | "says" | "from">,
  sid: string,
  action: string,
  condition: object,
): Rule => ({
  ...rule,
  of: buckets,
  holds: (bucket, { stack }) => {
    const resources = action === "s3:*" ? whole(bucket) : [objectsOf(bucket)];
    return denies(bucketPolicy(stack, bucket), action, resources, condition);
  },
  examples: [
    {
      what: "a policy without it",
      at: "content/policy",
      become: without(sid),
      finds: ["content/bucket"],
    },
    {
      what: "a policy that spares the objects",
      at: "trail/log-bucket/policy",
      become: (attributes) => {
        const arn = String(attributes["policy"]).match(/"Resource":\["([^"]*)"/)?.[1];
        return statementBecomes(sid, { Resource: arn })(attributes);
      },
      finds: ["trail/log-bucket/bucket"],
    },
    {
      what: "no policy at all",
      at: "access-logs/policy",
      become: gone,
      finds: ["access-logs/bucket"],
    },
  ],
});

const BUCKETS: readonly Rule[] = [
  {
    id: "bucket-public-access",
    says: "A bucket blocks public access in all four ways",
    from: [
      "Security Hub S3.8",
      "cdk-nag AwsSolutions-S2",
      "checkov CKV_AWS_53, CKV_AWS_54, CKV_AWS_55, CKV_AWS_56",
      "trivy AVD-AWS-0086, AVD-AWS-0087, AVD-AWS-0091, AVD-AWS-0093",
    ],
    of: buckets,
    holds: (bucket, { stack }) => {
      const settings = settingOf(stack, bucket, "aws_s3_bucket_public_access_block");
      return [
        "block_public_acls",
        "block_public_policy",
        "ignore_public_acls",
        "restrict_public_buckets",
      ].every((way) => settings[way] === true);
    },
    examples: [
      mistake(
        "a bucket whose policy may be public",
        "content/public-access-block",
        set({ block_public_policy: false }),
        ["content/bucket"],
      ),
      mistake("a bucket without the block", "trail/log-bucket/public-access-block", gone, [
        "trail/log-bucket/bucket",
      ]),
      addition(
        "one bucket more, with nothing said of it",
        "aws_s3_bucket",
        "other",
        set({ bucket: "other" }),
      ),
    ],
  },
  {
    id: "bucket-acls-off",
    says: "A bucket has its ACLs off: its owner owns what others write",
    from: ["Security Hub S3.12", "checkov CKV2_AWS_65"],
    of: buckets,
    holds: (bucket, { stack }) =>
      isDeepStrictEqual(settingOf(stack, bucket, "aws_s3_bucket_ownership_controls")["rule"], {
        object_ownership: "BucketOwnerEnforced",
      }) && stack.referringTo(bucket, "bucket", "aws_s3_bucket_acl").length === 0,
    examples: [
      mistake(
        "a bucket whose writers own what they write",
        "content/ownership",
        set({ rule: { object_ownership: "ObjectWriter" } }),
        ["content/bucket"],
      ),
    ],
  },
  {
    id: "bucket-encryption",
    says: "A bucket says how it encrypts: with S3's keys or with one of KMS",
    from: ["checkov CKV_AWS_19", "trivy AVD-AWS-0088"],
    of: buckets,
    holds: (bucket, { stack }) => {
      const { rule } = settingOf(stack, bucket, "aws_s3_bucket_server_side_encryption_configuration");
      const [first] = (rule ?? []) as {
        apply_server_side_encryption_by_default?: { sse_algorithm: string; kms_master_key_id?: string };
      }[];
      const { sse_algorithm: algorithm, kms_master_key_id: key } =
        first?.apply_server_side_encryption_by_default ?? {};
      return algorithm === "AES256" || (algorithm === "aws:kms" && key !== undefined);
    },
    examples: [mistake("a bucket that does not say", "access-logs/encryption", gone, ["access-logs/bucket"])],
  },
  {
    id: "bucket-versioning",
    says: "A bucket keeps versions, so that nothing is lost by writing over it",
    from: ["Security Hub S3.14", "checkov CKV_AWS_21", "trivy AVD-AWS-0090"],
    of: buckets,
    holds: (bucket, { stack }) =>
      isDeepStrictEqual(settingOf(stack, bucket, "aws_s3_bucket_versioning")["versioning_configuration"], {
        status: "Enabled",
      }),
    examples: [
      mistake(
        "versions that are suspended",
        "content/versioning",
        set({ versioning_configuration: { status: "Suspended" } }),
        ["content/bucket"],
      ),
    ],
  },
  bucketDenies(
    {
      id: "bucket-tls",
      says: "A bucket refuses plain HTTP, whoever asks",
      from: ["Security Hub S3.5", "cdk-nag AwsSolutions-S10"],
    },
    "DenyPlainHttp",
    "s3:*",
    { Bool: { "aws:SecureTransport": "false" } },
  ),
  bucketDenies(
    {
      id: "bucket-tls-version",
      says: "A bucket refuses TLS before 1.2",
      from: [`${S3_GUIDE}/amazon-s3-policy-keys.html`],
    },
    "DenyOldTls",
    "s3:*",
    { NumericLessThan: { "s3:TlsVersion": "1.2" } },
  ),
  bucketDenies(
    {
      id: "bucket-signature-version",
      says: "A bucket refuses Signature Version 2, which binds no headers",
      from: [SIGV4_CONDITIONS],
    },
    "DenySignatureVersion2",
    "s3:*",
    { StringEquals: { "s3:signatureversion": "AWS" } },
  ),
  bucketDenies(
    {
      id: "bucket-customer-keys",
      says: "A bucket refuses objects under a customer's own key, which nobody else could read",
      from: [`${S3_GUIDE}/ServerSideEncryptionCustomerKeys.html`],
    },
    "DenyCustomerKeys",
    "s3:PutObject",
    { Null: { "s3:x-amz-server-side-encryption-customer-algorithm": "false" } },
  ),
  {
    id: "bucket-policy-closed",
    says: "A bucket's policy lets nobody in but AWS's services, for this account's sources, with no wildcard of actions",
    from: ["Security Hub S3.2, S3.3, S3.6", "checkov CKV_AWS_70"],
    of: buckets,
    holds: (bucket, { stack, accountId }) =>
      bucketPolicy(stack, bucket)
        .filter(({ Effect }) => Effect === "Allow")
        .every(
          (statement) =>
            isOfThisAccount(statement, accountId) &&
            !list(statement.Action).some((action) => action.includes("*")),
        ),
    examples: [
      mistake(
        "a policy that lets everybody read",
        "content/policy",
        withAlso({
          Sid: "Everybody",
          Effect: "Allow",
          Principal: { AWS: "*" },
          Action: "s3:GetObject",
          Resource: "arn:aws:s3:::x/*",
        }),
        ["content/bucket"],
      ),
      mistake(
        "a policy that lets another account read",
        "content/policy",
        withAlso({
          Sid: "Other",
          Effect: "Allow",
          Principal: { AWS: "arn:aws:iam::999999999999:root" },
          Action: "s3:GetObject",
          Resource: "arn:aws:s3:::x/*",
        }),
        ["content/bucket"],
      ),
      mistake(
        "logs of anybody's trail",
        "trail/log-bucket/policy",
        statementBecomes("TrailWrites", {
          Condition: { StringEquals: { "s3:x-amz-acl": "bucket-owner-full-control" } },
        }),
        ["trail/log-bucket/bucket"],
      ),
      mistake(
        "access logs of a bucket that another account may have by now",
        "access-logs/policy",
        statementBecomes("AccessLogs1", {
          Condition: { ArnLike: { "aws:SourceArn": "arn:aws:s3:::tweedle-test-content" } },
        }),
        ["access-logs/bucket"],
      ),
    ],
  },
  {
    id: "bucket-aborts-uploads",
    says: "A bucket drops the parts of uploads that nobody completes, whatever their keys, within a week",
    from: ["Security Hub S3.13", "checkov CKV_AWS_300"],
    of: buckets,
    holds: (bucket, { stack }) => (lifecycleOf(stack, bucket).abortDays ?? Infinity) <= 7,
    examples: [
      mistake(
        "a rule for some keys only",
        "content/lifecycle",
        (attributes) => ({
          ...attributes,
          rule: (attributes["rule"] as object[]).map((rule) => ({ ...rule, filter: [{ prefix: "input/" }] })),
        }),
        ["content/bucket"],
      ),
      mistake(
        "a rule that is switched off",
        "trail/log-bucket/lifecycle",
        (attributes) => ({
          ...attributes,
          rule: (attributes["rule"] as object[]).map((rule) => ({ ...rule, status: "Disabled" })),
        }),
        ["trail/log-bucket/bucket"],
      ),
    ],
  },
  {
    id: "bucket-expires",
    says: "A bucket expires old versions and delete markers: how long objects are kept is each bucket's own",
    from: ["Security Hub S3.10, S3.13", "checkov CKV2_AWS_61"],
    of: buckets,
    holds: (bucket, { stack }) => {
      const { noncurrentDays, deleteMarkers } = lifecycleOf(stack, bucket);
      return noncurrentDays !== undefined && deleteMarkers === true;
    },
    examples: [
      mistake(
        "old versions that are kept for ever",
        "content/lifecycle",
        (attributes) => ({
          ...attributes,
          rule: (attributes["rule"] as Attributes[]).map(
            ({ noncurrent_version_expiration: _, ...rule }) => rule,
          ),
        }),
        ["content/bucket"],
      ),
    ],
  },
  {
    id: "bucket-access-logs",
    says: "A bucket has its accesses logged to another bucket, unless it holds the logs",
    from: [
      "Security Hub S3.9, CloudTrail.7",
      "cdk-nag AwsSolutions-S1",
      "checkov CKV_AWS_18",
      "trivy AVD-AWS-0089",
    ],
    of: buckets,
    holds: (bucket, deployment) => {
      const target = stringOf(settingOf(deployment.stack, bucket, "aws_s3_bucket_logging"), "target_bucket");
      const logs = target === undefined ? undefined : deployment.stack.referred(target);
      return accessLogBuckets(deployment).includes(bucket) ? logs !== bucket : logs !== undefined;
    },
    examples: [
      mistake("a content bucket without them", "content/access-logs", gone, ["content/bucket"]),
      mistake(
        "a bucket that logs into itself, for ever",
        "trail/log-bucket/access-logs",
        (attributes) => ({ ...attributes, target_bucket: attributes["bucket"] }),
        ["trail/log-bucket/bucket"],
      ),
    ],
  },
  {
    id: "bucket-name",
    says: "A bucket's name has no dots, which no wildcard certificate covers",
    from: [`${S3_GUIDE}/bucketnamingrules.html`],
    of: buckets,
    holds: (bucket) => /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(text(bucket, "bucket")),
    examples: [mistake("a name with dots", "content/bucket", set({ bucket: "a.b.c" }))],
  },
  {
    id: "bucket-kept",
    says: "A bucket is not destroyed, and not emptied for it, but on a stage that nobody would miss: a plan that would is refused",
    from: [
      "https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/s3_bucket",
      PREVENT_DESTROY,
    ],
    of: buckets,
    holds: ({ attributes }, { throwAway }) =>
      throwAway || (attributes["force_destroy"] !== true && isKept(attributes)),
    examples: [
      mistake("a bucket that is emptied", "content/bucket", set({ force_destroy: true })),
      mistake(
        "a bucket that is refused last, when all else is gone",
        "content/bucket",
        set({ lifecycle: undefined }),
      ),
    ],
  },
  {
    id: "bucket-one-by-one",
    says: "A bucket's settings are applied one after the other: S3 refuses two at once",
    from: [`${S3_GUIDE}/troubleshooting.html`],
    of: buckets,
    holds: (bucket, { stack }) =>
      stack
        .referringTo(bucket, "bucket")
        .every((one, index, settings) =>
          settings.slice(index + 1).every((other) => stack.follows(one, other) || stack.follows(other, one)),
        ),
    examples: [mistake("two at once", "content/encryption", set({ depends_on: [] }), ["content/bucket"])],
  },
];

const MAX_SIGNATURE_AGE = String(LIMITS.maxExpirySeconds * 1000);

const PAYLOADS: readonly Rule[] = [
  {
    id: "payloads-young-signatures",
    says: "The content bucket refuses a signature that is older than the longest life of a URL",
    from: [SIGV4_CONDITIONS],
    of: contentBuckets,
    holds: (bucket, { stack }) =>
      denies(bucketPolicy(stack, bucket), "s3:*", whole(bucket), {
        NumericGreaterThan: { "s3:signatureAge": MAX_SIGNATURE_AGE },
      }),
    examples: [
      mistake(
        "a day in place of 15 minutes",
        "content/policy",
        statementBecomes("DenyOldSignatures", {
          Condition: { NumericGreaterThan: { "s3:signatureAge": String(DAY * 1000) } },
        }),
        ["content/bucket"],
      ),
    ],
  },
  {
    id: "payloads-of-this-account",
    says: "The content bucket refuses writers of other accounts",
    from: ["Security Hub S3.6"],
    of: contentBuckets,
    holds: (bucket, { stack, accountId }) =>
      denies(bucketPolicy(stack, bucket), "s3:PutObject", [`${bucketArnOf(bucket)}/*`], {
        StringNotEquals: { "aws:PrincipalAccount": accountId },
      }),
    examples: [
      mistake("a policy without it", "content/policy", without("DenyOtherAccounts"), ["content/bucket"]),
    ],
  },
  {
    id: "payloads-cors",
    says: "Only the API's own page may call the content bucket from a browser, and only as a producer does",
    from: [`${S3_GUIDE}/cors.html`],
    of: contentBuckets,
    holds: (bucket, { stack }) => {
      const rules = (settingOf(stack, bucket, "aws_s3_bucket_cors_configuration")["cors_rule"] ??
        []) as Readonly<Record<string, readonly string[]>>[];
      const api = stack.ofType("aws_api_gateway_rest_api")[0]?.address ?? "";
      const producers = Object.values(ACTIONS).filter(({ role }) => role === "producer");
      return rules.every(
        ({ allowed_origins: origins, allowed_methods: methods, allowed_headers: headers = [] }) =>
          list(origins).every((origin) => origin.startsWith(`https://\${${api}.id}.execute-api.`)) &&
          list(methods).every((method) => producers.some((action) => action.method === method)) &&
          !list(headers).includes("*"),
      );
    },
    examples: [
      mistake(
        "every site's pages",
        "content/cors",
        ({ cors_rule: rules, ...rest }) => ({
          ...rest,
          cors_rule: (rules as object[]).map((rule) => ({ ...rule, allowed_origins: ["*"] })),
        }),
        ["content/bucket"],
      ),
      mistake(
        "a method of consumers",
        "content/cors",
        ({ cors_rule: rules, ...rest }) => ({
          ...rest,
          cors_rule: (rules as object[]).map((rule) => ({ ...rule, allowed_methods: ["HEAD"] })),
        }),
        ["content/bucket"],
      ),
    ],
  },
  {
    id: "payloads-one-notification",
    says: "A bucket has one notification, which comes after its queue and the queue's policy: a second would replace it",
    from: [`${S3_GUIDE}/grant-destinations-permissions-to-s3.html`],
    of: contentBuckets,
    holds: (bucket, { stack }) => {
      const [notification, ...others] = stack.referringTo(bucket, "bucket", "aws_s3_bucket_notification");
      return (
        notification !== undefined &&
        others.length === 0 &&
        // To EventBridge, S3 needs no permission.
        (notification.attributes["queue"] === undefined
          ? notification.attributes["eventbridge"] === true
          : stack.ofType("aws_sqs_queue").some((queue) => stack.follows(notification, queue)))
      );
    },
    examples: [
      addition(
        "a second one",
        "aws_s3_bucket_notification",
        "other",
        refer("bucket", "content/bucket", "id"),
        ["content/bucket"],
      ),
      mistake("one that does not wait for the queue", "queue/notification", set({ depends_on: [] }), [
        "content/bucket",
      ]),
    ],
  },
];

const QUEUES: readonly Rule[] = [
  {
    id: "announcements-kept",
    says: "What a rule of EventBridge could not announce for a day is kept, on a queue that this rule may send to",
    from: ["https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html"],
    of: contentBuckets,
    holds: (_, deployment) =>
      deployment.stack.ofType("aws_cloudwatch_event_target").every((target) => {
        const { arn } = (target.attributes["dead_letter_config"] ?? {}) as { arn?: string };
        const rule = deployment.stack.referred(text(target, "rule"));
        return deployment.stack
          .ofType("aws_sqs_queue")
          .filter((queue) => queueArnOf(queue, deployment) === arn)
          .flatMap(policyOf)
          .some(
            (statement) =>
              statement.Effect === "Allow" &&
              conditionOf(statement, "ArnEquals", "aws:SourceArn")[0]?.endsWith(
                `:rule/${rule && text(rule, "name")}`,
              ),
          );
      }),
    examples: [
      {
        ...mistake("a rule that drops it", "queue/target", set({ dead_letter_config: undefined }), [
          "content/bucket",
        ]),
        of: "switched",
      },
      {
        ...mistake("a queue that does not take it", "queue/dead-letter-queue", without("KeepEvents"), [
          "content/bucket",
        ]),
        of: "switched",
      },
    ],
  },
  {
    id: "queue-encryption",
    says: "A queue says how it encrypts: with SQS's keys or with one of KMS",
    from: ["Security Hub SQS.1", "checkov CKV_AWS_27", "trivy AVD-AWS-0096"],
    of: all("aws_sqs_queue"),
    holds: ({ attributes }) =>
      attributes["sqs_managed_sse_enabled"] === true || attributes["kms_master_key_id"] !== undefined,
    examples: [
      mistake("a queue in plain text", "queue/dead-letter-queue", set({ sqs_managed_sse_enabled: false })),
    ],
  },
  {
    id: "queue-tls",
    says: "A queue refuses plain HTTP, whoever asks",
    from: ["cdk-nag AwsSolutions-SQS4"],
    of: all("aws_sqs_queue"),
    holds: (queue, deployment) =>
      denies(policyOf(queue), "sqs:*", [queueArnOf(queue, deployment)], {
        Bool: { "aws:SecureTransport": "false" },
      }),
    examples: [
      mistake("a queue that takes it", "queue/queue", without("DenyPlainHttp")),
      mistake(
        "dead letters for all to read on the way",
        "queue/dead-letter-queue",
        set({ policy: undefined }),
      ),
    ],
  },
  {
    id: "queue-senders",
    says: "A queue takes messages from AWS's services, for this account's sources, and its policy lets nobody do anything else",
    from: [
      "Security Hub SQS.3",
      "checkov CKV_AWS_72, CKV_AWS_168",
      "trivy AVD-AWS-0097",
      `${S3_GUIDE}/grant-destinations-permissions-to-s3.html`,
    ],
    of: all("aws_sqs_queue"),
    holds: (queue, deployment) =>
      policyOf(queue)
        .filter(({ Effect }) => Effect === "Allow")
        .every(
          (statement) =>
            isDeepStrictEqual(list(statement.Action), ["sqs:SendMessage"]) &&
            isDeepStrictEqual(list(statement.Resource), [queueArnOf(queue, deployment)]) &&
            isOfThisAccount(statement, deployment.accountId),
        ),
    examples: [
      mistake("anybody's bucket", "queue/queue", statementBecomes("AnnounceObjects", { Condition: {} })),
      mistake(
        "a bucket of that name in whatever account has it by then",
        "queue/queue",
        statementBecomes("AnnounceObjects", {
          Condition: { ArnEquals: { "aws:SourceArn": "arn:aws:s3:::tweedle-test-content" } },
        }),
      ),
      mistake(
        "a service that may receive",
        "queue/queue",
        statementBecomes("AnnounceObjects", { Action: "sqs:*" }),
      ),
      mistake(
        "everybody",
        "queue/dead-letter-queue",
        withAlso({
          Sid: "Everybody",
          Effect: "Allow",
          Principal: { AWS: "*" },
          Action: "sqs:SendMessage",
          Resource: "*",
        }),
      ),
    ],
  },
  {
    id: "queue-long-polls",
    says: "A queue polls long, so that an idle consumer asks three times a minute",
    from: [`${SQS_GUIDE}/sqs-short-and-long-polling.html`],
    of: all("aws_sqs_queue"),
    holds: ({ attributes }) => attributes["receive_wait_time_seconds"] === 20,
    examples: [mistake("a queue that answers at once", "queue/queue", set({ receive_wait_time_seconds: 0 }))],
  },
  {
    id: "queue-dead-letters",
    says: "A queue makes a dead letter of what fails 5 to 10 times: fewer, and an outage does; more, and poison costs too much",
    from: ["cdk-nag AwsSolutions-SQS3", `${SQS_GUIDE}/sqs-dead-letter-queues.html`],
    of: workQueues,
    holds: (queue, deployment) => {
      const { deadLetterTargetArn: target, maxReceiveCount = 0 } = redriveOf(queue) ?? {};
      const dead = deployment.stack
        .ofType("aws_sqs_queue")
        .find((other) => queueArnOf(other, deployment) === target);
      return (
        dead !== undefined &&
        deployment.stack.follows(queue, dead) &&
        maxReceiveCount >= 5 &&
        maxReceiveCount <= 10
      );
    },
    examples: [
      mistake("two tries", "queue/queue", (attributes) => ({
        ...attributes,
        redrive_policy: String(attributes["redrive_policy"]).replace(
          '"maxReceiveCount":5',
          '"maxReceiveCount":2',
        ),
      })),
      // What was the dead-letter queue is one that consumers may poll, and has none either.
      mistake("no dead-letter queue", "queue/queue", set({ redrive_policy: undefined }), [
        "queue/queue",
        "queue/dead-letter-queue",
      ]),
    ],
  },
  {
    id: "queue-kept",
    says: "A queue is not destroyed with its messages, but on a stage that nobody would miss: a plan that would is refused",
    from: [PREVENT_DESTROY],
    of: all("aws_sqs_queue"),
    holds: ({ attributes }, { throwAway }) => throwAway || isKept(attributes),
    examples: [mistake("a queue that is", "queue/dead-letter-queue", set({ lifecycle: undefined }))],
  },
  {
    id: "dead-letters-from-one-queue",
    says: "A dead-letter queue takes dead letters of its queue and of no other",
    from: [`${SQS_GUIDE}/sqs-dead-letter-queues.html`],
    of: deadLetterQueues,
    holds: (dead, deployment) => {
      const sources = workQueues(deployment).filter(
        (queue) => redriveOf(queue)?.deadLetterTargetArn === queueArnOf(dead, deployment),
      );
      return isDeepStrictEqual(JSON.parse(stringOf(dead.attributes, "redrive_allow_policy") ?? "null"), {
        redrivePermission: "byQueue",
        sourceQueueArns: sources.map((queue) => queueArnOf(queue, deployment)),
      });
    },
    examples: [
      mistake(
        "those of every queue of the account",
        "queue/dead-letter-queue",
        set({ redrive_allow_policy: '{"redrivePermission":"allowAll"}' }),
      ),
    ],
  },
];

/** What a role's callers may have it do, by the action table. */
const rightsOfCallers = (roles: readonly string[]): readonly string[] =>
  Object.values(ACTIONS)
    .filter(({ role }) => roles.includes(role))
    .flatMap(({ iamActions }) => iamActions);

const variablesOf = ({ attributes }: Resource) =>
  (attributes["environment"] as { variables?: Record<string, string> } | undefined)?.variables ?? {};

const URL_ONLY = (accountId: string) => ({
  StringEquals: { "s3:authType": "REST-QUERY-STRING", "aws:ResourceAccount": accountId },
  NumericLessThanEquals: { "s3:signatureAge": MAX_SIGNATURE_AGE },
  Bool: { "aws:SecureTransport": "true" },
});

/** A resource that a statement names: all that is in it perhaps, but not all whose names begin so. */
const NAMED = /^(\$\{.*|arn:aws:[a-z0-9-]+:[^:*]*:[^:*]*:[^*]*[^*:/]([/:]\*)?)$/;

const SIGN_URLS = "producer-signer/sign-urls";
const SIGNER = "producer-signer/function";

const FUNCTIONS: readonly Rule[] = [
  {
    id: "function-own-role",
    says: "A function has a role of its own, which Lambda assumes and nobody else",
    from: ["checkov CKV_AWS_60, CKV_AWS_61"],
    of: functions,
    holds: (fn, { stack }) => {
      const role = roleOf(stack, fn);
      const users = role ? stack.referringTo(role, "role", "aws_lambda_function") : [];
      return (
        role !== undefined &&
        users.length === 1 &&
        isDeepStrictEqual(
          statements(text(role, "assume_role_policy")).map(({ Sid: _, ...statement }) => statement),
          [{ Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" }],
        )
      );
    },
    examples: [
      mistake(
        "a role that the account's users may assume",
        "sender/role",
        (attributes) => ({
          ...attributes,
          assume_role_policy: String(attributes["assume_role_policy"]).replace(
            '{"Service":"lambda.amazonaws.com"}',
            '{"AWS":"123456789012"}',
          ),
        }),
        ["sender/function"],
      ),
      mistake(
        "two functions with one role",
        "sender/function",
        refer("role", "producer-signer/role", "arn"),
        [SIGNER, "sender/function"],
      ),
    ],
  },
  {
    id: "role-no-wildcards",
    says: "A function's role has no wildcard of actions, no statement for all resources, and nothing by negation",
    from: [
      "Security Hub IAM.1, IAM.21",
      "cdk-nag AwsSolutions-IAM5",
      "checkov CKV_AWS_63, CKV_AWS_355",
      "trivy AVD-AWS-0057",
    ],
    of: functions,
    holds: (fn, { stack }) =>
      rightsOf(stack, fn).every(
        (statement) =>
          statement.Effect === "Deny" ||
          (!("NotAction" in statement) &&
            !("NotResource" in statement) &&
            list(statement.Action).every((action) => /^[a-z0-9-]+:\w+$/.test(action)) &&
            // What is behind a reference is another resource of this stack's.
            list(statement.Resource).every((resource) => NAMED.test(resource))),
      ),
    examples: [
      mistake("all of S3's actions", SIGN_URLS, statementBecomes("ProducerUrls", { Action: "s3:*" }), [
        SIGNER,
      ]),
      mistake("every resource", "sender/send-messages", statementBecomes("SendMessages", { Resource: "*" }), [
        "sender/function",
      ]),
      mistake("every bucket", SIGN_URLS, statementBecomes("ProducerUrls", { Resource: "arn:aws:s3:::*" }), [
        SIGNER,
      ]),
    ],
  },
  {
    id: "role-own-policies",
    says: "A function's role has policies of its own only: nobody else's, whose rights would change with theirs",
    from: ["cdk-nag AwsSolutions-IAM4", "checkov CKV_AWS_274"],
    of: functions,
    holds: (fn, { stack }) => {
      const role = roleOf(stack, fn);
      return (
        role !== undefined &&
        role.attributes["managed_policy_arns"] === undefined &&
        stack.referringTo(role, "role", "aws_iam_role_policy_attachment").length === 0
      );
    },
    examples: [
      addition(
        "AWS's policy for Lambda, which may make log groups",
        "aws_iam_role_policy_attachment",
        "attachment",
        refer("role", "sender/role", "name", {
          policy_arn: "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
        }),
        ["sender/function"],
      ),
    ],
  },
  {
    id: "role-no-log-groups",
    says: "A function may write its own log and no other, and makes no log groups: they would be kept for ever",
    from: ["https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html"],
    of: functions,
    holds: (fn, { stack }) =>
      rightsOf(stack, fn)
        .filter(({ Action }) => list(Action).some((action) => action.startsWith("logs:")))
        .every(
          ({ Action, Resource: resource }) =>
            isDeepStrictEqual([...list(Action)].toSorted(), ["logs:CreateLogStream", "logs:PutLogEvents"]) &&
            list(resource).every((arn) =>
              arn.endsWith(`:log-group:/aws/lambda/${text(fn, "function_name")}:*`),
            ),
        ),
    examples: [
      mistake(
        "a function that may make groups",
        "sender/write-logs",
        statementBecomes("WriteLogs", {
          Action: ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
        }),
        ["sender/function"],
      ),
      mistake(
        "a function that writes another's log",
        "sender/write-logs",
        statementBecomes("WriteLogs", {
          Resource:
            "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/tweedle-test-producer-signer:*",
        }),
        ["sender/function"],
      ),
    ],
  },
  {
    id: "signer-by-url-only",
    says: "A signer's role may use payloads by a URL that is not old, over TLS, in this account, and in no other way",
    from: [SIGV4_CONDITIONS],
    of: signers,
    holds: (fn, deployment) =>
      rightsOf(deployment.stack, fn)
        .filter(({ Action }) => list(Action).some((action) => action.startsWith("s3:")))
        .every(
          ({ Resource: resource, Condition }) =>
            isDeepStrictEqual(
              list(resource),
              contentBuckets(deployment).map((bucket) => `${bucketArnOf(bucket)}/input/*`),
            ) && isDeepStrictEqual(Condition, URL_ONLY(deployment.accountId)),
        ),
    examples: [
      mistake(
        "credentials that sign any request",
        SIGN_URLS,
        statementBecomes("ProducerUrls", { Condition: {} }),
        [SIGNER],
      ),
      mistake(
        "keys that are no payloads'",
        "consumer-signer/sign-urls",
        statementBecomes("ConsumerUrls", {
          Resource: "arn:aws:s3:::tweedle-test-content-123456789012-eu-central-1/*",
        }),
        ["consumer-signer/function"],
      ),
    ],
  },
  {
    id: "signer-rights-of-callers",
    says: "A signer's role holds what its callers may ask for, and nothing else",
    from: ["https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html"],
    of: signers,
    holds: (fn, { stack }) => {
      const roles = (variablesOf(fn)["ROLES"] ?? "").split(",");
      const wanted = rightsOfCallers(roles).filter((action) => action.startsWith("s3:"));
      // Under a key of KMS, whoever writes or reads needs the key as well.
      const given = actionsOf(rightsOf(stack, fn)).filter((action) => !/^(logs|kms):/.test(action));
      return (
        roles.every((role) => (ROLES as readonly string[]).includes(role)) &&
        isDeepStrictEqual(new Set(given), new Set(wanted))
      );
    },
    examples: [
      mistake(
        "producers' URLs that read",
        SIGN_URLS,
        statementBecomes("ProducerUrls", { Action: ["s3:PutObject", "s3:GetObject"] }),
        [SIGNER],
      ),
      mistake(
        "a signer that may send besides",
        "consumer-signer/sign-urls",
        withAlso({
          Sid: "Send",
          Effect: "Allow",
          Action: "sqs:SendMessage",
          Resource: "arn:aws:sqs:eu-central-1:123456789012:tweedle-test-queue",
        }),
        ["consumer-signer/function"],
      ),
    ],
  },
  {
    id: "form-no-rights",
    says: "Who serves a page to everybody may write its log, and nothing else: it signs nothing",
    from: ["https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html#grant-least-privilege"],
    of: (deployment) =>
      functions(deployment).filter((fn) =>
        operationsOf(deployment.stack, fn).some(({ method, path }) => `${method} ${path}` === "get /"),
      ),
    holds: (fn, { stack }) =>
      actionsOf(rightsOf(stack, fn)).every((action) => action.startsWith("logs:")) &&
      operationsOf(stack, fn).every(({ method, path }) => /^(get|head) \/$/.test(`${method} ${path}`)),
    examples: [
      mistake(
        "a form that may put",
        "form/write-logs",
        withAlso({ Sid: "Put", Effect: "Allow", Action: "s3:PutObject", Resource: "arn:aws:s3:::b/input/*" }),
        ["form/function"],
      ),
      mistake(
        "a form that is a signer, too",
        "api/api",
        definitionBecomes(({ paths, ...definition }) => ({
          ...definition,
          paths: { ...paths, "/": { ...paths["/"], post: paths["/"]?.["get"] } },
        })),
        ["form/function"],
      ),
    ],
  },
  {
    id: "function-no-url",
    says: "A function has no URL of its own, past the API, its throttle and its signatures",
    from: ["checkov CKV_AWS_258"],
    of: functions,
    holds: (fn, { stack }) => stack.referringTo(fn, "function_name", "aws_lambda_function_url").length === 0,
    examples: [
      addition(
        "a function with one",
        "aws_lambda_function_url",
        "url",
        refer("function_name", "sender/function", "function_name", { authorization_type: "NONE" }),
        ["sender/function"],
      ),
    ],
  },
  {
    id: "function-invokers",
    says: "A function is invoked by an AWS service, for one source: the API's for one stage, method and path",
    from: ["Security Hub Lambda.1", "checkov CKV_AWS_301, CKV_AWS_364", "trivy AVD-AWS-0067"],
    of: all("aws_lambda_permission"),
    holds: ({ attributes }, { stack }) => {
      const { action, principal, source_arn: source = "" } = attributes;
      const stages = stack.ofType("aws_api_gateway_stage").map((stage) => text(stage, "stage_name"));
      const [api] = stack.ofType("aws_api_gateway_rest_api");
      const routes = stages.map((stage) => `\${${api?.address}.execution_arn}/${stage}/`);
      return (
        action === "lambda:InvokeFunction" &&
        /^[a-z0-9-]+\.amazonaws\.com$/.test(String(principal)) &&
        String(source) !== "" &&
        !String(source).includes("*") &&
        (principal !== "apigateway.amazonaws.com" ||
          routes.some(
            (route) =>
              /^(GET|HEAD|POST)\/[\w.]*$/.test(String(source).slice(route.length)) &&
              String(source).startsWith(route),
          ))
      );
    },
    examples: [
      mistake(
        "every method of every API",
        "api/invoke-post-putObject",
        set({ source_arn: "arn:aws:execute-api:eu-central-1:123456789012:*/*/*" }),
      ),
      mistake("any API of anybody's", "api/invoke-post-getObject", set({ source_arn: undefined })),
      mistake("another account", "api/invoke-post-getObject", set({ principal: "999999999999" })),
      mistake("another stage", "api/invoke-post-getObject", (attributes) => ({
        ...attributes,
        source_arn: String(attributes["source_arn"]).replace("/test/", "/debug/"),
      })),
    ],
  },
  {
    id: "function-runtime",
    says: "A function runs on a runtime that AWS still patches",
    from: ["Security Hub Lambda.2", "cdk-nag AwsSolutions-L1", "checkov CKV_AWS_363"],
    of: functions,
    holds: ({ attributes }) => /^nodejs(22|24)\.x$/.test(String(attributes["runtime"])),
    examples: [mistake("an old one", SIGNER, set({ runtime: "nodejs18.x" }))],
  },
  {
    id: "function-no-secrets",
    says: "A function's variables hold no secret: it has its role",
    from: ["checkov CKV_AWS_45"],
    of: functions,
    holds: (fn) =>
      Object.entries(variablesOf(fn)).every(
        ([name, value]) =>
          !/SECRET|PASSWORD|TOKEN|PRIVATE|ACCESS_KEY/i.test(name) &&
          !/\b(AKIA|ASIA)[A-Z0-9]{16}\b/.test(value),
      ),
    examples: [
      mistake(
        "a user's key",
        "sender/function",
        set({ environment: { variables: { QUEUE_KEY: "AKIAIOSFODNN7EXAMPLE" } } }),
      ),
    ],
  },
  {
    id: "function-code",
    says: "A function is replaced when its code changes, and then only: the zip's digest is the one that is deployed",
    from: ["https://docs.aws.amazon.com/lambda/latest/api/API_FunctionConfiguration.html"],
    of: functions,
    holds: ({ attributes }) => {
      const digest = Buffer.from(String(attributes["source_code_hash"]), "base64");
      return (
        digest.length === 32 && String(attributes["filename"]).includes(digest.toString("hex").slice(0, 32))
      );
    },
    examples: [
      mistake(
        "another zip's digest",
        SIGNER,
        set({ source_code_hash: createHash("sha256").update("").digest("base64") }),
      ),
    ],
  },
  {
    id: "function-timeout",
    says: "A function gives up before API Gateway does, which waits 29 s at most",
    from: [`${API_GUIDE}/api-gateway-execution-service-limits-table.html`],
    of: functions,
    holds: (fn, { stack }) =>
      operationsOf(stack, fn).every(
        ({ timeoutMs }) => timeoutMs <= 29_000 && 1000 * Number(fn.attributes["timeout"]) < timeoutMs,
      ),
    examples: [mistake("half a minute", "sender/function", set({ timeout: 30 }))],
  },
  {
    id: "function-watched",
    says: "Somebody is told where a function fails, and where it has too few instances",
    from: ["https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html"],
    of: functions,
    holds: (fn, { stack }) =>
      ["Errors", "Throttles"].every((metric) =>
        stack
          .ofType("aws_cloudwatch_metric_alarm")
          .some(
            ({ attributes }) =>
              attributes["metric_name"] === metric &&
              isDeepStrictEqual(attributes["dimensions"], { FunctionName: text(fn, "function_name") }),
          ),
      ),
    examples: [
      mistake("a sender that nobody watches", "alarms/sender-errors", gone, ["sender/function"]),
      {
        ...mistake("a function of a stack that extends the stage", "alarms/inspector-throttles", gone, [
          "inspector/function",
        ]),
        of: "inspection",
      },
    ],
  },
];

const API: readonly Rule[] = [
  {
    id: "api-readers-sign",
    says: "Whoever asks for a URL that reads or deletes payloads signs his request, but on an open stage",
    from: ["cdk-nag AwsSolutions-APIG4", "checkov CKV_AWS_59"],
    of: functions,
    holds: (fn, { stack, open }) => {
      const mayRead = actionsOf(rightsOf(stack, fn)).some((action) => /^s3:(Get|Delete)Object/.test(action));
      return open || !mayRead || operationsOf(stack, fn).every(({ signed }) => signed);
    },
    examples: [
      mistake(
        "a method whose callers need not",
        "api/api",
        definitionBecomes(({ paths, ...rest }) => {
          const { security: _, ...post } = paths["/getObject"]?.["post"] ?? {};
          return { ...rest, paths: { ...paths, "/getObject": { post } } };
        }),
        ["consumer-signer/function"],
      ),
      mistake(
        "a producers' signer that may read",
        SIGN_URLS,
        statementBecomes("ProducerUrls", { Action: ["s3:PutObject", "s3:GetObject"] }),
        [SIGNER],
      ),
    ],
  },
  {
    id: "api-throttled",
    says: "An API throttles every method",
    from: [`${API_GUIDE}/api-gateway-request-throttling.html`],
    of: apis,
    holds: (api, { stack }) =>
      methodSettingsOf(stack, api).some(({ method_path: path, settings }) => {
        const { throttling_rate_limit: rate, throttling_burst_limit: burst } = settings as Attributes;
        return path === "*/*" && Number(rate) >= 1 && Number(burst) >= 1;
      }),
    examples: [
      mistake(
        "no limit, which is written -1",
        "api/settings",
        ({ settings, ...rest }) => ({
          ...rest,
          settings: { ...(settings as object), throttling_rate_limit: -1 },
        }),
        ["api/api"],
      ),
      mistake("no settings", "api/settings", gone, ["api/api"]),
    ],
  },
  {
    id: "api-no-cache",
    says: "An API caches nothing (checkov asks for the contrary): a cache would hand one caller's URL to another",
    from: ["checkov CKV_AWS_120", `${API_GUIDE}/api-gateway-caching.html`],
    of: apis,
    holds: (api, { stack }) =>
      methodSettingsOf(stack, api).every(
        ({ settings }) => (settings as Attributes)["caching_enabled"] === false,
      ) &&
      stack
        .referringTo(api, "rest_api_id", "aws_api_gateway_stage")
        .every(({ attributes }) => attributes["cache_cluster_enabled"] !== true),
    examples: [
      mistake("a cache", "api/stage", set({ cache_cluster_enabled: true, cache_cluster_size: "0.5" }), [
        "api/api",
      ]),
    ],
  },
  {
    id: "api-no-data-trace",
    says: "An API traces no data: it would log URLs",
    from: ["checkov CKV_AWS_276", `${API_GUIDE}/set-up-logging.html`],
    of: apis,
    holds: (api, { stack }) =>
      methodSettingsOf(stack, api).every(
        ({ settings }) => (settings as Attributes)["data_trace_enabled"] === false,
      ),
    examples: [
      mistake(
        "a trace",
        "api/settings",
        ({ settings, ...rest }) => ({
          ...rest,
          settings: { ...(settings as object), data_trace_enabled: true },
        }),
        ["api/api"],
      ),
    ],
  },
  {
    id: "api-regional",
    says: "An API is regional: nothing between the caller and us ends its TLS",
    from: [`${API_GUIDE}/api-gateway-api-endpoint-types.html`],
    of: apis,
    holds: ({ attributes }) =>
      isDeepStrictEqual((attributes["endpoint_configuration"] as Attributes | undefined)?.["types"], [
        "REGIONAL",
      ]),
    examples: [mistake("an edge", "api/api", set({ endpoint_configuration: { types: ["EDGE"] } }))],
  },
  {
    id: "api-own-errors",
    says: "API Gateway's own errors are our JSON, with the request's id, not stored, not sniffed, and keep to TLS",
    from: [`${API_GUIDE}/supported-gateway-response-types.html`],
    of: apis,
    holds: (api) => {
      const responses = definitionOf(api)["x-amazon-apigateway-gateway-responses"] ?? {};
      return (
        ["DEFAULT_4XX", "DEFAULT_5XX"].every((type) => type in responses) &&
        Object.values(responses).every(
          ({ responseParameters: headers = {}, responseTemplates: templates = {} }) =>
            headers["gatewayresponse.header.cache-control"] === "'no-store'" &&
            headers["gatewayresponse.header.x-content-type-options"] === "'nosniff'" &&
            /^'max-age=(\d{8,})'$/.test(headers["gatewayresponse.header.strict-transport-security"] ?? "") &&
            /^\{"error": \{.*"request_id": "\$context\.requestId"\}\}$/.test(
              templates["application/json"] ?? "",
            ),
        )
      );
    },
    examples: [
      mistake(
        "API Gateway's own words for what breaks",
        "api/api",
        definitionBecomes(({ "x-amazon-apigateway-gateway-responses": responses = {}, ...rest }) => {
          const { DEFAULT_5XX: _, ...others } = responses;
          return { ...rest, "x-amazon-apigateway-gateway-responses": others };
        }),
      ),
    ],
  },
  {
    id: "api-no-account-settings",
    says: "A stage leaves the region's settings of API Gateway alone: they are every stage's",
    from: ["https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/api_gateway_account"],
    of: apis,
    holds: (_, { stack }) => stack.ofType("aws_api_gateway_account").length === 0,
    examples: [
      addition(
        "a stage that sets them, and takes them away when it is destroyed",
        "aws_api_gateway_account",
        "account",
        set({ cloudwatch_role_arn: "arn:aws:iam::123456789012:role/x" }),
        ["api/api"],
      ),
    ],
  },
];

const TRAIL: readonly Rule[] = [
  {
    id: "trail-of-payloads",
    says: "A trail records every read and write of payloads, and no other bucket's",
    from: ["Security Hub S3.22, S3.23"],
    of: contentBuckets,
    holds: (bucket, { stack }) =>
      stack.ofType("aws_cloudtrail").some(({ attributes }) =>
        isDeepStrictEqual(attributes["event_selector"], [
          {
            read_write_type: "All",
            include_management_events: false,
            // Without the slash, buckets whose names begin with this one's would be recorded too.
            data_resource: [{ type: "AWS::S3::Object", values: [`${bucketArnOf(bucket)}/`] }],
          },
        ]),
      ),
    examples: [
      mistake("no trail", "trail/trail", gone, ["content/bucket"]),
      mistake(
        "writes alone",
        "trail/trail",
        (attributes) => ({
          ...attributes,
          event_selector: (attributes["event_selector"] as object[]).map((one) => ({
            ...one,
            read_write_type: "WriteOnly",
          })),
        }),
        ["content/bucket"],
      ),
    ],
  },
  {
    id: "trail-not-of-itself",
    says: "A trail does not record the bucket that it writes to, for ever",
    from: [
      "https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-data-events-with-cloudtrail.html",
    ],
    of: trailBuckets,
    holds: (bucket, { stack }) =>
      !stack
        .ofType("aws_cloudtrail")
        .some(({ attributes }) =>
          (attributes["event_selector"] as { data_resource: { values: string[] }[] }[])
            .flatMap(({ data_resource: selected }) => selected.flatMap(({ values }) => values))
            .some((value) => `${bucketArnOf(bucket)}/`.startsWith(value)),
        ),
    examples: [
      mistake(
        "a trail of all buckets whose names begin alike",
        "trail/trail",
        (attributes) => ({
          ...attributes,
          event_selector: [
            { data_resource: [{ type: "AWS::S3::Object", values: ["arn:aws:s3:::tweedle-test-"] }] },
          ],
        }),
        ["trail/log-bucket/bucket"],
      ),
    ],
  },
  {
    id: "trail-validation",
    says: "A trail's files tell whether somebody changed them",
    from: ["Security Hub CloudTrail.4", "checkov CKV_AWS_36", "trivy AVD-AWS-0016"],
    of: all("aws_cloudtrail"),
    holds: ({ attributes }) => attributes["enable_log_file_validation"] === true,
    examples: [mistake("files that do not", "trail/trail", set({ enable_log_file_validation: false }))],
  },
  {
    id: "trail-own-bucket",
    says: "A trail has a bucket of its own, which takes this trail's files alone",
    from: [
      "Security Hub CloudTrail.6",
      "https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html",
    ],
    of: all("aws_cloudtrail"),
    holds: (trail, deployment) => {
      const { stack, accountId } = deployment;
      const bucket = stack.referred(text(trail, "s3_bucket_name"));
      if (!bucket || contentBuckets(deployment).includes(bucket)) return false;
      const allowed = bucketPolicy(stack, bucket).filter(({ Effect }) => Effect === "Allow");
      const arn = new RegExp(`^arn:aws:cloudtrail:[a-z0-9-]+:${accountId}:trail/${text(trail, "name")}$`);
      return (
        isDeepStrictEqual(
          allowed.map(({ Action }) => Action),
          ["s3:GetBucketAcl", "s3:PutObject"],
        ) &&
        allowed.every(
          (statement) =>
            isDeepStrictEqual(statement.Principal, { Service: "cloudtrail.amazonaws.com" }) &&
            conditionOf(statement, "StringEquals", "aws:SourceArn").length === 1 &&
            conditionOf(statement, "StringEquals", "aws:SourceArn").every((one) => arn.test(one)),
        )
      );
    },
    examples: [
      mistake("files among the payloads", "trail/trail", refer("s3_bucket_name", "content/bucket", "id")),
      mistake(
        "another trail's files",
        "trail/log-bucket/policy",
        statementBecomes("TrailWrites", {
          Condition: {
            StringEquals: { "aws:SourceArn": "arn:aws:cloudtrail:eu-central-1:123456789012:trail/other" },
          },
        }),
        ["trail/trail"],
      ),
    ],
  },
];

const LOGS: readonly Rule[] = [
  {
    id: "function-own-log",
    says: "A function has a log group of its own, which is there before it: Lambda's own would be kept for ever",
    from: ["Security Hub CloudWatch.16", "checkov CKV_AWS_66"],
    of: functions,
    holds: (fn, { stack }) =>
      stack
        .ofType("aws_cloudwatch_log_group")
        .some(
          (group) =>
            text(group, "name") === `/aws/lambda/${text(fn, "function_name")}` && stack.follows(fn, group),
        ),
    examples: [
      mistake("a function without", "sender/logs", gone, ["sender/function"]),
      mistake("a group that comes later", "sender/function", set({ depends_on: [] })),
    ],
  },
  {
    id: "logs-kept",
    says: "A log group keeps what it has for 365 days",
    from: ["Security Hub CloudWatch.16", "checkov CKV_AWS_338"],
    of: all("aws_cloudwatch_log_group"),
    holds: ({ attributes }) => Number(attributes["retention_in_days"]) >= 365,
    examples: [
      mistake("a week", "sender/logs", set({ retention_in_days: 7 })),
      mistake("for ever, which is written 0", "sender/logs", set({ retention_in_days: 0 })),
    ],
  },
  {
    id: "records-kept",
    says: "The trail's files and access logs are kept for 365 days",
    from: ["https://docs.aws.amazon.com/awscloudtrail/latest/userguide/best-practices-security.html"],
    of: (deployment) => [...trailBuckets(deployment), ...accessLogBuckets(deployment)],
    holds: (bucket, { stack }) => (lifecycleOf(stack, bucket).days ?? 0) >= 365,
    examples: [
      mistake(
        "a month",
        "trail/log-bucket/lifecycle",
        (attributes) => ({
          ...attributes,
          rule: JSON.parse(JSON.stringify(attributes["rule"]).replace('"days":365', '"days":30')),
        }),
        ["trail/log-bucket/bucket"],
      ),
    ],
  },
];

const RETENTION: readonly Rule[] = [
  {
    id: "payload-outlives-message",
    says: "A payload, and a version of it, outlives every message that can name it, announced late, in the queue and redriven",
    from: [
      `${SQS_GUIDE}/sqs-dead-letter-queues.html`,
      "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html",
    ],
    of: contentBuckets,
    holds: (bucket, deployment) => {
      const messages = [...workQueues(deployment), ...deadLetterQueues(deployment)].reduce(
        (seconds, queue) => seconds + retentionOf(queue),
        0,
      );
      // A rule that says nothing tries for a day.
      const retries = deployment.stack.ofType("aws_cloudwatch_event_target").map(({ attributes }) => {
        const policy = attributes["retry_policy"] as { maximum_event_age_in_seconds?: number } | undefined;
        return policy?.maximum_event_age_in_seconds ?? DAY;
      });
      const { days = 0, noncurrentDays = 0 } = lifecycleOf(deployment.stack, bucket);
      return Math.min(days, noncurrentDays) * DAY > messages + Math.max(0, ...retries);
    },
    examples: [
      {
        ...mistake(
          "a day too few where EventBridge may take one",
          "content/lifecycle",
          (attributes) => ({
            ...attributes,
            rule: JSON.parse(JSON.stringify(attributes["rule"]).replace('"days":30', '"days":29')),
          }),
          ["content/bucket"],
        ),
        of: "switched",
      },
      mistake(
        "four weeks, as long as a message that is redriven on its last day",
        "content/lifecycle",
        (attributes) => ({
          ...attributes,
          rule: JSON.parse(JSON.stringify(attributes["rule"]).replace('"days":30', '"days":28')),
        }),
        ["content/bucket"],
      ),
      mistake(
        "old versions that are dropped after a week",
        "content/lifecycle",
        (attributes) => ({
          ...attributes,
          rule: JSON.parse(
            JSON.stringify(attributes["rule"]).replace('"noncurrent_days":30', '"noncurrent_days":7'),
          ),
        }),
        ["content/bucket"],
      ),
    ],
  },
  {
    id: "visibility-outlasts-consumer",
    says: "A message stays hidden for six times as long as the function that consumes it may take",
    from: ["https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"],
    of: workQueues,
    holds: (queue, { stack }) =>
      stack.referringTo(queue, "event_source_arn", "aws_lambda_event_source_mapping").every((mapping) => {
        const consumer = stack.referred(text(mapping, "function_name"));
        return (
          consumer !== undefined &&
          Number(queue.attributes["visibility_timeout_seconds"]) >= 6 * Number(consumer.attributes["timeout"])
        );
      }),
    examples: [
      {
        what: "one second less",
        of: "inspection",
        at: "queue/queue",
        become: set({ visibility_timeout_seconds: 359 }),
      },
    ],
  },
];

const TERRAFORM: readonly Rule[] = [
  {
    id: "policy-version",
    says: "Every policy says the version of its language: without it, a reference is no reference, and SQS never gives it back unchanged",
    from: ["https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html"],
    of: ({ stack }) => stack.resources.filter((resource) => documentsOf(resource).length > 0),
    holds: (resource) =>
      documentsOf(resource).every((document) => document.includes('"Version":"2012-10-17"')),
    examples: [
      mistake("a queue's without", "queue/queue", (attributes) => ({
        ...attributes,
        policy: String(attributes["policy"]).replace('"Version":"2012-10-17",', ""),
      })),
      mistake("the version before", "sender/role", (attributes) => ({
        ...attributes,
        assume_role_policy: String(attributes["assume_role_policy"]).replace("2012-10-17", "2008-10-17"),
      })),
    ],
  },
  {
    id: "policy-effective",
    says: "Every statement is about actions that AWS has, resources that they take, and condition keys that their requests have",
    from: [
      "https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html",
    ],
    of: ({ stack }) => stack.resources.filter((resource) => documentsOf(resource).length > 0),
    holds: (resource, { stack, accountId }) =>
      documentsOf(resource).every((document) => faultsOfPolicy(document, stack, accountId).length === 0),
    examples: [
      mistake(
        "an action that AWS does not have",
        "sender/send-messages",
        statementBecomes("SendMessages", { Action: "sqs:SendMessages" }),
      ),
      mistake(
        "an object's action on a bucket",
        "consumer-signer/sign-urls",
        statementBecomes("ConsumerUrls", {
          Resource: "arn:aws:s3:::tweedle-test-content-123456789012-eu-central-1",
        }),
      ),
      mistake(
        "another service's condition key",
        "sender/send-messages",
        statementBecomes("SendMessages", { Condition: { StringEquals: { "s3:authType": "REST-HEADER" } } }),
      ),
      mistake(
        "a queue's resource beside its own",
        "sender/send-messages",
        statementBecomes("SendMessages", {
          Resource: ["arn:aws:sqs:eu-central-1:123456789012:x", "arn:aws:sns:eu-central-1:123456789012:x"],
        }),
      ),
      inBootstrap(
        mistake(
          "an action that takes no resource, on one",
          "deploy-dev/deploy",
          statementBecomes("CreateEventSources", {
            Resource: "arn:aws:lambda:eu-central-1:123456789012:event-source-mapping:*",
          }),
        ),
      ),
      inBootstrap(
        mistake(
          "a log group without what AWS authorises it by",
          "deploy-prod/deploy",
          statementBecomes("Logs", {
            Resource: "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/x",
          }),
        ),
      ),
    ],
  },
];

/** The role of a pipeline: whoever assumes it comes with another's word for who he is. */
const pipelineRoles: Rule["of"] = ({ stack }) =>
  stack.ofType("aws_iam_role").filter((role) => text(role, "assume_role_policy").includes("WithWebIdentity"));

const rightsOfRole = (role: Resource, { stack }: Deployment) =>
  stack.referringTo(role, "role", "aws_iam_role_policy").flatMap(policyOf);

/** Whether a role may do more than look. */
const mayChange = (role: Resource, deployment: Deployment) =>
  actionsOf(rightsOfRole(role, deployment).filter(({ Effect }) => Effect === "Allow")).some(
    (action) => !/^\w+:(GET|Get|List|Describe)/.test(action),
  );

const stateBuckets: Rule["of"] = ({ stack }) => {
  const { bucket } = (stack.terraform["backend"] as { s3: { bucket: string } }).s3;
  return stack.ofType("aws_s3_bucket").filter((one) => text(one, "bucket") === bucket);
};

const GITHUB_OIDC = "https://docs.github.com/en/actions/reference/security/oidc";
const HOST = "token.actions.githubusercontent.com";

/** What gives a role rights, or takes them. */
const GRANTS = /^iam:(CreateRole|(Put|Delete|Attach|Detach)RolePolicy|PutRolePermissionsBoundary)$/;

/** What nobody needs to deploy, and what would undo all of this. */
const KEYS_OF_THE_HOUSE =
  /^(iam:(DeleteRolePermissionsBoundary|.*(OpenIDConnect|Policy(Version)?$|User|AccessKey|Group))|sts:|organizations:)/;

const PIPELINES: readonly Rule[] = [
  {
    id: "state-kept",
    app: "bootstrap",
    says: "A state is never lost: not destroyed, not expired, its versions kept for 90 days and 20 deep, and deleted by nobody",
    from: [
      "https://developer.hashicorp.com/terraform/language/backend/s3",
      `${S3_GUIDE}/intro-lifecycle-rules.html`,
    ],
    of: stateBuckets,
    holds: (bucket, { stack }) => {
      const { days, noncurrentDays = 0, noncurrentVersions = 0 } = lifecycleOf(stack, bucket);
      return (
        isKept(bucket.attributes) &&
        days === undefined &&
        noncurrentDays >= 90 &&
        noncurrentVersions >= 20 &&
        ["s3:DeleteObjectVersion", "s3:DeleteBucket"].every((action) =>
          denies(bucketPolicy(stack, bucket), action, whole(bucket), undefined),
        )
      );
    },
    examples: [
      inBootstrap(mistake("a bucket that may be destroyed", "state/bucket", set({ lifecycle: undefined }))),
      inBootstrap(
        mistake("versions that anybody may delete", "state/policy", without("DenyHistoryLoss"), [
          "state/bucket",
        ]),
      ),
      inBootstrap(
        mistake(
          "states that expire",
          "state/lifecycle",
          ({ rule, ...rest }) => ({
            ...rest,
            rule: (rule as object[]).map((one) => ({ ...one, expiration: [{ days: 90 }] })),
          }),
          // And with them the delete markers' rule, which is of this shape.
          ["state/bucket"],
        ),
      ),
    ],
  },
  {
    id: "pipeline-trust",
    app: "bootstrap",
    says: "A pipeline's role is assumed by jobs of one repository, in contexts that are said in full, with tokens that are for AWS",
    from: [GITHUB_OIDC, "Security Hub IAM.21", "checkov CKV_AWS_358"],
    of: pipelineRoles,
    holds: (role) =>
      statements(text(role, "assume_role_policy")).every((statement) => {
        const subjects = conditionOf(statement, "StringEquals", `${HOST}:sub`);
        return (
          isDeepStrictEqual(Object.keys(statement.Principal ?? {}), ["Federated"]) &&
          isDeepStrictEqual(conditionOf(statement, "StringEquals", `${HOST}:aud`), ["sts.amazonaws.com"]) &&
          subjects.length > 0 &&
          subjects.every((subject) =>
            /^repo:[\w.-]+(@\d+)?\/[\w.-]+(@\d+)?:(pull_request|(environment|ref):[\w/.-]+)$/.test(subject),
          ) &&
          new Set(subjects.map((subject) => subject.replaceAll(/@\d+/g, "").split(":")[1])).size === 1
        );
      }),
    examples: [
      inBootstrap(
        mistake("every job of the repository", "plan/role", (attributes) => ({
          ...attributes,
          assume_role_policy: String(attributes["assume_role_policy"]).replaceAll("pull_request", "*"),
        })),
      ),
      inBootstrap(
        mistake("anybody's repository", "deploy-prod/role", (attributes) => ({
          ...attributes,
          assume_role_policy: String(attributes["assume_role_policy"]).replace(
            `${HOST}:sub`,
            `${HOST}:actor`,
          ),
        })),
      ),
      inBootstrap(
        mistake("tokens for somebody else", "deploy-dev/role", (attributes) => ({
          ...attributes,
          assume_role_policy: String(attributes["assume_role_policy"]).replace(
            "sts.amazonaws.com",
            "example.com",
          ),
        })),
      ),
    ],
  },
  {
    id: "pipeline-environment",
    app: "bootstrap",
    says: "What changes a stage is assumed in that stage's environment alone, where somebody approves it",
    from: [GITHUB_OIDC],
    of: pipelineRoles,
    holds: (role, deployment) => {
      const stage = text(role, "name").split("-").at(-1);
      return (
        !mayChange(role, deployment) ||
        statements(text(role, "assume_role_policy"))
          .flatMap((statement) => conditionOf(statement, "StringEquals", `${HOST}:sub`))
          .every((subject) => subject.endsWith(`:environment:${stage}`))
      );
    },
    examples: [
      inBootstrap(
        mistake("a pull request that deploys", "deploy-dev/role", (attributes) => ({
          ...attributes,
          assume_role_policy: String(attributes["assume_role_policy"]).replace(
            "environment:dev",
            "pull_request",
          ),
        })),
      ),
      inBootstrap(
        mistake(
          "a plan that may write the state",
          "plan/state",
          statementBecomes("ReadStates", { Action: ["s3:GetObject", "s3:PutObject"] }),
          ["plan/role"],
        ),
      ),
    ],
  },
  {
    id: "pipeline-no-wildcards",
    app: "bootstrap",
    says: "A pipeline's role has no wildcard of actions, nothing by negation, and all resources only for actions that take none",
    from: ["Security Hub IAM.1, IAM.21", "cdk-nag AwsSolutions-IAM5", "checkov CKV_AWS_355"],
    of: pipelineRoles,
    holds: (role, deployment) =>
      rightsOfRole(role, deployment)
        .filter(({ Effect }) => Effect === "Allow")
        .every(
          (statement) =>
            !("NotAction" in statement) &&
            !("NotResource" in statement) &&
            list(statement.Action).every((action) => /^[a-z0-9-]+:\w+$/.test(action)) &&
            (!list(statement.Resource).includes("*") ||
              list(statement.Action).every((action) => actionReference(action).resourceTypes.length === 0)),
        ),
    examples: [
      inBootstrap(
        mistake("all of IAM", "deploy-dev/deploy", statementBecomes("Iam", { Action: "iam:*" }), [
          "deploy-dev/role",
        ]),
      ),
      inBootstrap(
        mistake("every bucket", "plan/read", statementBecomes("ReadS3", { Resource: "*" }), ["plan/role"]),
      ),
    ],
  },
  {
    id: "pipeline-no-payload",
    app: "bootstrap",
    says: "A pipeline's role reads no object but a state, no message and no log, and the role that plans is denied it",
    from: ["https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html"],
    of: pipelineRoles,
    holds: (role, deployment) => {
      const rights = rightsOfRole(role, deployment);
      const [states] = stateBuckets(deployment);
      const denied = rights.filter(({ Effect, Condition }) => Effect === "Deny" && !Condition);
      const refuses = ["s3:GetObject", "sqs:ReceiveMessage", "kms:Decrypt"].every((action) =>
        actionsOf(denied).includes(action),
      );
      if (!refuses && !mayChange(role, deployment)) return false;
      return rights
        .filter(
          ({ Effect, Action }) => Effect === "Allow" && list(Action).some((action) => PAYLOAD.test(action)),
        )
        .every(
          (statement) =>
            states !== undefined &&
            list(statement.Resource).every((arn) =>
              new RegExp(
                `^${bucketArnOf(states)}/producer-consumer-([a-z0-9]+|[*])\\.tfstate(\\.tflock)?$`,
              ).test(arn),
            ),
        );
    },
    examples: [
      inBootstrap(
        mistake(
          "a plan that reads payloads",
          "plan/read",
          withAlso({
            Sid: "Payloads",
            Effect: "Allow",
            Action: "s3:GetObject",
            Resource: "arn:aws:s3:::tweedle-prod-content-123456789012-eu-central-1/input/*",
          }),
          ["plan/role"],
        ),
      ),
      inBootstrap(
        mistake("a plan that some later policy might let read", "plan/read", without("DenyPayloads"), [
          "plan/role",
        ]),
      ),
      inBootstrap(
        mistake(
          "a deploy that may read every state, the one of the roles too",
          "deploy-prod/state",
          statementBecomes("States", { Resource: "arn:aws:s3:::tweedle-state-123456789012-eu-central-1/*" }),
          ["deploy-prod/role"],
        ),
      ),
    ],
  },
  {
    id: "pipeline-bounded",
    app: "bootstrap",
    says: "A pipeline gives rights only to roles that a policy bounds, and may change neither that policy nor whom AWS trusts",
    from: ["https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html"],
    of: pipelineRoles,
    holds: (role, deployment) => {
      const stage = text(role, "name").split("-").at(-1);
      const allowed = rightsOfRole(role, deployment).filter(({ Effect }) => Effect === "Allow");
      const policies = deployment.stack
        .ofType("aws_iam_policy")
        .map((policy) => `arn:aws:iam::${deployment.accountId}:policy/${text(policy, "name")}`);
      return (
        !actionsOf(allowed).some(
          (action) => KEYS_OF_THE_HOUSE.test(action) && !/^iam:\w+RolePolic(y|ies)$/.test(action),
        ) &&
        allowed
          .filter((statement) => actionsOf([statement]).some((action) => GRANTS.test(action)))
          .every((statement) => {
            const [boundary = "", ...others] = conditionOf(
              statement,
              "StringEquals",
              "iam:PermissionsBoundary",
            );
            return (
              others.length === 0 &&
              policies.includes(boundary) &&
              boundary.endsWith(`-${stage}`) &&
              list(statement.Resource).every((arn) => arn.endsWith(`:role/tweedle-${stage}-*`))
            );
          })
      );
    },
    examples: [
      inBootstrap(
        mistake(
          "roles that nothing bounds",
          "deploy-dev/deploy",
          statementBecomes("BoundedRoles", { Condition: {} }),
          ["deploy-dev/role"],
        ),
      ),
      inBootstrap(
        mistake(
          "another stage's boundary",
          "deploy-dev/deploy",
          statementBecomes("BoundedRoles", {
            Condition: {
              StringEquals: {
                "iam:PermissionsBoundary": "arn:aws:iam::123456789012:policy/tweedle-boundary-prod",
              },
            },
          }),
          ["deploy-dev/role"],
        ),
      ),
      inBootstrap(
        mistake(
          "a pipeline that widens its boundary",
          "deploy-prod/deploy",
          withAlso({
            Sid: "Boundary",
            Effect: "Allow",
            Action: "iam:CreatePolicyVersion",
            Resource: "arn:aws:iam::123456789012:policy/tweedle-boundary-prod",
          }),
          ["deploy-prod/role"],
        ),
      ),
    ],
  },
  {
    id: "pipeline-rules",
    app: "bootstrap",
    says: "A pipeline makes rules of EventBridge for new objects alone: one for other events could watch the whole account",
    from: ["https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html"],
    of: pipelineRoles,
    holds: (role, deployment) =>
      rightsOfRole(role, deployment)
        .filter(({ Effect, Action }) => Effect === "Allow" && list(Action).includes("events:PutRule"))
        .every(
          (statement) =>
            isDeepStrictEqual(conditionOf(statement, "StringEquals", "events:source"), ["aws.s3"]) &&
            isDeepStrictEqual(conditionOf(statement, "StringEquals", "events:detail-type"), [
              "Object Created",
            ]),
        ),
    examples: [
      inBootstrap(
        mistake("rules for every event", "deploy-dev/deploy", statementBecomes("Rules", { Condition: {} }), [
          "deploy-dev/role",
        ]),
      ),
      inBootstrap(
        mistake(
          "rules for everything that S3 tells, its calls among it",
          "deploy-prod/deploy",
          statementBecomes("Rules", { Condition: { StringEquals: { "events:source": "aws.s3" } } }),
          ["deploy-prod/role"],
        ),
      ),
    ],
  },
  {
    id: "boundary-closed",
    app: "bootstrap",
    says: "What a stage's role may ever do is about that stage's own logs, payloads, messages, keys and API, and is nothing of IAM",
    from: ["https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html"],
    of: ({ stack }) =>
      stack.ofType("aws_iam_policy").filter((policy) => text(policy, "name").startsWith("tweedle-boundary-")),
    holds: (policy) => {
      const stage = text(policy, "name").split("-").at(-1) ?? "";
      const own = new RegExp(`[:/]tweedle-${stage}-|:[*]/${stage}/POST/`);
      return policyOf(policy).every(
        ({ Action, Resource: resource, Condition }) =>
          list(Action).every((action) => /^(logs|s3|sqs|kms|execute-api):\w+$/.test(action)) &&
          (list(resource).every((arn) => own.test(arn)) ||
            isDeepStrictEqual(Condition?.["StringEquals"]?.["aws:ResourceTag/stage"], [stage])),
      );
    },
    examples: [
      inBootstrap(
        mistake(
          "another stage's payloads",
          "boundary-dev",
          statementBecomes("Payloads", { Resource: "arn:aws:s3:::tweedle-*/*" }),
        ),
      ),
      inBootstrap(
        mistake(
          "a role's rights",
          "boundary-prod",
          statementBecomes("Urls", { Action: "iam:PutRolePolicy" }),
        ),
      ),
    ],
  },
];

/** What shows what is in a stage. */
const PAYLOAD =
  /^(s3:GetObject|sqs:Receive|kms:(Decrypt|Generate)|logs:(Get|Filter)|lambda:Invoke|execute-api:|secretsmanager:|ssm:)/;

/** The policies that a resource holds, without white space. */
const documentsOf = ({ attributes }: Resource): readonly string[] =>
  Object.entries(attributes)
    .filter(([name, value]) => /policy(_document)?$/.test(name) && /"Statement"/.test(String(value)))
    .map(([, value]) => String(value).replaceAll('" = ', '":').replace(/\s/g, ""));

export const RULES: readonly Rule[] = [
  ...BUCKETS,
  ...PAYLOADS,
  ...QUEUES,
  ...FUNCTIONS,
  ...API,
  ...TRAIL,
  ...LOGS,
  ...RETENTION,
  ...TERRAFORM,
  ...PIPELINES,
];
