import { VARIABLES as SIGNER_VARIABLES, need } from "../sign-url/environment";

/** What the form knows of its stack. Read once, when the function loads. */
export interface FormEnvironment {
  /** Where payloads go: the one place, beside the API, that the page may call. */
  readonly bucketOrigin: string;
}

/** The names of the variables that the stack sets; the others are Lambda's own. */
export const VARIABLES = { bucketName: SIGNER_VARIABLES.bucketName } as const;

/**
 * @throws Error where a variable is missing, which stops the function before its first request
 */
export function readEnvironment(variables: Readonly<Record<string, string | undefined>>): FormEnvironment {
  const bucketName = need(variables, VARIABLES.bucketName);
  const endpoint = variables["AWS_ENDPOINT_URL_S3"];
  // As the signer's URLs have it: at an endpoint of its own a bucket is in the path, at AWS in the host's name.
  return {
    bucketOrigin: endpoint
      ? new URL(endpoint).origin
      : `https://${bucketName}.s3.${need(variables, "AWS_REGION")}.amazonaws.com`,
  };
}
