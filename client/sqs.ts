import { SQSClient } from "@aws-sdk/client-sqs";
import { quote } from "../common/quote";
import type { CredentialProvider } from "./api";
import { TweedleError } from "./errors";

/** How long SQS may say nothing, in milliseconds. */
const SOCKET_TIMEOUT_MS = 40_000;

/** Credentials as the SDK finds them: in the environment, in a profile, of a role. Loaded only where they are asked for. */
export const defaultCredentials: CredentialProvider = () => new SQSClient({}).config.credentials();

/** A queue of AWS's says its region itself. */
export const regionOf = (queueUrl: string): string | undefined =>
  /\/\/sqs\.([^.]+)\.amazonaws\.com/.exec(queueUrl)?.[1];

/** A client for one queue: its URL says where SQS is, and at AWS in which region. Credentials are the SDK's own. */
export function sqsClient(queueUrl: string, region = regionOf(queueUrl)): SQSClient {
  let url: URL;
  try {
    url = new URL(queueUrl);
  } catch (error) {
    throw new TweedleError("Invalid", `The queue's URL must be one, not ${quote(queueUrl)}.`, {
      cause: error,
    });
  }
  const isAws = url.hostname.endsWith(".amazonaws.com");
  return new SQSClient({
    ...(region !== undefined && { region }),
    ...(!isAws && { endpoint: url.origin }),
    // Longer than a long poll: a connection that silently went away would be waited on for ever.
    requestHandler: { socketTimeout: SOCKET_TIMEOUT_MS },
  });
}
