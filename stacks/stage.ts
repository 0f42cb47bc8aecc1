import { isIP } from "node:net";
import { nearest } from "../common/nearest";
import { quote } from "../common/quote";
import { ACTIONS } from "../functions/sign-url/actions";
import { CONTENT_LENGTH } from "../functions/sign-url/fields";
import { LIMITS } from "../functions/sign-url/limits";
import type { Place } from "./arns";
import { isCommercialRegion, regionHint } from "./region";

export { stackName } from "../contract/stack-name";

/** One stage of Tweedle: what may differ between dev, test and prod, and nothing else. */
export interface StageConfig {
  /** The stage's name, part of every resource's name: 2 to 12 lower-case letters and digits. */
  readonly stage: string;
  /** The AWS account that the stage lives in, 12 digits. The provider refuses any other. */
  readonly accountId: string;
  /** The AWS region, of the commercial partition: eu-central-1. */
  readonly region: string;
  /**
   * Whether consumers sign their requests to the API. NONE is the article's way: whoever knows a key may fetch it.
   * AWS_IAM gives the consumer's actions a function and a role of their own.
   */
  readonly consumerAuthorization: "NONE" | "AWS_IAM";
  /**
   * Whether producers sign theirs, for the routes that `producer_policy_json` lists.
   * @default "NONE": anybody may put a payload
   */
  readonly producerAuthorization?: "NONE" | "AWS_IAM";
  /**
   * Names of producers: each gets an API key, to send as x-api-key, and a throttle of its own.
   * @default none: producers need no key
   */
  readonly producerApiKeys?: readonly string[];
  /**
   * The largest object that a producer may announce, in bytes. With it, a producer must say the exact length.
   * @default what S3 allows, about 50 TB, and the length may be left out
   */
  readonly maxObjectBytes?: number;
  /**
   * The media types that a payload may have: image/*, application/pdf. With them, a producer must say the type.
   * @default any, and the type may be left out
   */
  readonly contentTypes?: readonly string[];
  /**
   * Whether GET / answers a page on which anybody may upload files.
   * @default true, unless producers sign or have API keys: a page has neither
   */
  readonly uploadForm?: boolean;
  /**
   * The title of that page, 1 to 60 characters.
   * @default "Send files to <stage>"
   */
  readonly uploadFormTitle?: string;
  /** Requests a second that each method of the API takes on average; more are told 429. */
  readonly throttlingRateLimit: number;
  /** Requests at once that the API takes beyond that. */
  readonly throttlingBurstLimit: number;
  /**
   * Instances that each signer, the sender, and the form may have at once, taken from the account's concurrency.
   * @default none reserved: a new account has none to give
   */
  readonly reservedConcurrentExecutions?: number;
  /**
   * Requests that one address may make to the API in 5 minutes, before AWS WAF answers 429. What it blocks is logged, without
   * signatures and keys.
   * @default no WAF
   */
  readonly wafRateLimit?: number;
  /**
   * Whether the API logs its requests, and its own errors. The region needs an
   * aws_api_gateway_account, which the bootstrap app makes.
   * @default false
   */
  readonly apiLogs?: boolean;
  /**
   * Whether payloads and messages are encrypted with a key of the account's own.
   * @default false: with keys of S3 and SQS
   */
  readonly customerManagedKey?: boolean;
  /**
   * Whether the bucket refuses to write over a payload; producers then have to say if_none_match.
   * @default false: whoever knows a key may write over its payload
   */
  readonly denyOverwrites?: boolean;
  /**
   * CIDR blocks from which payloads may be put and fetched, beside {@link sourceVpces}.
   * @default from anywhere
   */
  readonly sourceIps?: readonly string[];
  /**
   * VPC endpoints through which payloads may be put and fetched, beside {@link sourceIps}.
   * @default from anywhere
   */
  readonly sourceVpces?: readonly string[];
  /**
   * Whether EventBridge announces payloads, in place of S3 itself.
   * @default false
   */
  readonly eventBridge?: boolean;
  /**
   * The ARN of a policy that bounds what every role of the stage may do.
   * @default none
   */
  readonly permissionsBoundary?: string;
  /**
   * Whether the stage has a topic that its alarms are told on.
   * @default false: they are seen in CloudWatch
   */
  readonly alarmTopic?: boolean;
  /**
   * Who gets them by e-mail. AWS asks him first.
   * @default nobody; the topic takes further subscriptions
   */
  readonly alarmEmail?: string;
  /**
   * How long a payload is kept, in days. It must outlive every message that can name it.
   * @default 30
   */
  readonly payloadExpirationDays?: number;
  /**
   * Whether the stage is destroyed with what is in its buckets and queues. Only for stages that nobody would miss.
   * @default false: Terraform refuses to destroy it, before it touches anything
   */
  readonly forceDestroy?: boolean;
}

/** Whether producers are let in without showing anything, as a page's visitors are. */
const isOpen = ({ producerAuthorization = "NONE", producerApiKeys }: StageConfig) =>
  producerAuthorization === "NONE" && producerApiKeys === undefined;

/** Whether a stage has the upload form. */
export const hasUploadForm = (config: StageConfig): boolean => config.uploadForm ?? isOpen(config);

/** A mistake in a stage's configuration: told in one line, without a stack trace. */
export class ConfigurationError extends Error {
  override readonly name = "ConfigurationError";
}

// Nothing checks the types of an app that tsx runs, so these do.
const text = (value: unknown, pattern: RegExp) => typeof value === "string" && pattern.test(value);
const whole = (value: unknown, maximum: number) =>
  typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= maximum;
const orNone = (fit: (value: unknown) => boolean) => (value: unknown) => value === undefined || fit(value);

const list = (value: unknown, fit: (item: unknown) => boolean) =>
  Array.isArray(value) && value.length > 0 && new Set(value).size === value.length && value.every(fit);

function isCidr(value: unknown): boolean {
  const [address = "", prefix = "", ...rest] = String(value).split("/");
  const bits = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  return rest.length === 0 && /^\d+$/.test(prefix) && Number(prefix) <= bits;
}

type Rule = readonly [fit: (value: unknown) => boolean, mustBe: string, hint?: (value: unknown) => string];

/** The rules of a configuration, by property. */
export type Rules<Property extends string> = Readonly<Record<Property, Rule>>;

/** https://www.rfc-editor.org/rfc/rfc6838#section-4.2, less what nobody has registered; or all subtypes of a type. */
const MEDIA_RANGE = /^[a-z0-9][a-z0-9.+-]*\/([a-z0-9][a-z0-9.+-]*|\*)$/;

const FLAG: Rule = [orNone((value) => typeof value === "boolean"), "true or false, or left out"];

/** What names of the account's own things have in a stage's place: tweedle-state-…, tweedle-deploy-…. */
const RESERVED = ["api", "bootstrap", "boundary", "deploy", "plan", "state"];

/** The rules of an account and a region. */
export const PLACE_RULES: Rules<keyof Place> = {
  accountId: [(value) => text(value, /^\d{12}$/), "the 12 digits of an AWS account, in quotes"],
  region: [isCommercialRegion, "a region of AWS's commercial partition, such as eu-central-1", regionHint],
};

/** Each property: whether it is fit, and what it must be. */
const RULES: Rules<keyof StageConfig> = {
  stage: [
    (value) => text(value, /^[a-z][a-z0-9]{1,11}$/) && !RESERVED.includes(String(value)),
    `2 to 12 lower-case letters and digits, a letter first, and none of ${RESERVED.join(", ")}`,
  ],
  ...PLACE_RULES,
  producerAuthorization: [orNone((value) => text(value, /^(NONE|AWS_IAM)$/)), "NONE or AWS_IAM, or left out"],
  producerApiKeys: [
    orNone((value) => list(value, (name) => text(name, /^[a-z][a-z0-9-]{0,31}$/))),
    "a list of different names of lower-case letters, digits and hyphens, or left out",
  ],
  consumerAuthorization: [(value) => text(value, /^(NONE|AWS_IAM)$/), "NONE or AWS_IAM"],
  maxObjectBytes: [
    orNone((value) => whole(value, LIMITS.objectBytes)),
    `a whole number of bytes from 1 to ${LIMITS.objectBytes}, or left out`,
  ],
  // Lambda gives all of a function's variables together 4 KB.
  contentTypes: [
    orNone((value) => list(value, (type) => text(type, MEDIA_RANGE)) && String(value).length <= 1000),
    "a list of different media types in lower case, such as image/* or application/pdf, of 1000 characters at most, or left out",
  ],
  uploadForm: FLAG,
  uploadFormTitle: [
    orNone((value) => text(value, /^(?=.{1,60}$)[^\s\p{C}]+( [^\s\p{C}]+)*$/u)),
    "1 to 60 characters on one line, or left out",
  ],
  // https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
  throttlingRateLimit: [
    (value) => whole(value, 10_000),
    "a whole number from 1 to 10000, what an account has",
  ],
  throttlingBurstLimit: [
    (value) => whole(value, 5_000),
    "a whole number from 1 to 5000, what an account has",
  ],
  reservedConcurrentExecutions: [
    orNone((value) => whole(value, 100_000)),
    "a whole number from 1 to 100000, or left out",
  ],
  // https://docs.aws.amazon.com/waf/latest/APIReference/API_RateBasedStatement.html
  wafRateLimit: [
    orNone((value) => whole(value, 2_000_000_000) && Number(value) >= 10),
    "a whole number from 10 to 2000000000, or left out",
  ],
  apiLogs: FLAG,
  customerManagedKey: FLAG,
  denyOverwrites: FLAG,
  sourceIps: [
    orNone((value) => list(value, isCidr)),
    "a list of different CIDR blocks, such as 203.0.113.0/24, or left out",
  ],
  sourceVpces: [
    orNone((value) => list(value, (id) => text(id, /^vpce-[0-9a-f]{8,17}$/))),
    "a list of different VPC endpoints, such as vpce-1a2b3c4d, or left out",
  ],
  eventBridge: FLAG,
  permissionsBoundary: [
    orNone((value) => text(value, /^arn:aws:iam::(aws|\d{12}):policy\/[\w+=,.@/-]+$/)),
    "the ARN of an IAM policy, or left out",
  ],
  alarmTopic: FLAG,
  alarmEmail: [
    orNone((value) => text(value, /^[^\s@]+@[^\s@]+\.[^\s@]+$/)),
    "an e-mail address, or left out",
  ],
  payloadExpirationDays: [
    orNone((value) => whole(value, 36_500)),
    "a whole number of days from 1 to 36500, or left out",
  ],
  forceDestroy: FLAG,
};

/** What properties that are fit by themselves must be together: where it does not hold, why. */
const TOGETHER: readonly (readonly [fit: (config: StageConfig) => boolean, sentence: string])[] = [
  [
    ({ producerAuthorization = "NONE", producerApiKeys }) =>
      producerAuthorization === "NONE" || producerApiKeys === undefined,
    "producerApiKeys needs producerAuthorization NONE, since who signs is known already.",
  ],
  [
    (config) => !config.uploadForm || isOpen(config),
    "uploadForm needs producerAuthorization NONE and no producerApiKeys, since a page can neither sign nor keep a key.",
  ],
  [
    (config) => config.uploadFormTitle === undefined || hasUploadForm(config),
    "uploadFormTitle needs the upload form, which this stage does not have.",
  ],
  [
    ({ accountId, permissionsBoundary = "arn:aws:iam::aws:" }) =>
      ["aws", accountId].includes(permissionsBoundary.split(":")[4] ?? ""),
    "permissionsBoundary must be a policy of the stage's own account, or of AWS.",
  ],
  [
    ({ alarmEmail, alarmTopic = false }) => alarmEmail === undefined || alarmTopic,
    "alarmEmail needs alarmTopic: true, since the topic is what sends it.",
  ],
];

/**
 * Checks a configuration's properties, each by itself.
 *
 * @param where what a sentence begins with: Stage "dev"
 * @throws ConfigurationError that names the property, what was given and what is allowed
 */
export function validateProperties(config: object, rules: Rules<string>, where: string): void {
  const known = Object.keys(rules);
  const unknown = Object.keys(config).find((property) => !known.includes(property));
  if (unknown !== undefined) {
    const meant = nearest(unknown, known);
    const hint = meant === undefined ? "" : ` Did you mean ${quote(meant)}?`;
    throw new ConfigurationError(
      `${where}: unknown property ${quote(unknown)}.${hint} There are: ${known.join(", ")}.`,
    );
  }
  for (const [property, [fit, mustBe, hint]] of Object.entries(rules)) {
    const value = (config as Readonly<Record<string, unknown>>)[property];
    if (!fit(value)) {
      throw new ConfigurationError(
        `${where}: ${property} must be ${mustBe}, not ${quote(value)}.${hint?.(value) ?? ""}`,
      );
    }
  }
}

/**
 * @throws ConfigurationError that names the property, what was given and what is allowed, or what does not go together
 */
export function validateStage(config: StageConfig): void {
  if (typeof config !== "object" || config === null) {
    throw new ConfigurationError(`A stage must be an object with its properties, not ${quote(config)}.`);
  }
  validateProperties(config, RULES, `Stage ${quote(config.stage)}`);
  for (const [fit, sentence] of TOGETHER) {
    if (!fit(config)) throw new ConfigurationError(`Stage "${config.stage}": ${sentence}`);
  }
}

/**
 * Checks the stages of an app, before any stack is made: a stack's name has to be fit, and to be the only one.
 *
 * @throws ConfigurationError
 */
export function validateStages(stages: readonly StageConfig[]): void {
  for (const stage of stages) validateStage(stage);
  const names = stages.map(({ stage }) => stage);
  const twice = names.find((name, index) => names.includes(name, index + 1));
  if (twice !== undefined) {
    throw new ConfigurationError(`There are two stages "${twice}": each needs a name of its own.`);
  }
}

/**
 * The bytes that callers of a stage can have stored in a day in the worst case, in the bucket and on the queue, where
 * nothing but throttling stops them and each URL is used once.
 */
export function worstCaseBytesPerDay({
  throttlingRateLimit,
  maxObjectBytes = Infinity,
}: StageConfig): number {
  const part = Math.min(LIMITS.putBytes, maxObjectBytes);
  const parts = Math.min(LIMITS.partsPerCall * LIMITS.putBytes, maxObjectBytes);
  // API Gateway throttles each method by itself: those that sign a body, and POST /, which may sign the largest.
  const answers = Object.values(ACTIONS)
    .filter(({ fields }) => fields["content_length"] === CONTENT_LENGTH)
    .map(({ fields }) => ("part_numbers" in fields ? parts : part));
  const messages = Object.values(ACTIONS)
    .filter(({ fields }) => "body" in fields)
    .map(() => Math.min(LIMITS.messageBytes, maxObjectBytes));
  const all = [...answers, Math.max(...answers), ...messages];
  return all.reduce((sum, bytes) => sum + bytes) * throttlingRateLimit * 86_400;
}
