import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { encode } from "../../functions/sign-url/encode";

export interface Verifier {
  readonly service: string;
  readonly region: string;
  readonly secretOf: (accessKeyId: string) => string | undefined;
}

/** Who signed, or why the signature is refused, in API Gateway's words. */
export type Verified =
  | { readonly accessKeyId: string }
  | { readonly fault: "ACCESS_DENIED" | "INVALID_SIGNATURE"; readonly message: string };

/** A signature's date, such as 20261123T123456Z, in milliseconds; NaN for what is none. */
export const parseSigningDate = (date: string): number =>
  Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"));

const sha256 = (data: Buffer | string) => createHash("sha256").update(data).digest("hex");
const hmac = (key: Buffer | string, data: string) => createHmac("sha256", key).update(data).digest();
/** A signature's time may be off by less than this, in milliseconds. */
const MAX_SKEW_MS = 5 * 60_000;
const HEADER =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;

/**
 * Checks the Authorization header of a request as AWS does.
 *
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
export function verifySignature(
  request: IncomingMessage,
  url: URL,
  body: Buffer,
  { service, region, secretOf }: Verifier,
): Verified {
  const [, accessKeyId = "", day = "", ...rest] = HEADER.exec(request.headers.authorization ?? "") ?? [];
  const [givenRegion, givenService, signedHeaders = "", signature = ""] = rest;
  const secret = secretOf(accessKeyId);
  if (secret === undefined) {
    return { fault: "ACCESS_DENIED", message: "The security token included in the request is invalid." };
  }
  if (givenRegion !== region || givenService !== service) {
    return {
      fault: "INVALID_SIGNATURE",
      message: "Credential should be scoped to a valid region and service.",
    };
  }
  const date = String(request.headers["x-amz-date"] ?? "");
  const time = parseSigningDate(date);
  if (!(Math.abs(Date.now() - time) < MAX_SKEW_MS)) {
    return { fault: "INVALID_SIGNATURE", message: "Signature expired or not yet current." };
  }
  const names = signedHeaders.split(";");
  const canonicalRequest = [
    request.method,
    // Every service but S3 encodes the path once more.
    url.pathname.split("/").map(encode).join("/"),
    [...url.searchParams]
      .map(([name, value]) => `${encode(name)}=${encode(value)}`)
      .toSorted()
      .join("&"),
    ...names.map(
      (name) =>
        `${name}:${String(request.headers[name] ?? "")
          .trim()
          .replace(/ +/g, " ")}`,
    ),
    "",
    signedHeaders,
    sha256(body),
  ].join("\n");
  const scope = `${day}/${region}/${service}/aws4_request`;
  const key = [day, region, service, "aws4_request"].reduce<Buffer | string>(hmac, `AWS4${secret}`);
  const expected = hmac(key, ["AWS4-HMAC-SHA256", date, scope, sha256(canonicalRequest)].join("\n"));
  if (!names.includes("host") || !timingSafeEqual(expected, Buffer.from(signature, "hex"))) {
    return {
      fault: "INVALID_SIGNATURE",
      message: "The request signature we calculated does not match yours.",
    };
  }
  return { accessKeyId };
}
