/** A service whose error codes are known here. */
export type Service = "s3" | "sqs" | "api";

/** What a client does about an error response. */
export type Remedy =
  /** The signature or its credentials have expired: sign the request again, and send that. */
  | "sign again"
  /** The same request may succeed later. */
  | "retry"
  /** The same request fails again. */
  | "final";

interface Codes {
  /** The AWS page that documents the codes. */
  readonly page: string;
  readonly services: readonly Service[];
  readonly remedy: Remedy;
  readonly codes: readonly string[];
}

const S3_ERRORS = "https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html";
const COMMON_ERRORS =
  "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html";
const SEND_MESSAGE_ERRORS =
  "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html#API_SendMessage_Errors";
const GATEWAY_RESPONSES =
  "https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html";

/**
 * What each error code asks of a client, where its status alone says something else, or too little: S3 answers 400 to
 * an expired token, to a slow connection and to a wrong request alike.
 */
const TABLE: readonly Codes[] = [
  {
    page: S3_ERRORS,
    services: ["s3"],
    remedy: "sign again",
    // AccessDenied is also the answer to a URL that has expired.
    codes: ["AccessDenied", "ExpiredToken", "InvalidToken", "RequestTimeTooSkewed", "TokenRefreshRequired"],
  },
  {
    page: S3_ERRORS,
    services: ["s3"],
    remedy: "retry",
    codes: [
      // The body was damaged or cut short on its way. (Of a file that has changed since it was hashed, it is final.)
      "BadDigest",
      "IncompleteBody",
      "XAmzContentSHA256Mismatch",
      "Busy",
      "ConditionalRequestConflict",
      "InternalError",
      "OperationAborted",
      "RequestTimeout",
      "ServiceUnavailable",
      "SlowDown",
      // A new bucket's name is not known everywhere yet.
      "TemporaryRedirect",
    ],
  },
  // The request itself does not fit its signature.
  { page: S3_ERRORS, services: ["s3"], remedy: "final", codes: ["SignatureDoesNotMatch"] },
  {
    page: COMMON_ERRORS,
    services: ["s3", "sqs", "api"],
    remedy: "retry",
    codes: [
      "InternalFailure",
      "LimitExceededException",
      "RequestAbortedException",
      "RequestLimitExceeded",
      "RequestTimeoutException",
      "RequestThrottled",
      "RequestThrottledException",
      "ServiceUnavailableException",
      "Throttling",
      "ThrottlingException",
      "ThrottledException",
      "TooManyRequests",
      "TooManyRequestsException",
    ],
  },
  {
    page: COMMON_ERRORS,
    services: ["sqs", "api"],
    remedy: "sign again",
    codes: ["ExpiredToken", "ExpiredTokenException", "RequestExpired"],
  },
  {
    page: SEND_MESSAGE_ERRORS,
    services: ["sqs"],
    remedy: "retry",
    // OverLimit: too many messages are in flight.
    codes: ["InternalError", "KmsThrottled", "OverLimit", "ServiceUnavailable"],
  },
  {
    page: GATEWAY_RESPONSES,
    services: ["api"],
    remedy: "sign again",
    // Also the answer to a signature whose time is not the service's.
    codes: ["InvalidSignature", "InvalidSignatureException"],
  },
];

const REMEDIES: ReadonlyMap<string, Remedy> = new Map(
  TABLE.flatMap(({ services, remedy, codes }) =>
    services.flatMap((service) => codes.map((code) => [`${service} ${code}`, remedy] as const)),
  ),
);

/**
 * Statuses that the same request may outlive: https://www.rfc-editor.org/rfc/rfc9110#name-status-codes
 *
 * 425 is Too Early, 429 Too Many Requests.
 */
const RETRYABLE_STATUS: readonly number[] = [408, 409, 425, 429];
/** Server errors that are none of the moment: Not Implemented, HTTP Version Not Supported. */
const FINAL_STATUS: readonly number[] = [501, 505];

/**
 * What a client does about an error response. Its code decides; where there is none, or an unknown one, its status.
 *
 * @param service undefined for one that is not in the table: its status alone decides
 * @param code as the response has it, or empty. SQS prefixes its own: com.amazonaws.sqs#QueueDoesNotExist
 */
export function remedyOf(service: Service | undefined, status: number, code: string): Remedy {
  const known = REMEDIES.get(`${service} ${code.split("#").at(-1)}`);
  if (known) return known;
  if (RETRYABLE_STATUS.includes(status) || (status >= 500 && !FINAL_STATUS.includes(status))) return "retry";
  return service === "s3" && status === 403 ? "sign again" : "final";
}
