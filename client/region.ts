import { quote } from "../common/quote";
import { TweedleError } from "./errors";

/**
 * Domains whose host names state their region, of AWS's partitions and of LocalStack.
 *
 * https://docs.aws.amazon.com/general/latest/gr/rande.html
 * https://docs.aws.amazon.com/vpc/latest/privatelink/privatelink-access-aws-services.html#interface-endpoint-dns-hostnames
 */
const DOMAINS =
  /\.(amazonaws\.com|amazonaws\.com\.cn|amazonaws\.eu|api\.aws|api\.amazonwebservices\.com\.cn|api\.amazonwebservices\.eu|localhost\.localstack\.cloud)$/;
/** eu-central-1, us-gov-west-1. */
const REGION = /^[a-z]+(-[a-z]+)+-\d+$/;
/** SQS's first host name, which is older than its second region. */
const LEGACY_HOST = "queue.amazonaws.com";

/** The region that a host name of AWS's states: of a regional, legacy, FIPS, dual-stack or VPC endpoint. */
export function regionOf(hostname: string): string | undefined {
  if (hostname === LEGACY_HOST) return "us-east-1";
  return DOMAINS.test(hostname) ? hostname.split(".").find((label) => REGION.test(label)) : undefined;
}

/** Tells the host that the AWS SDK itself chooses for SQS in a region. */
export const isRegionalSqs = (hostname: string): boolean =>
  /^sqs\.[^.]+\.amazonaws\.(com|com\.cn|eu)$/.test(hostname) && regionOf(hostname) !== undefined;

/** @throws TweedleError Invalid, where the text is no URL */
export function parseQueueUrl(queueUrl: string): URL {
  try {
    return new URL(queueUrl);
  } catch (error) {
    throw new TweedleError("Invalid", `The queue's URL must be one, not ${quote(queueUrl)}.`, {
      cause: error,
    });
  }
}
