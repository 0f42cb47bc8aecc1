import { S3Client } from "@aws-sdk/client-s3";
import { parseQueueUrl } from "../region";
import { defaultCredentials, regionFor, requestHandler } from "../sqs";

/** Tells an S3 that is not AWS's: buckets are part of the path there, since their host names would not resolve. */
const usesPaths = (): boolean =>
  process.env["AWS_ENDPOINT_URL_S3"] !== undefined || process.env["AWS_ENDPOINT_URL"] !== undefined;

/** A client of S3 in a queue's region. */
export function s3Client(queueUrl: string): S3Client {
  const { hostname } = parseQueueUrl(queueUrl);
  return new S3Client({
    region: () => regionFor(hostname),
    credentials: defaultCredentials,
    forcePathStyle: usesPaths(),
    requestHandler: requestHandler(),
  });
}
