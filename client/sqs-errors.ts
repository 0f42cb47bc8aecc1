import { excerpt } from "../common/quote";

/**
 * Names by which SQS and engines like it refuse an operation that they do not have.
 *
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
 */
const UNSUPPORTED: readonly string[] = [
  "InvalidAction",
  "NotImplemented",
  "NotImplementedException",
  "UnknownOperationException",
  "UnsupportedOperation",
];

/** Whether a response is not JSON, as SQS's are: another server answers, or an engine that lacks the operation. */
export const isNotJson = (error: unknown): boolean => error instanceof SyntaxError && "$metadata" in error;

/** Whether an engine does not have an operation. Some answer a page, or a text, to what they do not know. */
export const isUnsupported = (error: unknown): boolean =>
  isNotJson(error) || (error instanceof Error && UNSUPPORTED.includes(error.name));

/** Describes a failed request to SQS in a sentence. */
export function describeSqsError(error: Error): string {
  if (!isNotJson(error)) return excerpt(error.message);
  const { $metadata } = error as Error & { readonly $metadata: { readonly httpStatusCode?: number } };
  return `The response is not SQS's (HTTP ${$metadata.httpStatusCode}, no JSON): look at the queue's URL.`;
}
