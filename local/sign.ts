import { SignatureV4 } from "@smithy/signature-v4";
import { Sha256 } from "../functions/sign-url/sha256";

/**
 * The headers of a POST to an API that wants its callers to sign (AWS_IAM).
 *
 * @param service whose request it is; only tests name another
 */
export async function signedHeaders(
  url: URL,
  body: string,
  region: string,
  credentials: { readonly accessKeyId: string; readonly secretAccessKey: string },
  service = "execute-api",
): Promise<Record<string, string>> {
  const { protocol, hostname, host, pathname: path } = url;
  const signer = new SignatureV4({ service, region, credentials, sha256: Sha256 });
  const request = { method: "POST", protocol, hostname, path, headers: { host }, body };
  return (await signer.sign(request)).headers;
}
