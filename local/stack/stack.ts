import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { type Place, bucketArn, executeApiArn, functionArn, queueArn, ruleArn } from "../../stacks/arns";
import type { ApiDefinition } from "../api-gateway/definition";
import type { Policy } from "../iam";
import { LOCAL_API_ID, resolver } from "./references";
import { assertSupported } from "./settings";

type Json = Record<string, unknown>;

export interface BucketNotification {
  readonly id: string;
  readonly queueArn: string;
  readonly events: readonly string[];
  readonly prefix: string;
  readonly suffix: string;
  /** The rule of EventBridge that sends it; undefined where S3 itself does. */
  readonly ruleArn: string | undefined;
  /** Where that rule sends what the queue does not take; undefined where it is lost. */
  readonly deadLetterArn: string | undefined;
}

export interface CorsRule {
  readonly allowed_origins: readonly string[];
  readonly allowed_methods: readonly string[];
  readonly allowed_headers?: readonly string[];
  readonly expose_headers?: readonly string[];
  readonly max_age_seconds?: number;
}

export interface StackBucket {
  readonly name: string;
  readonly arn: string;
  readonly versioned: boolean;
  readonly policies: readonly Policy[];
  readonly corsRules: readonly CorsRule[];
  readonly notifications: readonly BucketNotification[];
}

export interface StackQueue {
  readonly name: string;
  readonly arn: string;
  readonly policy: Policy;
  /** In SQS's own words, as CreateQueue takes them. */
  readonly attributes: Readonly<Record<string, string>>;
}

export interface StackFunction {
  readonly name: string;
  readonly arn: string;
  readonly zip: Uint8Array;
  readonly handler: string;
  readonly timeoutSeconds: number;
  readonly environment: Readonly<Record<string, string>>;
  /** The policies of its role. */
  readonly policies: readonly Policy[];
}

/** A queue that a function consumes. */
export interface EventSource {
  readonly queueArn: string;
  readonly functionArn: string;
  /** Messages a call, at most. */
  readonly batchSize: number;
  /** Whether the function answers which messages failed. */
  readonly reportsFailures: boolean;
}

export interface StackApi {
  readonly definition: ApiDefinition;
  readonly stageName: string;
  /** The smallest response that is compressed for a caller who asks for it, in bytes; undefined where none is. */
  readonly minimumCompressionBytes: number | undefined;
  readonly throttling: Throttling;
  /** Who may call the methods that want an API key; undefined where none is given out. */
  readonly usagePlan: UsagePlan | undefined;
}

export interface Throttling {
  readonly rateLimit: number;
  readonly burstLimit: number;
}

/** An API key. AWS makes up its value, and here it follows from the name, so that a restart keeps it. */
export interface ApiKey {
  readonly name: string;
  readonly value: string;
}

export interface UsagePlan {
  readonly apiKeys: readonly ApiKey[];
  /** Of each key. */
  readonly throttling: Throttling;
}

/** A stack as the local chain needs it, read from the JSON that Terraform would apply. */
export interface Stack {
  readonly name: string;
  readonly region: string;
  readonly accountId: string;
  readonly buckets: readonly StackBucket[];
  readonly queues: readonly StackQueue[];
  readonly functions: readonly StackFunction[];
  readonly eventSources: readonly EventSource[];
  readonly api: StackApi;
  /** The content bucket, the queue and the dead-letter queue, as the stack's outputs name them. */
  readonly outputs: Readonly<Record<string, string>>;
}

/**
 * Reads a synthesized stack.
 *
 * @param folder cdktf.out/stacks/<stack>, with cdk.tf.json and the assets
 * @throws Error that names the resource and the setting that the local chain cannot honour
 */
export function readStack(folder: string): Stack {
  const json = JSON.parse(readFileSync(join(folder, "cdk.tf.json"), "utf8")) as {
    "//": { metadata: { stackName: string } };
    provider: { aws: [{ region: string; allowed_account_ids: [string] }] };
    resource: Record<string, Record<string, Json>>;
    output: Record<string, { value: string }>;
  };
  const { region, allowed_account_ids } = json.provider.aws[0];
  const place = { region, accountId: allowed_account_ids[0] };
  const found = Object.entries(json.resource).flatMap(([type, byName]) =>
    Object.entries(byName).map(([name, settings]) => ({ type, address: `${type}.${name}`, settings })),
  );
  for (const resource of found) assertSupported(resource);
  const resolve = resolver(found, place);
  const resources = found.map((resource) => ({ ...resource, settings: resolve(resource.settings) as Json }));
  const all = (type: string) =>
    resources.filter((resource) => resource.type === type).map(({ settings }) => settings);
  const functions = readFunctions(folder, all, place);
  const queues = readQueues(all, place);
  return {
    name: json["//"].metadata.stackName,
    ...place,
    buckets: readBuckets(all, place),
    queues,
    functions,
    eventSources: readEventSources(all, functions, queues),
    api: readApi(all, place, functions),
    outputs: Object.fromEntries(
      ["bucket_name", "queue_arn", "dead_letter_queue_arn"].map((name) => [
        name,
        resolve(json.output[name]?.value) as string,
      ]),
    ),
  };
}

type All = (type: string) => Json[];

const PUBLIC_ACCESS = [
  "block_public_acls",
  "block_public_policy",
  "ignore_public_acls",
  "restrict_public_buckets",
];

function readBuckets(all: All, place: Place): StackBucket[] {
  return all("aws_s3_bucket").map(({ bucket }) => {
    const of = (type: string) => all(type).filter((settings) => settings["bucket"] === bucket);
    const [publicAccess] = of("aws_s3_bucket_public_access_block");
    for (const setting of PUBLIC_ACCESS) {
      // Locally nobody gets in without a signature, so a bucket that is open at AWS would behave otherwise here.
      if (publicAccess?.[setting] !== true) throw new Error(`The bucket ${bucket} must have ${setting}.`);
    }
    const versioning = of("aws_s3_bucket_versioning")[0]?.["versioning_configuration"] as
      | { status: string }
      | undefined;
    const notifications = of("aws_s3_bucket_notification");
    if (notifications.length > 1)
      throw new Error(`The bucket ${bucket} has two notifications: one replaces the other.`);
    return {
      name: bucket as string,
      arn: bucketArn(bucket as string),
      versioned: versioning?.status === "Enabled",
      policies: of("aws_s3_bucket_policy").map(({ policy }) => JSON.parse(policy as string) as Policy),
      corsRules: of("aws_s3_bucket_cors_configuration").flatMap(({ cors_rule }) => cors_rule as CorsRule[]),
      notifications: [
        ...((notifications[0]?.["queue"] ?? []) as Json[]).map((queue) => ({
          id: queue["id"] as string,
          queueArn: queue["queue_arn"] as string,
          events: queue["events"] as string[],
          prefix: (queue["filter_prefix"] as string | undefined) ?? "",
          suffix: (queue["filter_suffix"] as string | undefined) ?? "",
          ruleArn: undefined,
          deadLetterArn: undefined,
        })),
        ...(notifications[0]?.["eventbridge"] ? readRules(all, place, bucket as string) : []),
      ],
    };
  });
}

/** What rules of EventBridge announce of a bucket. They may ask for a prefix of its new objects' keys, and for nothing else. */
function readRules(all: All, place: Place, bucket: string): BucketNotification[] {
  return all("aws_cloudwatch_event_rule").flatMap((rule) => {
    const name = rule["name"] as string;
    const pattern = JSON.parse(rule["event_pattern"] as string) as {
      detail?: { bucket?: { name?: string[] }; object?: { key?: { prefix?: string }[] } };
    };
    const [{ prefix = "" } = {}] = pattern.detail?.object?.key ?? [];
    const [named = ""] = pattern.detail?.bucket?.name ?? [];
    const known = {
      source: ["aws.s3"],
      "detail-type": ["Object Created"],
      detail: { bucket: { name: [named] }, object: { key: [{ prefix }] } },
    };
    if (!isDeepStrictEqual(pattern, known)) {
      throw new Error(`The local chain does not know the event pattern of the rule ${name}.`);
    }
    return all("aws_cloudwatch_event_target")
      .filter((target) => named === bucket && target["rule"] === name)
      .map(({ target_id, arn, dead_letter_config }) => ({
        id: target_id as string,
        queueArn: arn as string,
        events: ["s3:ObjectCreated:*"],
        prefix,
        suffix: "",
        ruleArn: ruleArn(place, name),
        deadLetterArn: (dead_letter_config as { arn?: string } | undefined)?.arn,
      }));
  });
}

/** Terraform's words for a queue's attributes, and SQS's. */
const QUEUE_ATTRIBUTES: Readonly<Record<string, string>> = {
  visibility_timeout_seconds: "VisibilityTimeout",
  message_retention_seconds: "MessageRetentionPeriod",
  receive_wait_time_seconds: "ReceiveMessageWaitTimeSeconds",
  redrive_policy: "RedrivePolicy",
  redrive_allow_policy: "RedriveAllowPolicy",
};

function readQueues(all: All, place: Place): StackQueue[] {
  return all("aws_sqs_queue").map((settings) => ({
    name: settings["name"] as string,
    arn: queueArn(place, settings["name"] as string),
    policy: JSON.parse(settings["policy"] as string) as Policy,
    attributes: Object.fromEntries(
      Object.entries(QUEUE_ATTRIBUTES)
        .filter(([setting]) => settings[setting] !== undefined)
        .map(([setting, attribute]) => [attribute, String(settings[setting])]),
    ),
  }));
}

function readFunctions(folder: string, all: All, place: Place): StackFunction[] {
  return all("aws_lambda_function").map((settings) => {
    const name = settings["function_name"] as string;
    const runtime = settings["runtime"] as string;
    if (!runtime.startsWith("nodejs"))
      throw new Error(`The local chain cannot run ${runtime} (function ${name}).`);
    const role = (settings["role"] as string).split("/").at(-1);
    const environment = settings["environment"] as { variables: Record<string, string> } | undefined;
    return {
      name,
      arn: functionArn(place, name),
      zip: readFileSync(join(folder, settings["filename"] as string)),
      handler: settings["handler"] as string,
      timeoutSeconds: settings["timeout"] as number,
      environment: environment?.variables ?? {},
      policies: all("aws_iam_role_policy")
        .filter((policy) => policy["role"] === role)
        .map(({ policy }) => JSON.parse(policy as string) as Policy),
    };
  });
}

function readEventSources(
  all: All,
  functions: readonly StackFunction[],
  queues: readonly StackQueue[],
): EventSource[] {
  return all("aws_lambda_event_source_mapping").map((settings) => {
    const name = settings["function_name"] as string;
    const consumer = functions.find((candidate) => candidate.name === name);
    if (!consumer) throw new Error(`There is no function ${name} to consume a queue.`);
    const consumed = settings["event_source_arn"] as string;
    if (!queues.some(({ arn }) => arn === consumed)) {
      throw new Error(`The function ${name} consumes ${consumed}, which is not in this stack.`);
    }
    const types = (settings["function_response_types"] ?? []) as string[];
    return {
      queueArn: consumed,
      functionArn: consumer.arn,
      batchSize: (settings["batch_size"] as number | undefined) ?? 10,
      reportsFailures: types.includes("ReportBatchItemFailures"),
    };
  });
}

function readApi(all: All, place: Place, functions: readonly StackFunction[]): StackApi {
  const [restApi, ...others] = all("aws_api_gateway_rest_api");
  const [stage] = all("aws_api_gateway_stage");
  if (!restApi || !stage || others.length > 0)
    throw new Error("The local chain serves one REST API with one stage.");
  const definition = JSON.parse(restApi["body"] as string) as ApiDefinition;
  const stageName = stage["stage_name"] as string;

  for (const [path, operations] of Object.entries(definition.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const uri = operation["x-amazon-apigateway-integration"]?.uri;
      const target = functions.find(({ arn }) => uri?.includes(`${arn}/`));
      if (!target) continue;
      const sourceArn = executeApiArn(place, LOCAL_API_ID, `${stageName}/${method.toUpperCase()}${path}`);
      const allowed = all("aws_lambda_permission").some(
        (permission) =>
          permission["action"] === "lambda:InvokeFunction" &&
          permission["principal"] === "apigateway.amazonaws.com" &&
          permission["function_name"] === target.name &&
          permission["source_arn"] === sourceArn,
      );
      if (!allowed)
        throw new Error(`API Gateway may not invoke ${target.name} for ${method.toUpperCase()} ${path}.`);
    }
  }
  // -1 switches compression off.
  const minimumCompressionBytes = Number(restApi["minimum_compression_size"] ?? -1);
  const [methodSettings] = all("aws_api_gateway_method_settings");
  const settings = (methodSettings?.["settings"] ?? {}) as Json;
  if (methodSettings && methodSettings["method_path"] !== "*/*") {
    throw new Error("The local gateway throttles all methods alike: method_path must be */*.");
  }
  if (settings["caching_enabled"]) throw new Error("The local gateway does not cache.");
  return {
    definition,
    stageName,
    minimumCompressionBytes: minimumCompressionBytes >= 0 ? minimumCompressionBytes : undefined,
    throttling: {
      rateLimit: (settings["throttling_rate_limit"] as number | undefined) ?? Infinity,
      burstLimit: (settings["throttling_burst_limit"] as number | undefined) ?? Infinity,
    },
    usagePlan: readUsagePlan(all),
  };
}

function readUsagePlan(all: All): UsagePlan | undefined {
  const [plan, ...others] = all("aws_api_gateway_usage_plan");
  if (others.length > 0) throw new Error("The local gateway knows one usage plan.");
  if (!plan) return undefined;
  const settings = plan["throttle_settings"] as { rate_limit: number; burst_limit: number };
  const planned = all("aws_api_gateway_usage_plan_key").map(({ key_id }) => key_id);
  return {
    apiKeys: all("aws_api_gateway_api_key")
      .map(({ name }) => name as string)
      .filter((name) => planned.includes(name))
      .map((name) => ({ name, value: createHash("sha256").update(name).digest("hex").slice(0, 40) })),
    throttling: { rateLimit: settings.rate_limit, burstLimit: settings.burst_limit },
  };
}
