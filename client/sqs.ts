import { SQSClient } from "@aws-sdk/client-sqs";
import { TweedleError } from "./errors";

/** A queue of AWS's says its region itself. */
export const regionOf = (queueUrl: string): string | undefined =>
  /\/\/sqs\.([^.]+)\.amazonaws\.com/.exec(queueUrl)?.[1];

/** A client for one queue: its URL says where SQS is, and at AWS in which region. Credentials are the SDK's own. */
export function sqsClient(queueUrl: string, region = regionOf(queueUrl)): SQSClient {
  let url: URL;
  try {
    url = new URL(queueUrl);
  } catch (error) {
    throw new TweedleError("Invalid", `The queue's URL must be one, not ${JSON.stringify(queueUrl)}.`, {
      cause: error,
    });
  }
  const isAws = url.hostname.endsWith(".amazonaws.com");
  return new SQSClient({ ...(region !== undefined && { region }), ...(!isAws && { endpoint: url.origin }) });
}
