import { type Signer, signedHeaders as sign } from "../functions/send-message/signed-headers";

/**
 * The headers of a POST to an API that wants its callers to sign (AWS_IAM).
 *
 * @param service whose request it is; only tests name another
 */
export const signedHeaders = (
  url: URL,
  body: string,
  region: string,
  credentials: Signer["credentials"],
  service = "execute-api",
): Promise<Record<string, string>> => sign(url, body, { service, region, credentials });
