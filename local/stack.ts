import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ApiDefinition } from "./gateway";
import type { Policy } from "./iam";

type Json = Record<string, unknown>;

/**
 * What the local chain makes of each resource's settings. It honours some; the others (`atAws`) have no meaning on
 * one machine: encryption at rest, retention, lifecycle, cost, names of things that only AWS has. A resource or a
 * setting that is not here stops the chain: what it cannot honour it must not pretend to.
 */
const SETTINGS: Readonly<Record<string, { honoured: readonly string[]; atAws: readonly string[] }>> = {
  aws_s3_bucket: { honoured: ["bucket"], atAws: ["force_destroy"] },
  aws_s3_bucket_public_access_block: {
    honoured: [
      "bucket",
      "block_public_acls",
      "block_public_policy",
      "ignore_public_acls",
      "restrict_public_buckets",
    ],
    atAws: [],
  },
  aws_s3_bucket_ownership_controls: { honoured: [], atAws: ["bucket", "rule"] },
  aws_s3_bucket_server_side_encryption_configuration: { honoured: [], atAws: ["bucket", "rule"] },
  aws_s3_bucket_versioning: { honoured: ["bucket", "versioning_configuration"], atAws: [] },
  aws_s3_bucket_policy: { honoured: ["bucket", "policy"], atAws: [] },
  aws_s3_bucket_lifecycle_configuration: { honoured: [], atAws: ["bucket", "rule"] },
  aws_s3_bucket_cors_configuration: { honoured: ["bucket", "cors_rule"], atAws: [] },
  aws_s3_bucket_logging: { honoured: [], atAws: ["bucket", "target_bucket", "target_prefix"] },
  aws_s3_bucket_notification: { honoured: ["bucket", "queue"], atAws: [] },
  aws_cloudtrail: {
    honoured: [],
    atAws: [
      "name",
      "s3_bucket_name",
      "enable_log_file_validation",
      "include_global_service_events",
      "event_selector",
    ],
  },
  aws_sqs_queue: {
    honoured: [
      "name",
      "visibility_timeout_seconds",
      "message_retention_seconds",
      "receive_wait_time_seconds",
      "redrive_policy",
      "redrive_allow_policy",
      "policy",
    ],
    atAws: ["sqs_managed_sse_enabled"],
  },
  aws_iam_role: { honoured: ["name"], atAws: ["assume_role_policy"] },
  aws_iam_role_policy: { honoured: ["role", "policy"], atAws: ["name"] },
  aws_cloudwatch_log_group: { honoured: [], atAws: ["name", "retention_in_days"] },
  aws_lambda_function: {
    honoured: [
      "function_name",
      "role",
      "runtime",
      "handler",
      "filename",
      "source_code_hash",
      "timeout",
      "environment",
    ],
    atAws: ["architectures", "memory_size", "reserved_concurrent_executions"],
  },
  aws_lambda_permission: {
    honoured: ["action", "function_name", "principal", "source_arn"],
    atAws: ["statement_id"],
  },
  aws_api_gateway_rest_api: { honoured: ["body"], atAws: ["name", "description", "endpoint_configuration"] },
  aws_api_gateway_deployment: { honoured: ["rest_api_id"], atAws: ["triggers"] },
  aws_api_gateway_stage: { honoured: ["rest_api_id", "deployment_id", "stage_name"], atAws: [] },
  aws_api_gateway_method_settings: {
    honoured: ["rest_api_id", "stage_name", "method_path", "settings"],
    atAws: [],
  },
};

/** What belongs to Terraform and not to a resource. */
const META = ["//", "depends_on", "lifecycle", "provider"];

export interface BucketNotification {
  readonly id: string;
  readonly queueArn: string;
  readonly events: readonly string[];
  readonly prefix: string;
  readonly suffix: string;
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

export interface StackApi {
  readonly definition: ApiDefinition;
  readonly stageName: string;
  readonly throttling: { readonly rateLimit: number; readonly burstLimit: number };
}

/** A stack as the local chain needs it, read from the JSON that Terraform would apply. */
export interface Stack {
  readonly name: string;
  readonly region: string;
  readonly accountId: string;
  readonly buckets: readonly StackBucket[];
  readonly queues: readonly StackQueue[];
  readonly functions: readonly StackFunction[];
  readonly api: StackApi;
  /** The content bucket, the queue and the dead-letter queue, as the stack's outputs name them. */
  readonly outputs: Readonly<Record<string, string>>;
}

/** The id of the API where there is no API Gateway. */
export const LOCAL_API_ID = "local";

interface Resource {
  readonly type: string;
  readonly address: string;
  readonly settings: Json;
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
  return {
    name: json["//"].metadata.stackName,
    ...place,
    buckets: readBuckets(all),
    queues: readQueues(all, place),
    functions,
    api: readApi(all, place, functions),
    outputs: Object.fromEntries(
      ["bucket_name", "queue_arn", "dead_letter_queue_arn"].map((name) => [
        name,
        resolve(json.output[name]?.value) as string,
      ]),
    ),
  };
}

function assertSupported({ type, address, settings }: Resource): void {
  const known = SETTINGS[type];
  if (!known) throw new Error(`The local chain does not know ${type} (${address}).`);
  for (const setting of Object.keys(settings)) {
    if (![...META, ...known.honoured, ...known.atAws].includes(setting)) {
      throw new Error(`The local chain does not know the setting ${setting} of ${address}.`);
    }
  }
}

interface Place {
  readonly region: string;
  readonly accountId: string;
}

/** Attributes that AWS gives a resource, from what its settings say. */
const ATTRIBUTES: Readonly<Record<string, (settings: Json, place: Place) => Json>> = {
  aws_s3_bucket: ({ bucket }) => ({ id: bucket, arn: `arn:aws:s3:::${bucket}` }),
  aws_iam_role: ({ name }, { accountId }) => ({ id: name, arn: `arn:aws:iam::${accountId}:role/${name}` }),
  aws_sqs_queue: ({ name }, { region, accountId }) => ({
    id: name,
    arn: `arn:aws:sqs:${region}:${accountId}:${name}`,
  }),
  aws_lambda_function: ({ function_name }, { region, accountId }) => ({
    arn: `arn:aws:lambda:${region}:${accountId}:function:${function_name}`,
  }),
  aws_api_gateway_rest_api: (_, { region, accountId }) => ({
    id: LOCAL_API_ID,
    execution_arn: `arn:aws:execute-api:${region}:${accountId}:${LOCAL_API_ID}`,
  }),
  aws_api_gateway_deployment: () => ({ id: "deployment" }),
};

/** Replaces Terraform's references between resources by what they lead to here. */
function resolver(resources: readonly Resource[], place: Place): (value: unknown) => unknown {
  const byAddress = new Map(
    resources.map(({ type, address, settings }) => [
      address,
      { ...settings, ...ATTRIBUTES[type]?.(settings, place) },
    ]),
  );
  const resolve = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(resolve);
    if (typeof value === "object" && value !== null) {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolve(item)]));
    }
    if (typeof value !== "string") return value;
    return value.replace(/\$\{([^}]*)\}/g, (reference, expression: string) => {
      const dot = expression.lastIndexOf(".");
      const attribute = byAddress.get(expression.slice(0, dot))?.[expression.slice(dot + 1)];
      if (typeof attribute !== "string") throw new Error(`The local chain cannot resolve ${reference}.`);
      return resolve(attribute) as string;
    });
  };
  return resolve;
}

type All = (type: string) => Json[];

function readBuckets(all: All): StackBucket[] {
  return all("aws_s3_bucket").map(({ bucket }) => {
    const of = (type: string) => all(type).filter((settings) => settings["bucket"] === bucket);
    const [publicAccess] = of("aws_s3_bucket_public_access_block");
    for (const setting of SETTINGS["aws_s3_bucket_public_access_block"]?.honoured.slice(1) ?? []) {
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
      arn: `arn:aws:s3:::${bucket}`,
      versioned: versioning?.status === "Enabled",
      policies: of("aws_s3_bucket_policy").map(({ policy }) => JSON.parse(policy as string) as Policy),
      corsRules: of("aws_s3_bucket_cors_configuration").flatMap(({ cors_rule }) => cors_rule as CorsRule[]),
      notifications: ((notifications[0]?.["queue"] ?? []) as Json[]).map((queue) => ({
        id: queue["id"] as string,
        queueArn: queue["queue_arn"] as string,
        events: queue["events"] as string[],
        prefix: (queue["filter_prefix"] as string | undefined) ?? "",
        suffix: (queue["filter_suffix"] as string | undefined) ?? "",
      })),
    };
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

function readQueues(all: All, { region, accountId }: Place): StackQueue[] {
  return all("aws_sqs_queue").map((settings) => ({
    name: settings["name"] as string,
    arn: `arn:aws:sqs:${region}:${accountId}:${settings["name"]}`,
    policy: JSON.parse(settings["policy"] as string) as Policy,
    attributes: Object.fromEntries(
      Object.entries(QUEUE_ATTRIBUTES)
        .filter(([setting]) => settings[setting] !== undefined)
        .map(([setting, attribute]) => [attribute, String(settings[setting])]),
    ),
  }));
}

function readFunctions(folder: string, all: All, { region, accountId }: Place): StackFunction[] {
  return all("aws_lambda_function").map((settings) => {
    const name = settings["function_name"] as string;
    const runtime = settings["runtime"] as string;
    if (!runtime.startsWith("nodejs"))
      throw new Error(`The local chain cannot run ${runtime} (function ${name}).`);
    const role = (settings["role"] as string).split("/").at(-1);
    const environment = settings["environment"] as { variables: Record<string, string> } | undefined;
    return {
      name,
      arn: `arn:aws:lambda:${region}:${accountId}:function:${name}`,
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

function readApi(all: All, { region, accountId }: Place, functions: readonly StackFunction[]): StackApi {
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
      const sourceArn = `arn:aws:execute-api:${region}:${accountId}:${LOCAL_API_ID}/${stageName}/${method.toUpperCase()}${path}`;
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
  const [methodSettings] = all("aws_api_gateway_method_settings");
  const settings = (methodSettings?.["settings"] ?? {}) as Json;
  if (methodSettings && methodSettings["method_path"] !== "*/*") {
    throw new Error("The local gateway throttles all methods alike: method_path must be */*.");
  }
  if (settings["caching_enabled"]) throw new Error("The local gateway does not cache.");
  return {
    definition,
    stageName,
    throttling: {
      rateLimit: (settings["throttling_rate_limit"] as number | undefined) ?? Infinity,
      burstLimit: (settings["throttling_burst_limit"] as number | undefined) ?? Infinity,
    },
  };
}
