/** Whether buckets are part of the path: where S3 is not AWS's, their own host names would not resolve. */
export const usesPaths = (): boolean =>
  process.env["AWS_ENDPOINT_URL_S3"] !== undefined || process.env["AWS_ENDPOINT_URL"] !== undefined;
