import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";
import { ACTIONS, actionsOf } from "../../functions/sign-url/actions";
import { STAGES, createApp } from "../../main";
import { type Resource, SynthesizedStack, schemasOf, statements, temporaryFolder, text } from "./tools";

const outdir = temporaryFolder();
createApp(outdir).synth();
const stackOf = (stage: string) => new SynthesizedStack(outdir, `producer-consumer-${stage}`);

const DAY = 86_400;

/** What a signer's role may do for each role of its callers. A new right of theirs is to be seen here. */
const RIGHTS: Readonly<Record<string, readonly string[]>> = {
  producer: ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
  consumer: ["s3:GetObject", "s3:GetObjectVersion", "s3:DeleteObject", "s3:DeleteObjectVersion"],
};

const ACCESS_LOGS = "access-logs/bucket";
const CONTENT = "content/bucket";
const TRAIL = "trail/log-bucket/bucket";

interface Integration {
  readonly type: string;
  readonly uri: string;
  readonly passthroughBehavior?: string;
  readonly timeoutInMillis: number;
  readonly requestTemplates: Record<string, string>;
  readonly responses: { default: { statusCode: string; responseTemplates: Record<string, string> } };
}

interface Operation {
  readonly security?: unknown;
  readonly responses?: Readonly<Record<string, unknown>>;
  readonly "x-amazon-apigateway-integration": Integration;
}

interface Api {
  readonly security?: unknown;
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: object;
  readonly "x-amazon-apigateway-gateway-responses": Record<
    string,
    { responseParameters: Record<string, string>; responseTemplates: Record<string, string> }
  >;
}

/** What a caller gets of a template. API Gateway quotes messageString itself. */
function render(templates: Record<string, string>): unknown {
  expect(Object.keys(templates)).toEqual(["application/json"]);
  const rendered = templates["application/json"]
    ?.replaceAll("$context.error.messageString", JSON.stringify('a "quoted" message'))
    .replaceAll("$context.error.responseType", "INVALID_SIGNATURE")
    .replaceAll("$context.requestId", "the-request");
  return JSON.parse(rendered ?? "");
}

const anError = (code: unknown = expect.stringMatching(/^\w+$/)) => ({
  error: { code, message: expect.stringMatching(/^[^$]+$/), request_id: "the-request" },
});

it("There are the stages dev, test and prod, each with a state of its own", () => {
  expect(STAGES.map(({ stage }) => stage)).toEqual(["dev", "test", "prod"]);
  expect(STAGES.map(({ stage }) => stackOf(stage).terraform["backend"])).toEqual(
    STAGES.map(({ stage, accountId, region }) => ({
      s3: {
        bucket: `tweedle-state-${accountId}-${region}`,
        key: `producer-consumer-${stage}.tfstate`,
        region,
        allowed_account_ids: [accountId],
        encrypt: true,
        use_lockfile: true,
      },
    })),
  );
});

describe.each(STAGES)("The stage $stage", ({ stage, accountId, region, ...config }) => {
  const stack = stackOf(stage);
  const consumersSign = stage !== "dev";
  const buckets = stack.ofType("aws_s3_bucket");
  const arnOf = (bucket: Resource) => `arn:aws:s3:::${text(bucket, "bucket")}`;
  const settingOf = (bucket: Resource, type: string) =>
    stack.referringTo(bucket, "bucket", type)[0]?.attributes;
  const policyOf = (bucket: Resource) =>
    statements(String(settingOf(bucket, "aws_s3_bucket_policy")?.["policy"]));
  const content = stack.at(CONTENT);

  it(`${consumersSign ? "has" : "has not"} its API's requests and errors logged`, () => {
    const { access_log_settings: settings } = stack.at("api/stage").attributes;
    expect(settings !== undefined).toBe(consumersSign);
  });

  it("is made of these resources", () => {
    const types = [...new Set(stack.resources.map(({ type }) => type))];
    expect(Object.fromEntries(types.map((type) => [type, stack.ofType(type).length]))).toEqual({
      aws_api_gateway_deployment: 1,
      aws_api_gateway_method_settings: 1,
      aws_api_gateway_rest_api: 1,
      aws_api_gateway_stage: 1,
      aws_cloudtrail: 1,
      aws_cloudwatch_dashboard: 1,
      // Each function's, and where the API logs, its two.
      aws_cloudwatch_log_group: consumersSign ? 4 + 2 : 3,
      aws_cloudwatch_metric_alarm: consumersSign ? 12 : 10,
      aws_iam_role: consumersSign ? 4 : 3,
      aws_iam_role_policy: consumersSign ? 7 : 5,
      ...(config.alarmTopic && { aws_kms_alias: 1, aws_kms_key: 1, aws_sns_topic: 1 }),
      aws_lambda_function: consumersSign ? 4 : 3,
      aws_lambda_permission: 15,
      aws_s3_bucket: 3,
      aws_s3_bucket_cors_configuration: 1,
      aws_s3_bucket_lifecycle_configuration: 3,
      aws_s3_bucket_logging: 2,
      aws_s3_bucket_notification: 1,
      aws_s3_bucket_ownership_controls: 3,
      aws_s3_bucket_policy: 3,
      aws_s3_bucket_public_access_block: 3,
      aws_s3_bucket_server_side_encryption_configuration: 3,
      aws_s3_bucket_versioning: 3,
      aws_sqs_queue: 2,
    });
  });

  describe("as Terraform", () => {
    it("touches its own account only, in its region", () => {
      expect(stack.provider).toEqual({
        aws: [expect.objectContaining({ allowed_account_ids: [accountId], region })],
      });
    });

    it("works with the AWS provider from 5.100 to 6, and wants a Terraform that locks in S3", () => {
      expect(stack.terraform).toMatchObject({
        required_version: ">= 1.10.0",
        required_providers: { aws: { source: "hashicorp/aws", version: ">= 5.100.0, < 7.0.0" } },
      });
    });

    it("has these outputs", () => {
      expect(Object.keys(stack.outputs).toSorted()).toEqual([
        ...(config.alarmTopic ? ["alarm_topic_arn"] : []),
        "api_url",
        "bucket_name",
        "consumer_policy_json",
        "dead_letter_queue_arn",
        "dead_letter_queue_url",
        "operator_policy_json",
        "queue_arn",
        "queue_url",
        "trail_arn",
      ]);
      expect(stack.outputs).toMatchObject({
        api_url: `\${${stack.at("api/stage").address}.invoke_url}`,
        bucket_name: `\${${content.address}.id}`,
        queue_url: `\${${stack.at("queue/queue").address}.url}`,
        queue_arn: `\${${stack.at("queue/queue").address}.arn}`,
        dead_letter_queue_url: `\${${stack.at("queue/dead-letter-queue").address}.url}`,
        dead_letter_queue_arn: `\${${stack.at("queue/dead-letter-queue").address}.arn}`,
        trail_arn: `\${${stack.at("trail/trail").address}.arn}`,
      });
    });

    it("writes every policy as literal JSON of the version that SQS gives back", () => {
      const policies = stack.resources
        .flatMap(({ attributes }) => Object.entries(attributes))
        .flatMap(([name, value]) => (name.endsWith("policy") && typeof value === "string" ? [value] : []));
      expect(policies.filter((policy) => policy.includes("${"))).toEqual([]);
      const documents = policies.filter((policy) => policy.includes('"Statement"'));
      // The roles may be assumed, and do something; buckets, queues, the topic and its key have one each.
      const topic = config.alarmTopic ? 2 : 0;
      expect(documents).toHaveLength(consumersSign ? 4 + 7 + 3 + 2 + topic : 3 + 5 + 3 + 2);
      for (const document of documents) {
        expect(JSON.parse(document)).toHaveProperty("Version", "2012-10-17");
        const sids = statements(document).map(({ Sid }) => Sid);
        expect(new Set(sids).size).toBe(sids.length);
      }
    });

    it("names no path of the machine that synthesized it", () => {
      const folders = [outdir, tmpdir(), homedir(), process.cwd()].map(
        (folder) => `${folder.replace(/\/$/, "")}/`,
      );
      expect(folders.filter((folder) => folder !== "/" && stack.json.includes(folder))).toEqual([]);
    });
  });

  describe("in its functions and roles", () => {
    const functions = stack.ofType("aws_lambda_function");
    const variablesOf = (fn: Resource) =>
      (fn.attributes["environment"] as { variables: Record<string, string> }).variables;
    const roleOf = (fn: Resource) => stack.referred(text(fn, "role"));

    it("groups functions by who may call them, on the right bucket or queue and with the stage's cap", () => {
      const cap =
        config.maxObjectBytes === undefined ? {} : { MAX_OBJECT_BYTES: String(config.maxObjectBytes) };
      const variables = (ROLES: string) => ({ BUCKET_NAME: text(content, "bucket"), ROLES, ...cap });
      const queue = text(stack.at("queue/queue"), "name");
      const sender = { QUEUE_URL: `https://sqs.${region}.amazonaws.com/${accountId}/${queue}`, ...cap };
      const form = { BUCKET_NAME: text(content, "bucket") };
      expect(Object.fromEntries(functions.map((fn) => [fn.path, variablesOf(fn)]))).toEqual(
        consumersSign
          ? {
              "form/function": form,
              "sender/function": sender,
              "producer-signer/function": variables("producer"),
              "consumer-signer/function": variables("consumer"),
            }
          : {
              "form/function": form,
              "sender/function": sender,
              "signer/function": variables("producer,consumer"),
            },
      );
    });

    it("gives each function a role of its own, which only Lambda assumes", () => {
      expect(new Set(functions.map(roleOf)).size).toBe(functions.length);
      for (const role of stack.ofType("aws_iam_role")) {
        expect(statements(text(role, "assume_role_policy"))).toEqual([
          { Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" },
        ]);
      }
    });

    it("lets each role sign for its callers' actions, or send, and write its own log, and the form's nothing but that", () => {
      for (const fn of functions) {
        const role = roleOf(fn);
        const policies = role ? stack.referringTo(role, "role", "aws_iam_role_policy") : [];
        const { ROLES: callers } = variablesOf(fn);
        const sending = {
          Sid: expect.any(String),
          Effect: "Allow",
          Action: ["sqs:SendMessage"],
          Resource: `arn:aws:sqs:${region}:${accountId}:tweedle-${stage}-queue`,
          Condition: {
            StringEquals: { "aws:ResourceAccount": accountId },
            Bool: { "aws:SecureTransport": "true" },
          },
        };
        const signing = callers?.split(",").map((caller) => ({
          Sid: expect.any(String),
          Effect: "Allow",
          Action: RIGHTS[caller],
          Resource: `${arnOf(content)}/input/*`,
          Condition: {
            StringEquals: { "s3:authType": "REST-QUERY-STRING", "aws:ResourceAccount": accountId },
            NumericLessThanEquals: { "s3:signatureAge": "900000" },
            Bool: { "aws:SecureTransport": "true" },
          },
        }));
        const logGroup = `/aws/lambda/${text(fn, "function_name")}`;
        const logging = {
          Sid: expect.any(String),
          Effect: "Allow",
          Action: ["logs:CreateLogStream", "logs:PutLogEvents"],
          Resource: `arn:aws:logs:${region}:${accountId}:log-group:${logGroup}:*`,
        };
        expect(policies.flatMap((policy) => statements(text(policy, "policy")))).toEqual([
          ...(signing ?? (fn.path === "form/function" ? [] : [sending])),
          logging,
        ]);
        const { assume_role_policy: _, ...rest } = role?.attributes ?? {};
        const boundary = `arn:aws:iam::${accountId}:policy/tweedle-boundary-${stage}`;
        expect(rest).toEqual({ name: fn.attributes["function_name"], permissions_boundary: boundary });
      }
    });

    it("allows no role a wildcard of actions, or every resource", () => {
      const all = stack.ofType("aws_iam_role_policy").flatMap((policy) => statements(text(policy, "policy")));
      expect(all.flatMap(({ Action }) => Action).filter((action) => action.includes("*"))).toEqual([]);
      expect(
        all.flatMap(({ Resource }) => Resource).filter((resource) => !resource.startsWith("arn:")),
      ).toEqual([]);
    });

    it("keeps each function's log for 365 days, in a group that is there before the function", () => {
      for (const fn of functions) {
        const group = stack.at(fn.path.replace("function", "logs"));
        expect(group.attributes).toEqual({
          name: `/aws/lambda/${text(fn, "function_name")}`,
          retention_in_days: 365,
        });
        expect(stack.follows(fn, group)).toBe(true);
      }
    });

    it("finds each function's code beside it, all signers' of the same bundle, and knows its digest", () => {
      for (const fn of functions) {
        const file = text(fn, "filename");
        expect(isAbsolute(file)).toBe(false);
        const digest = createHash("sha256")
          .update(readFileSync(join(stack.folder, file)))
          .digest("base64");
        expect(fn.attributes["source_code_hash"]).toBe(digest);
      }
      const hashes = (of: readonly Resource[]) => new Set(of.map((fn) => fn.attributes["source_code_hash"]));
      const signers = functions.filter(({ path }) => path.includes("signer/"));
      expect([hashes(signers).size, hashes(functions).size]).toEqual([1, 3]);
    });

    it("reserves instances only where the configuration says so", () => {
      for (const { attributes } of functions) {
        expect(attributes["reserved_concurrent_executions"]).toBe(stage === "prod" ? 100 : undefined);
      }
    });
  });

  describe.each(buckets)("in its bucket $path", (bucket) => {
    const arn = arnOf(bucket);

    it("has a name without dots that fits a bucket", () => {
      expect(text(bucket, "bucket")).toMatch(/^[a-z0-9-]{3,63}$/);
    });

    it("is deleted with the objects in it only on dev", () => {
      expect(bucket.attributes["force_destroy"]).toBe(stage === "dev");
    });

    it("blocks public access in all four ways", () => {
      expect(settingOf(bucket, "aws_s3_bucket_public_access_block")).toMatchObject({
        block_public_acls: true,
        block_public_policy: true,
        ignore_public_acls: true,
        restrict_public_buckets: true,
      });
    });

    it("has its ACLs off", () => {
      expect(settingOf(bucket, "aws_s3_bucket_ownership_controls")).toMatchObject({
        rule: { object_ownership: "BucketOwnerEnforced" },
      });
    });

    it("encrypts with keys of S3", () => {
      expect(settingOf(bucket, "aws_s3_bucket_server_side_encryption_configuration")).toMatchObject({
        rule: [{ apply_server_side_encryption_by_default: { sse_algorithm: "AES256" } }],
      });
    });

    it("keeps versions", () => {
      expect(settingOf(bucket, "aws_s3_bucket_versioning")).toMatchObject({
        versioning_configuration: { status: "Enabled" },
      });
    });

    it.each([
      ["plain HTTP", { Bool: { "aws:SecureTransport": "false" } }],
      ["TLS before 1.2", { NumericLessThan: { "s3:TlsVersion": "1.2" } }],
      ["Signature Version 2", { StringEquals: { "s3:signatureversion": "AWS" } }],
    ])("refuses %s to everyone", (_, Condition) => {
      expect(policyOf(bucket)).toContainEqual({
        Sid: expect.any(String),
        Effect: "Deny",
        Principal: { AWS: "*" },
        Action: "s3:*",
        Resource: [arn, `${arn}/*`],
        Condition,
      });
    });

    it("refuses objects under customers' own keys to everyone", () => {
      expect(policyOf(bucket)).toContainEqual({
        Sid: expect.any(String),
        Effect: "Deny",
        Principal: { AWS: "*" },
        Action: "s3:PutObject",
        Resource: `${arn}/*`,
        Condition: { Null: { "s3:x-amz-server-side-encryption-customer-algorithm": "false" } },
      });
    });

    it("drops parts of uploads, objects, old versions and delete markers, whatever their keys", () => {
      expect(settingOf(bucket, "aws_s3_bucket_lifecycle_configuration")?.["rule"]).toEqual(
        [
          { abort_incomplete_multipart_upload: [{ days_after_initiation: 1 }] },
          {
            expiration: [{ days: bucket === content ? 30 : 365 }],
            noncurrent_version_expiration: [{ noncurrent_days: bucket === content ? 30 : 7 }],
          },
          { expiration: [{ expired_object_delete_marker: true }] },
        ].map((rule) => ({ id: expect.any(String), status: "Enabled", filter: [{}], ...rule })),
      );
    });

    it("has its settings changed one after the other, on the first apply too", () => {
      const settings = stack.referringTo(bucket, "bucket");
      expect(settings.length).toBeGreaterThanOrEqual(6);
      const atOnce = settings.flatMap((one, index) =>
        settings
          .slice(index + 1)
          .filter((other) => !stack.follows(one, other) && !stack.follows(other, one))
          .map((other) => `${one.path} and ${other.path}`),
      );
      expect(atOnce).toEqual([]);
    });

    it("allows nobody anything, but AWS's services to write their logs", () => {
      const allowed = policyOf(bucket).filter(({ Effect }) => Effect === "Allow");
      const services: Readonly<Record<string, string[]>> = {
        [ACCESS_LOGS]: ["logging.s3.amazonaws.com", "logging.s3.amazonaws.com"],
        [TRAIL]: ["cloudtrail.amazonaws.com", "cloudtrail.amazonaws.com"],
      };
      expect(allowed.map(({ Principal }) => Principal)).toEqual(
        (services[bucket.path] ?? []).map((Service) => ({ Service })),
      );
    });

    it("has its accesses logged, unless it holds the logs", () => {
      const logs = stack.at(ACCESS_LOGS);
      const prefix = `${text(bucket, "bucket")}/`;
      const written = policyOf(logs).filter(({ Resource }) => Resource === `${arnOf(logs)}/${prefix}*`);
      const logging = [settingOf(bucket, "aws_s3_bucket_logging")].filter((setting) => setting !== undefined);
      const wanted = bucket === logs ? [] : [bucket];
      expect(logging).toEqual(
        wanted.map(() =>
          expect.objectContaining({ target_bucket: `\${${logs.address}.id}`, target_prefix: prefix }),
        ),
      );
      expect(written.map(({ Sid: _, ...statement }) => statement)).toEqual(
        wanted.map(() => ({
          Effect: "Allow",
          Principal: { Service: "logging.s3.amazonaws.com" },
          Action: "s3:PutObject",
          Resource: `${arnOf(logs)}/${prefix}*`,
          Condition: { ArnLike: { "aws:SourceArn": arn }, StringEquals: { "aws:SourceAccount": accountId } },
        })),
      );
    });
  });

  describe("in its content bucket", () => {
    const refusals = (bucket: Resource) =>
      policyOf(bucket).filter(({ Condition }) =>
        /s3:signatureAge|aws:PrincipalAccount/.test(JSON.stringify(Condition)),
      );

    it("refuses signatures older than 15 minutes, and writers of other accounts", () => {
      const deny = { Sid: expect.any(String), Effect: "Deny", Principal: { AWS: "*" } };
      expect(refusals(content)).toEqual([
        {
          ...deny,
          Action: "s3:*",
          Resource: [arnOf(content), `${arnOf(content)}/*`],
          Condition: { NumericGreaterThan: { "s3:signatureAge": "900000" } },
        },
        {
          ...deny,
          Action: "s3:PutObject",
          Resource: `${arnOf(content)}/*`,
          Condition: { StringNotEquals: { "aws:PrincipalAccount": accountId } },
        },
      ]);
    });

    it("refuses those nowhere else: AWS's services write the logs, with signatures of their own", () => {
      expect(buckets.filter((bucket) => bucket !== content).flatMap(refusals)).toEqual([]);
    });

    it("lets only the form's own page call it from a browser, and only as a producer does", () => {
      const [rule, ...others] = stack.only("aws_s3_bucket_cors_configuration").attributes[
        "cors_rule"
      ] as Record<string, string[]>[];
      expect(others).toEqual([]);
      expect(rule?.["allowed_origins"]).toEqual([
        `https://\${${stack.at("api/api").address}.id}.execute-api.${region}.amazonaws.com`,
      ]);
      expect(rule?.["allowed_methods"]?.toSorted()).toEqual(["DELETE", "GET", "POST", "PUT"]);
      expect(rule?.["allowed_headers"]?.toSorted()).toEqual([
        "content-type",
        "if-none-match",
        "x-amz-checksum-algorithm",
        "x-amz-checksum-sha256",
        "x-amz-meta-tweedle-part-bytes",
        "x-amz-mp-object-size",
      ]);
      expect(rule?.["expose_headers"]).toEqual(["ETag"]);
    });
  });

  describe("in its trail", () => {
    const trail = stack.only("aws_cloudtrail");
    const bucket = stack.at(TRAIL);

    it("records every read and write of payloads, and nothing else, with its own bucket left out", () => {
      const selected = `${arnOf(content)}/`;
      expect(trail.attributes["event_selector"]).toEqual([
        {
          read_write_type: "All",
          include_management_events: false,
          data_resource: [{ type: "AWS::S3::Object", values: [selected] }],
        },
      ]);
      expect(trail.attributes["include_global_service_events"]).toBe(false);
      expect(`${arnOf(bucket)}/`.startsWith(selected)).toBe(false);
    });

    it("has files that tell whether somebody changed them", () => {
      expect(trail.attributes["enable_log_file_validation"]).toBe(true);
    });

    it("writes to a bucket that takes this trail's files only, and is ready before it", () => {
      const arn = `arn:aws:cloudtrail:${region}:${accountId}:trail/${text(trail, "name")}`;
      expect(stack.referred(text(trail, "s3_bucket_name"))).toBe(bucket);
      expect(policyOf(bucket).filter(({ Effect }) => Effect === "Allow")).toEqual([
        expect.objectContaining({
          Action: "s3:GetBucketAcl",
          Resource: arnOf(bucket),
          Condition: { StringEquals: { "aws:SourceArn": arn } },
        }),
        expect.objectContaining({
          Action: "s3:PutObject",
          Resource: `${arnOf(bucket)}/AWSLogs/${accountId}/*`,
          Condition: {
            StringEquals: { "aws:SourceArn": arn, "s3:x-amz-acl": "bucket-owner-full-control" },
          },
        }),
      ]);
      for (const setting of stack.referringTo(bucket, "bucket"))
        expect(stack.follows(trail, setting)).toBe(true);
    });
  });

  describe("in its queues", () => {
    const queue = stack.at("queue/queue");
    const deadLetters = stack.at("queue/dead-letter-queue");
    const arn = (of: Resource) => `arn:aws:sqs:${region}:${accountId}:${text(of, "name")}`;
    const denyPlainHttp = (of: Resource) => ({
      Sid: expect.any(String),
      Effect: "Deny",
      Principal: { AWS: "*" },
      Action: "sqs:*",
      Resource: arn(of),
      Condition: { Bool: { "aws:SecureTransport": "false" } },
    });

    it.each([queue, deadLetters])(
      "encrypts, polls long and keeps messages for 14 days: $path",
      ({ attributes }) => {
        expect(attributes).toMatchObject({
          sqs_managed_sse_enabled: true,
          receive_wait_time_seconds: 20,
          message_retention_seconds: 14 * DAY,
        });
      },
    );

    it("hides a message from others for 360 s", () => {
      expect(queue.attributes["visibility_timeout_seconds"]).toBe(360);
    });

    it("takes messages from S3 for the content bucket of this account, and no plain HTTP", () => {
      expect(statements(text(queue, "policy"))).toEqual([
        {
          Sid: expect.any(String),
          Effect: "Allow",
          Principal: { Service: "s3.amazonaws.com" },
          Action: "sqs:SendMessage",
          Resource: arn(queue),
          Condition: {
            ArnEquals: { "aws:SourceArn": arnOf(content) },
            StringEquals: { "aws:SourceAccount": accountId },
          },
        },
        denyPlainHttp(queue),
      ]);
    });

    it("makes a dead letter of a message that was received five times, and takes dead letters from nowhere else", () => {
      expect(JSON.parse(text(queue, "redrive_policy"))).toEqual({
        deadLetterTargetArn: arn(deadLetters),
        maxReceiveCount: 5,
      });
      expect(JSON.parse(text(deadLetters, "redrive_allow_policy"))).toEqual({
        redrivePermission: "byQueue",
        sourceQueueArns: [arn(queue)],
      });
      expect(statements(text(deadLetters, "policy"))).toEqual([denyPlainHttp(deadLetters)]);
      expect(stack.follows(queue, deadLetters)).toBe(true);
    });

    it("announces every new object under input/, once the queue and its policy are there", () => {
      const notification = stack.only("aws_s3_bucket_notification");
      const { bucket: _, depends_on: __, ...announced } = notification.attributes;
      expect(stack.referred(text(notification, "bucket"))).toBe(content);
      expect(announced).toEqual({
        queue: [
          {
            id: expect.any(String),
            queue_arn: arn(queue),
            events: ["s3:ObjectCreated:*"],
            filter_prefix: "input/",
          },
        ],
      });
      expect(stack.follows(notification, queue)).toBe(true);
    });

    it("lets a message live shorter than the payload that it names, redriven too", () => {
      const lifecycle = settingOf(content, "aws_s3_bucket_lifecycle_configuration");
      const rules = lifecycle?.["rule"] as { expiration?: { days?: number }[] }[];
      const [days = 0] = rules.flatMap(({ expiration }) => expiration?.[0]?.days ?? []);
      const seconds = [queue, deadLetters].map(({ attributes }) =>
        Number(attributes["message_retention_seconds"]),
      );
      expect(days * DAY).toBeGreaterThan(seconds.reduce((sum, retention) => sum + retention));
    });

    it("has a policy ready for consumers: the queue, and the API's routes where they sign", () => {
      const { consumer_policy_json: policy = "" } = stack.outputs;
      const api = `\${${stack.at("api/api").address}.execution_arn}/\${${stack.at("api/stage").address}.stage_name}`;
      expect(statements(policy).map(({ Sid: _, ...statement }) => statement)).toEqual([
        {
          Effect: "Allow",
          Action: [
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:ChangeMessageVisibility",
            "sqs:GetQueueAttributes",
          ],
          Resource: arn(queue),
        },
        ...(consumersSign
          ? [
              {
                Effect: "Allow",
                Action: "execute-api:Invoke",
                Resource: ["getObject", "headObject", "deleteObject"].map(
                  (action) => `${api}/POST/${action}`,
                ),
              },
            ]
          : []),
      ]);
    });

    it("has a policy ready for operators: to look at dead letters, send them back or drop their payloads, and list what is left", () => {
      const { operator_policy_json: policy = "" } = stack.outputs;
      const api = `\${${stack.at("api/api").address}.execution_arn}/\${${stack.at("api/stage").address}.stage_name}`;
      expect(statements(policy).map(({ Sid: _, ...statement }) => statement)).toEqual([
        {
          Effect: "Allow",
          Action: [
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:ChangeMessageVisibility",
            "sqs:GetQueueAttributes",
            "sqs:StartMessageMoveTask",
            "sqs:CancelMessageMoveTask",
            "sqs:ListMessageMoveTasks",
          ],
          Resource: arn(deadLetters),
        },
        { Effect: "Allow", Action: ["sqs:SendMessage", "sqs:GetQueueAttributes"], Resource: arn(queue) },
        {
          Effect: "Allow",
          Action: "s3:ListBucket",
          Resource: arnOf(content),
          Condition: { StringLike: { "s3:prefix": "input/*" } },
        },
        ...(consumersSign
          ? [{ Effect: "Allow", Action: "execute-api:Invoke", Resource: [`${api}/POST/deleteObject`] }]
          : []),
      ]);
    });
  });

  describe("in its API", () => {
    const restApi = stack.only("aws_api_gateway_rest_api");
    const body = text(restApi, "body");
    const api = JSON.parse(body) as Api;
    const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(
        ([method, { security, "x-amazon-apigateway-integration": integration }]) => ({
          method,
          path,
          security,
          integration,
        }),
      ),
    );
    const served = operations.filter(({ integration }) => integration.type !== "mock");
    const functions = stack.ofType("aws_lambda_function");
    const signerOf = ({ uri }: Integration) =>
      functions.find(
        (fn) =>
          uri ===
          `arn:aws:apigateway:${region}:lambda:path/2015-03-31/functions/arn:aws:lambda:${region}:${accountId}:function:${text(fn, "function_name")}/invocations`,
      );

    it("has the paths of the action table, and answers every other path itself", () => {
      const actions = Object.keys(ACTIONS).map((action) => `/${action}`);
      expect(Object.keys(api.paths).toSorted()).toEqual(
        ["/", ...actions, "/openapi.json", "/{proxy+}"].toSorted(),
      );
      for (const path of ["/", ...actions]) expect(api.paths[path]).toHaveProperty("post");
      expect(Object.keys(api.paths["/{proxy+}"] ?? {})).toEqual(["x-amazon-apigateway-any-method"]);
    });

    it("leaves to the signer what bodies hold: API Gateway validates none, and its models could not say it", () => {
      expect(Object.keys(api.components)).toEqual(["securitySchemes"]);
      expect(body).not.toMatch(/requestBody|#\/components\/schemas/);
    });

    it("signs for no sendMessage", () => {
      const schemas = schemasOf(stack);
      expect(schemas["SentMessage"]?.properties).not.toHaveProperty("url");
      expect(Object.keys(schemas["Request"]?.discriminator.mapping ?? {})).toEqual(
        actionsOf(consumersSign ? ["producer"] : ["producer", "consumer"]),
      );
    });

    it("passes each path to the function of those who may call it, POST / to the producers', and GET / to the form's", () => {
      const producers = actionsOf(["producer"]).map((action) => `post /${action}`);
      expect(
        Object.fromEntries(
          served.map(({ method, path, integration }) => [`${method} ${path}`, signerOf(integration)?.path]),
        ),
      ).toEqual(
        Object.fromEntries([
          ...["post /", "get /openapi.json", "head /openapi.json", ...producers].map((operation) => [
            operation,
            consumersSign ? "producer-signer/function" : "signer/function",
          ]),
          ...actionsOf(["consumer"]).map((action) => [
            `post /${action}`,
            consumersSign ? "consumer-signer/function" : "signer/function",
          ]),
          ["post /sendMessage", "sender/function"],
          ["get /", "form/function"],
          ["head /", "form/function"],
        ]),
      );
      for (const { integration } of served) {
        expect(integration).toMatchObject({ type: "aws_proxy", httpMethod: "POST" });
      }
    });

    it("may call a function for exactly those methods and paths", () => {
      const permissions = stack.ofType("aws_lambda_permission").map(({ attributes }) => attributes);
      expect(permissions).toHaveLength(served.length);
      expect(permissions).toEqual(
        expect.arrayContaining(
          served.map(({ method, path, integration }) => ({
            statement_id: expect.any(String),
            action: "lambda:InvokeFunction",
            principal: "apigateway.amazonaws.com",
            function_name: `\${${signerOf(integration)?.address}.function_name}`,
            source_arn: `\${${restApi.address}.execution_arn}/${stage}/${method.toUpperCase()}${path}`,
          })),
        ),
      );
      expect(permissions.filter(({ source_arn: arn }) => String(arn).includes("*"))).toEqual([]);
    });

    it(`wants a signature of ${consumersSign ? "consumers and of nobody else" : "nobody"}`, () => {
      const guarded = operations.filter(({ security }) => security !== undefined);
      expect(guarded.map(({ method, path, security }) => [method, path, security])).toEqual(
        consumersSign ? actionsOf(["consumer"]).map((action) => ["post", `/${action}`, [{ sigv4: [] }]]) : [],
      );
      expect(api).not.toHaveProperty("security");
      expect(api.components).toHaveProperty("securitySchemes.sigv4", {
        type: "apiKey",
        name: "Authorization",
        in: "header",
        "x-amazon-apigateway-authtype": "awsSigv4",
      });
    });

    it("gives up later than the function does, within 29 s", () => {
      for (const { integration } of served) {
        expect(integration.timeoutInMillis).toBeLessThanOrEqual(29_000);
        expect(integration.timeoutInMillis).toBeGreaterThan(
          1000 * Number(signerOf(integration)?.attributes["timeout"]),
        );
      }
    });

    it("is regional, throttled, without a cache and without a trace of the data", () => {
      expect(restApi.attributes["endpoint_configuration"]).toEqual({ types: ["REGIONAL"] });
      expect(stack.only("aws_api_gateway_method_settings").attributes).toMatchObject({
        rest_api_id: `\${${restApi.address}.id}`,
        stage_name: `\${${stack.at("api/stage").address}.stage_name}`,
        method_path: "*/*",
        settings: {
          throttling_rate_limit: stage === "prod" ? 500 : 50,
          throttling_burst_limit: stage === "prod" ? 1000 : 100,
          caching_enabled: false,
          data_trace_enabled: false,
        },
      });
      expect(stack.only("aws_api_gateway_stage").attributes).not.toHaveProperty("cache_cluster_enabled");
    });

    it("is deployed again when its definition or its compression changes", () => {
      expect(stack.only("aws_api_gateway_deployment").attributes).toMatchObject({
        triggers: {
          definition: createHash("sha256").update(body).digest("hex"),
          minimumCompressionSize: text(restApi, "minimum_compression_size"),
        },
        lifecycle: { create_before_destroy: true },
      });
      expect(stack.only("aws_api_gateway_stage").attributes).toMatchObject({
        deployment_id: `\${${stack.at("api/deployment").address}.id}`,
        stage_name: stage,
      });
    });

    it("answers a wrong method with 405 and an unknown path with 404, as JSON, without calling a function", () => {
      for (const path of Object.keys(api.paths)) {
        const status = path === "/{proxy+}" ? "404" : "405";
        const other = operations.find(
          ({ path: its, method }) => its === path && method === "x-amazon-apigateway-any-method",
        );
        const { requestTemplates = {}, responses, ...integration } = other?.integration ?? {};
        expect(integration).toEqual({ type: "mock", passthroughBehavior: "never" });
        expect(requestTemplates).toHaveProperty(["application/json"]);
        for (const template of Object.values(requestTemplates)) {
          expect(JSON.parse(template)).toEqual({ statusCode: Number(status) });
        }
        expect(responses?.default.statusCode).toBe(status);
        expect(render(responses?.default.responseTemplates ?? {})).toEqual(
          anError(status === "404" ? "NoSuchRoute" : "MethodNotAllowed"),
        );
      }
    });

    it("answers API Gateway's own errors as JSON with the request's id, which nobody stores or sniffs", () => {
      const responses = api["x-amazon-apigateway-gateway-responses"];
      expect(Object.keys(responses)).toEqual(expect.arrayContaining(["DEFAULT_4XX", "DEFAULT_5XX"]));
      // Of the integrations, only the mocks look at a content type.
      expect(responses["UNSUPPORTED_MEDIA_TYPE"]).toMatchObject({ statusCode: 404 });
      for (const { responseTemplates, responseParameters } of Object.values(responses)) {
        expect(render(responseTemplates)).toEqual(anError());
        expect(responseParameters).toMatchObject({
          "gatewayresponse.header.cache-control": "'no-store'",
          "gatewayresponse.header.strict-transport-security": "'max-age=63072000'",
          "gatewayresponse.header.x-content-type-options": "'nosniff'",
        });
      }
    });

    it("tells a signature that is wrong, credentials that have expired, and too many requests apart", () => {
      const answered = Object.entries(api["x-amazon-apigateway-gateway-responses"]).map(
        ([type, { responseTemplates, responseParameters }]) => {
          const { error } = render(responseTemplates) as { error: { code: string } };
          return [type, [error.code, responseParameters["gatewayresponse.header.retry-after"]]];
        },
      );
      expect(Object.fromEntries(answered)).toMatchObject({
        MISSING_AUTHENTICATION_TOKEN: ["AccessDenied", undefined],
        ACCESS_DENIED: ["AccessDenied", undefined],
        INVALID_SIGNATURE: ["InvalidSignature", undefined],
        EXPIRED_TOKEN: ["ExpiredToken", undefined],
        THROTTLED: ["TooManyRequests", "'1'"],
        WAF_FILTERED: ["TooManyRequests", "'300'"],
      });
    });
  });
});
