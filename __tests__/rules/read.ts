import { isDeepStrictEqual } from "node:util";
import type { Statement } from "../../stacks/policy";
import { type Resource, type SynthesizedStack, statements, text } from "../stacks/tools";
import type { Attributes } from "./deployment";

/* What the rules read of a stack's JSON, each piece in one place. */

export const DAY = 86_400;

export const list = <T>(value: T | readonly T[] | undefined): readonly T[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value as T];

/** An attribute that is a string; undefined for none, and for what is none. */
export const stringOf = (attributes: Attributes, name: string): string | undefined => {
  const value = attributes[name];
  return typeof value === "string" ? value : undefined;
};

/** Resources of a type, as what a rule is about. */
export const all =
  (type: string) =>
  ({ stack }: { readonly stack: SynthesizedStack }): readonly Resource[] =>
    stack.ofType(type);

const unique = <T>(items: readonly (T | undefined)[]): T[] => [
  ...new Set(items.filter((item) => item !== undefined)),
];

export const bucketArnOf = (bucket: Resource) => `arn:aws:s3:::${text(bucket, "bucket")}`;

/** The attributes of a bucket's setting; none where it has no such setting. */
export const settingOf = (stack: SynthesizedStack, bucket: Resource, type: string): Attributes =>
  stack.referringTo(bucket, "bucket", type)[0]?.attributes ?? {};

export const bucketPolicy = (stack: SynthesizedStack, bucket: Resource): readonly Statement[] => {
  const policy = stringOf(settingOf(stack, bucket, "aws_s3_bucket_policy"), "policy");
  return policy === undefined ? [] : statements(policy);
};

/** The buckets whose objects are announced: payloads live there. */
export const contentBuckets = ({ stack }: { readonly stack: SynthesizedStack }): readonly Resource[] =>
  unique(
    stack
      .ofType("aws_s3_bucket_notification")
      .map((notification) => stack.referred(text(notification, "bucket"))),
  );

/** The buckets that other buckets' access logs go to. */
export const accessLogBuckets = ({ stack }: { readonly stack: SynthesizedStack }): readonly Resource[] =>
  unique(
    stack.ofType("aws_s3_bucket_logging").map((logging) => stack.referred(text(logging, "target_bucket"))),
  );

export const trailBuckets = ({ stack }: { readonly stack: SynthesizedStack }): readonly Resource[] =>
  unique(stack.ofType("aws_cloudtrail").map((trail) => stack.referred(text(trail, "s3_bucket_name"))));

interface LifecycleRule {
  readonly status: string;
  readonly filter?: readonly object[];
  readonly abort_incomplete_multipart_upload?: readonly { readonly days_after_initiation: number }[];
  readonly expiration?: readonly {
    readonly days?: number;
    readonly expired_object_delete_marker?: boolean;
  }[];
  readonly noncurrent_version_expiration?: readonly {
    readonly noncurrent_days: number;
    readonly newer_noncurrent_versions?: number;
  }[];
}

/** Of a bucket's lifecycle, what concerns every object: the first value that a rule without a filter gives. */
export function lifecycleOf(stack: SynthesizedStack, bucket: Resource) {
  const rules = (settingOf(stack, bucket, "aws_s3_bucket_lifecycle_configuration")["rule"] ??
    []) as readonly LifecycleRule[];
  const everywhere = rules.filter(
    ({ status, filter = [] }) => status === "Enabled" && filter.every((one) => Object.keys(one).length === 0),
  );
  const first = <T>(pick: (rule: LifecycleRule) => T | undefined) =>
    everywhere.map(pick).find((value) => value !== undefined);
  return {
    abortDays: first((rule) => rule.abort_incomplete_multipart_upload?.[0]?.days_after_initiation),
    days: first((rule) => rule.expiration?.[0]?.days),
    noncurrentDays: first((rule) => rule.noncurrent_version_expiration?.[0]?.noncurrent_days),
    noncurrentVersions: first((rule) => rule.noncurrent_version_expiration?.[0]?.newer_noncurrent_versions),
    deleteMarkers: first((rule) => rule.expiration?.[0]?.expired_object_delete_marker),
  };
}

/** Whether a policy denies everybody an action on all of these resources under exactly this condition; undefined for none. */
export const denies = (
  policy: readonly Statement[],
  action: string,
  resources: readonly string[],
  condition: object | undefined,
): boolean =>
  policy.some(
    ({ Effect, Principal, Action, Resource: given, Condition }) =>
      Effect === "Deny" &&
      isDeepStrictEqual(Principal, { AWS: "*" }) &&
      list(Action).some((one) => one === action || one === `${action.split(":")[0]}:*`) &&
      resources.every((resource) => list(given).includes(resource)) &&
      isDeepStrictEqual(Condition, condition),
  );

export const conditionOf = (statement: Statement, operator: string, key: string): readonly string[] =>
  list(statement.Condition?.[operator]?.[key]);

/**
 * Whether a statement lets AWS's own services in only on behalf of this account: another account's bucket, trail or
 * rule has the same service as its principal.
 *
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
 */
export function isOfThisAccount(statement: Statement, accountId: string): boolean {
  const accounts = conditionOf(statement, "StringEquals", "aws:SourceAccount");
  const sources = ["ArnEquals", "ArnLike", "StringEquals"].flatMap((operator) =>
    conditionOf(statement, operator, "aws:SourceArn"),
  );
  // An S3 bucket's ARN names no account, so the account must be said beside it.
  const named = sources.every((arn) => arn.split(":")[4] === accountId);
  return (
    isDeepStrictEqual(Object.keys(statement.Principal ?? {}), ["Service"]) &&
    sources.length > 0 &&
    !sources.some((arn) => arn.includes("*")) &&
    (isDeepStrictEqual(accounts, [accountId]) || named)
  );
}

/** A queue's ARN, which is known before the queue is there. */
export const queueArnOf = (queue: Resource, { stack, accountId }: Place) =>
  `arn:aws:sqs:${String(stack.provider["aws"]?.[0]?.["region"])}:${accountId}:${text(queue, "name")}`;

interface Place {
  readonly stack: SynthesizedStack;
  readonly accountId: string;
}

export const policyOf = ({ attributes }: Resource): readonly Statement[] => {
  const policy = stringOf(attributes, "policy");
  return policy === undefined ? [] : statements(policy);
};

interface Redrive {
  readonly deadLetterTargetArn: string;
  readonly maxReceiveCount: number;
}

export const redriveOf = ({ attributes }: Resource): Redrive | undefined => {
  const policy = stringOf(attributes, "redrive_policy");
  return policy === undefined ? undefined : (JSON.parse(policy) as Redrive);
};

/** The queues that others' dead letters go to. */
export const deadLetterQueues = (place: Place): readonly Resource[] => {
  const targets = place.stack.ofType("aws_sqs_queue").map((queue) => redriveOf(queue)?.deadLetterTargetArn);
  return place.stack.ofType("aws_sqs_queue").filter((queue) => targets.includes(queueArnOf(queue, place)));
};

/** The queues that consumers poll. */
export const workQueues = (place: Place): readonly Resource[] => {
  const dead = deadLetterQueues(place);
  return place.stack.ofType("aws_sqs_queue").filter((queue) => !dead.includes(queue));
};

export const retentionOf = ({ attributes }: Resource) => Number(attributes["message_retention_seconds"]);

export const roleOf = (stack: SynthesizedStack, fn: Resource) => stack.referred(text(fn, "role"));

/** All that the policies of a function's role say. */
export const rightsOf = (stack: SynthesizedStack, fn: Resource): readonly Statement[] => {
  const role = roleOf(stack, fn);
  return role ? stack.referringTo(role, "role", "aws_iam_role_policy").flatMap(policyOf) : [];
};

export const actionsOf = (rights: readonly Statement[]): readonly string[] =>
  rights.flatMap(({ Action }) => list(Action));

/** The functions that sign URLs: their roles may use objects. */
export const signers = ({ stack }: { readonly stack: SynthesizedStack }): readonly Resource[] =>
  stack
    .ofType("aws_lambda_function")
    .filter((fn) => actionsOf(rightsOf(stack, fn)).some((action) => action.startsWith("s3:")));

interface Integration {
  readonly type: string;
  readonly uri?: string;
  readonly timeoutInMillis?: number;
}

export interface Definition {
  readonly paths: Readonly<
    Record<
      string,
      Readonly<
        Record<
          string,
          { readonly security?: unknown; readonly "x-amazon-apigateway-integration"?: Integration }
        >
      >
    >
  >;
  readonly "x-amazon-apigateway-gateway-responses"?: Readonly<
    Record<
      string,
      {
        readonly responseParameters?: Readonly<Record<string, string>>;
        readonly responseTemplates?: Readonly<Record<string, string>>;
      }
    >
  >;
}

export const definitionOf = (api: Resource): Definition => JSON.parse(text(api, "body")) as Definition;

/** What an API has a function answer: method and path, whether callers must sign, and for how long it may take. */
export function operationsOf(stack: SynthesizedStack, fn: Resource) {
  const target = `:function:${text(fn, "function_name")}/invocations`;
  return stack.ofType("aws_api_gateway_rest_api").flatMap((api) =>
    Object.entries(definitionOf(api).paths).flatMap(([path, methods]) =>
      Object.entries(methods)
        .map(([method, { security, "x-amazon-apigateway-integration": integration }]) => ({
          path,
          method,
          api,
          signed: isDeepStrictEqual(security, [{ sigv4: [] }]),
          uri: integration?.uri ?? "",
          timeoutMs: integration?.timeoutInMillis ?? 29_000,
        }))
        .filter(({ uri }) => uri.endsWith(target)),
    ),
  );
}

/** The methods' settings of the stages of an API. */
export const methodSettingsOf = (stack: SynthesizedStack, api: Resource): readonly Attributes[] =>
  stack
    .referringTo(api, "rest_api_id", "aws_api_gateway_method_settings")
    .map(({ attributes }) => attributes);

/** Changes a policy's statements, and leaves the document as it is. */
export const statementsBecome =
  (change: (statement: Statement) => unknown) =>
  (attributes: Attributes): Attributes => {
    const { Version, Statement } = JSON.parse(String(attributes["policy"])) as {
      Version: string;
      Statement: readonly Statement[];
    };
    return {
      ...attributes,
      policy: JSON.stringify({ Version, Statement: Statement.flatMap((one) => change(one) ?? []) }),
    };
  };

/** A policy without the statement of this name. */
export const without = (sid: string) => statementsBecome((one) => (one.Sid === sid ? undefined : one));

/** A policy whose statement of this name is another in some elements. */
export const statementBecomes = (sid: string, changes: object) =>
  statementsBecome((one) => (one.Sid === sid ? { ...one, ...changes } : one));

/** A policy with one statement more. */
export const withAlso = (statement: Statement) => (attributes: Attributes) => {
  const { Version, Statement } = JSON.parse(String(attributes["policy"])) as {
    Version: string;
    Statement: readonly Statement[];
  };
  return { ...attributes, policy: JSON.stringify({ Version, Statement: [...Statement, statement] }) };
};

/** An API whose definition is another. */
export const definitionBecomes =
  (change: (definition: Definition) => unknown) =>
  (attributes: Attributes): Attributes => ({
    ...attributes,
    body: JSON.stringify(change(JSON.parse(String(attributes["body"])) as Definition)),
  });
