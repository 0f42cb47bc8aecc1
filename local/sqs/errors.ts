/**
 * An error of SQS's JSON protocol.
 *
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-json.html
 */
export class SqsError extends Error {
  override readonly name = "SqsError";

  constructor(
    /** The error's shape: com.amazonaws.sqs#QueueDoesNotExist */
    readonly type: string,
    /** The query protocol's word for it, in the header x-amzn-query-error. */
    readonly queryCode: string,
    message: string,
    readonly status: 400 | 403 | 404 | 413 = 400,
  ) {
    super(message);
  }
}

const modeled = (shape: string, queryCode: string) => (message: string) =>
  new SqsError(`com.amazonaws.sqs#${shape}`, queryCode, message);
const common = (shape: string, queryCode: string, status: 400 | 403 | 413 = 400) => {
  return (message: string) => new SqsError(`com.amazon.coral.service#${shape}`, queryCode, message, status);
};
const batch = (shape: string) => modeled(shape, `AWS.SimpleQueueService.${shape}`);

export const queueDoesNotExist = modeled("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue");
export const resourceNotFound = (message: string) =>
  new SqsError("com.amazonaws.sqs#ResourceNotFoundException", "ResourceNotFoundException", message, 404);
export const unsupportedOperation = batch("UnsupportedOperation");
export const messageNotInflight = batch("MessageNotInflight");
export const emptyBatch = batch("EmptyBatchRequest");
export const tooManyEntries = batch("TooManyEntriesInBatchRequest");
export const idsNotDistinct = batch("BatchEntryIdsNotDistinct");
export const invalidEntryId = batch("InvalidBatchEntryId");
export const batchTooLong = batch("BatchRequestTooLong");
export const receiptHandleIsInvalid = modeled("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid");
export const invalidMessageContents = modeled("InvalidMessageContents", "InvalidMessageContents");
export const invalidAttributeName = modeled("InvalidAttributeName", "InvalidAttributeName");
export const overLimit = modeled("OverLimit", "OverLimit");
export const invalidParameter = common("InvalidParameterValueException", "InvalidParameterValue");
export const missingParameter = common("MissingRequiredParameterException", "MissingParameter");
export const malformedInput = common("SerializationException", "MalformedInput");
export const unknownOperation = common("UnknownOperationException", "UnknownOperation");
export const requestTooLarge = common("RequestEntityTooLargeException", "RequestEntityTooLarge", 413);
export const accessDenied = common("AccessDeniedException", "AccessDenied", 403);
export const invalidSignature = common("InvalidSignatureException", "InvalidSignature", 403);
