import { LIMITS } from "../functions/sign-url/limits";

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
   * The largest object that a producer may announce, in bytes. With it, a producer must say the exact length.
   * @default what S3 allows, about 50 TB, and the length may be left out
   */
  readonly maxObjectBytes?: number;
  /** Requests a second that the API takes on average; more are told 429. */
  readonly throttlingRateLimit: number;
  /** Requests at once that the API takes beyond that. */
  readonly throttlingBurstLimit: number;
  /**
   * Instances that a signer may have at once, taken from the account's concurrency.
   * @default none reserved: a new account has none to give
   */
  readonly reservedConcurrentExecutions?: number;
  /**
   * How long a payload is kept, in days. It must outlive every message that can name it.
   * @default 30
   */
  readonly payloadExpirationDays?: number;
  /**
   * Whether the buckets are deleted with what is in them. Only for stages that nobody would miss.
   * @default false
   */
  readonly forceDestroy?: boolean;
}

/** A mistake in a stage's configuration: told in one line, without a stack trace. */
export class ConfigurationError extends Error {
  override readonly name = "ConfigurationError";
}

const wholeNumber = (value: number | undefined, minimum: number, maximum: number) =>
  value === undefined || (Number.isInteger(value) && value >= minimum && value <= maximum);

/** Each property, whether it is fit, and what it must be. */
const RULES: readonly [keyof StageConfig, (config: StageConfig) => boolean, string][] = [
  [
    "stage",
    ({ stage }) => /^[a-z][a-z0-9]{1,11}$/.test(stage),
    "2 to 12 lower-case letters and digits, a letter first",
  ],
  ["accountId", ({ accountId }) => /^\d{12}$/.test(accountId), "the 12 digits of an AWS account"],
  [
    "region",
    ({ region }) => /^(?!cn-|us-gov-|us-iso)[a-z]{2}(-[a-z]+)+-\d$/.test(region),
    "a region of the commercial partition, such as eu-central-1",
  ],
  [
    "consumerAuthorization",
    ({ consumerAuthorization }) => ["NONE", "AWS_IAM"].includes(consumerAuthorization),
    "NONE or AWS_IAM",
  ],
  [
    "maxObjectBytes",
    ({ maxObjectBytes }) => wholeNumber(maxObjectBytes, 1, LIMITS.objectBytes),
    `a whole number of bytes from 1 to ${LIMITS.objectBytes}`,
  ],
  // https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
  [
    "throttlingRateLimit",
    ({ throttlingRateLimit }) => wholeNumber(throttlingRateLimit, 1, 10_000),
    "a whole number from 1 to 10000, an account's limit",
  ],
  [
    "throttlingBurstLimit",
    ({ throttlingBurstLimit }) => wholeNumber(throttlingBurstLimit, 1, 5_000),
    "a whole number from 1 to 5000, an account's limit",
  ],
  [
    "reservedConcurrentExecutions",
    ({ reservedConcurrentExecutions }) => wholeNumber(reservedConcurrentExecutions, 1, 100_000),
    "a whole number from 1, or left out",
  ],
  [
    "payloadExpirationDays",
    ({ payloadExpirationDays }) => wholeNumber(payloadExpirationDays, 1, 36_500),
    "a whole number of days from 1",
  ],
];

/**
 * @throws ConfigurationError that names the property, what was given and what is allowed
 */
export function validateStage(config: StageConfig): void {
  for (const [property, holds, mustBe] of RULES) {
    if (!holds(config)) {
      throw new ConfigurationError(
        `Stage "${config.stage}": ${property} must be ${mustBe}, not ${JSON.stringify(config[property])}.`,
      );
    }
  }
}

/** The bytes that callers of a stage can have stored in a day, in the worst case: nobody but throttling stops them. */
export function worstCaseBytesPerDay({ throttlingRateLimit, maxObjectBytes }: StageConfig): number {
  // One answer signs at most 1,000 parts.
  const bytesPerAnswer = Math.min(maxObjectBytes ?? Infinity, LIMITS.partsPerCall * LIMITS.putBytes);
  return throttlingRateLimit * 86_400 * bytesPerAnswer;
}
