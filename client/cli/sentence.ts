import { HttpError, TweedleError } from "../errors";
import { describeSqsError, isNotJson } from "../sqs-errors";
import { UsageError } from "./exit";

const SIGN_IN = "sign in (aws sso login), or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";

const isOf = (name: RegExp) => (error: Error) => name.test(error.name);
const says = (message: RegExp) => (error: Error) => message.test(error.message);

/**
 * Errors of the AWS SDK that are about the user's settings, and what to do about each. SQS's and S3's codes:
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html,
 * https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
 */
const SETTINGS: readonly (readonly [
  matches: (error: Error) => boolean,
  sentence: (error: Error) => string,
])[] = [
  [says(/^Could not load credentials from any providers/), () => `There are no AWS credentials: ${SIGN_IN}.`],
  [
    isOf(/^(Credentials|Token)ProviderError$/),
    ({ message }) => `The AWS credentials cannot be loaded: ${message.replace(/\.$/, "")}.`,
  ],
  [
    isOf(
      /^(ExpiredToken|ExpiredTokenException|InvalidAccessKeyId|InvalidClientTokenId|InvalidToken|RequestExpired|SignatureDoesNotMatch|UnrecognizedClientException)$/,
    ),
    ({ name }) => `AWS refuses the credentials (${name}): ${SIGN_IN}.`,
  ],
  [
    says(/^Region is missing$/),
    () =>
      "The region is missing: set AWS_REGION, such as eu-central-1, or AWS_PROFILE to a profile with a region.",
  ],
  [
    isOf(/^(QueueDoesNotExist|AWS\.SimpleQueueService\.NonExistentQueue)$/),
    () => "There is no such queue: look at its URL, and at the account of the credentials.",
  ],
  [isNotJson, describeSqsError],
];

/** System calls whose failure is the network's. */
const NETWORK_CALLS: readonly unknown[] = ["connect", "getaddrinfo", "read"];

/**
 * Describes a failure in one line; undefined where it is our own mistake. What AWS or its SDK refuses is about the
 * user's settings (no credentials, no region, no such queue, no right), what the system refuses about the machine.
 */
export function sentenceOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const setting = settingIn(error);
  if (setting !== undefined) return setting;
  if (error instanceof TweedleError || error instanceof UsageError) return error.message;
  if (error instanceof HttpError) {
    return `The server refused it with ${[error.status, error.code].join(" ").trim()}: ${error.message}`;
  }
  // Several addresses that all refuse have no sentence of their own.
  const [first = error] = error instanceof AggregateError ? (error.errors as Error[]) : [];
  const {
    code = "",
    message,
    name,
    syscall,
    hostname,
    address,
    port,
  } = first as NodeJS.ErrnoException &
    Readonly<Record<"hostname" | "address" | "port", string | number | undefined>>;
  if (NETWORK_CALLS.includes(syscall) && (hostname ?? address) !== undefined) {
    const where = [hostname ?? address, port].filter((part) => part !== undefined).join(":");
    return `${where} cannot be reached (${code}): look at the network, the region and the URLs.`;
  }
  if (!("$metadata" in error) && syscall === undefined) return undefined;
  return message || code || name;
}

/** Finds the sentence for an error, or its cause, that is about the user's settings for AWS. */
function settingIn(error: Error): string | undefined {
  const found = SETTINGS.find(([matches]) => matches(error));
  if (found) return found[1](error);
  return error.cause instanceof Error ? settingIn(error.cause) : undefined;
}
