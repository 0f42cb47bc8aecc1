import { SQSClient } from "@aws-sdk/client-sqs";
import { TweedleError } from "./errors";
import { connections } from "./http";
import { isRegionalSqs, parseQueueUrl, regionOf } from "./region";
import type { CredentialProvider } from "./signing";

/** The longest silence of a service of AWS's, in milliseconds. */
const SOCKET_TIMEOUT_MS = 40_000;

/** Connections of the SDK's clients, through the proxies of the environment. */
export function requestHandler() {
  const { http, https } = connections();
  // Longer than a long poll: a connection that silently went away would be waited on for ever.
  return { httpAgent: http, httpsAgent: https, socketTimeout: SOCKET_TIMEOUT_MS };
}

let shared: SQSClient | undefined;
/** A client that is asked for nothing but the AWS SDK's own settings, which it keeps. */
const settings = () => (shared ??= new SQSClient({ requestHandler: requestHandler() })).config;

/**
 * Credentials as the SDK finds them: in the environment, in a profile, of a role. They are looked up once for all
 * clients of this process, and again shortly before they expire.
 */
export const defaultCredentials: CredentialProvider = async (options) =>
  await settings().credentials(options);

/**
 * The region of a host: the one that its name states, or else one that was given, or else the SDK's, from AWS_REGION or
 * a profile.
 *
 * @throws TweedleError Refused, where there is none
 */
export async function regionFor(hostname: string, given?: string): Promise<string> {
  const known = regionOf(hostname) ?? given;
  if (known !== undefined) return known;
  try {
    return await settings().region();
  } catch (cause) {
    const how = "set AWS_REGION, AWS_PROFILE to a profile with a region, or the option region";
    throw new TweedleError("Refused", `The region of ${hostname} is not known: ${how}.`, { cause });
  }
}

/**
 * A client for one queue. Requests go to the host of its URL, unless that is SQS's own of its region: then to where the
 * SDK's settings lead (AWS_ENDPOINT_URL_SQS, FIPS, dual-stack).
 *
 * @param region where the host name states none. @default the SDK's
 * @throws TweedleError Invalid, where the URL is none
 */
export function sqsClient(queueUrl: string, region?: string): SQSClient {
  const { hostname, origin } = parseQueueUrl(queueUrl);
  return new SQSClient({
    region: () => regionFor(hostname, region),
    credentials: defaultCredentials,
    ...(isRegionalSqs(hostname)
      ? { useQueueUrlAsEndpoint: false }
      : { endpoint: origin, useFipsEndpoint: false, useDualstackEndpoint: false }),
    requestHandler: requestHandler(),
  });
}
