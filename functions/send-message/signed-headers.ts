import { SignatureV4 } from "@smithy/signature-v4";
import { Sha256 } from "../sign-url/sha256";

/** Who signs what: the service and its region, and credentials, whose token a function's role has and a user's key has not. */
export interface Signer {
  readonly service: string;
  readonly region: string;
  readonly credentials: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
  };
  /** The time of the signature. @default now */
  readonly date?: Date;
}

/**
 * The headers of a POST that is signed with Signature Version 4: those given, and the signature's. Host is signed and
 * left out: whoever sends the request says it by itself.
 *
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
export async function signedHeaders(
  { protocol, hostname, host, pathname: path }: URL,
  body: string,
  { service, region, credentials, date }: Signer,
  headers: Readonly<Record<string, string>> = {},
): Promise<Record<string, string>> {
  const signer = new SignatureV4({ service, region, credentials, sha256: Sha256 });
  const request = { method: "POST", protocol, hostname, path, headers: { ...headers, host }, body };
  const { host: _, ...signed } = (await signer.sign(request, date && { signingDate: date })).headers;
  return signed;
}
