import { createHash, createHmac } from "node:crypto";
import type { APIGatewayProxyEvent, APIGatewayProxyResult } from "aws-lambda";

const hmac = (key: string | Buffer, text: string) => createHmac("sha256", key).update(text).digest();

let signingKey: { scope: string; key: string | Buffer } | undefined;

/**
 * The signature of a PUT URL: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
 *
 * @param parts.scope day/region/s3/aws4_request
 * @param parts.query sorted and encoded, without X-Amz-Signature
 */
export function signature(
  parts: Record<"secret" | "date" | "scope" | "host" | "path" | "query", string>,
): string {
  const { secret, date, scope, host, path, query } = parts;
  if (signingKey?.scope !== scope) {
    signingKey = { scope, key: scope.split("/").reduce<string | Buffer>(hmac, `AWS4${secret}`) };
  }
  const request = `PUT\n${path}\n${query}\nhost:${host}\n\nhost\nUNSIGNED-PAYLOAD`;
  const digest = createHash("sha256").update(request).digest("hex");
  return hmac(signingKey.key, `AWS4-HMAC-SHA256\n${date}\n${scope}\n${digest}`).toString("hex");
}

const { BUCKET_NAME: bucket = "", AWS_REGION: region = "", AWS_SESSION_TOKEN: token = "" } = process.env;
const { AWS_ACCESS_KEY_ID: accessKeyId = "", AWS_SECRET_ACCESS_KEY: secret = "" } = process.env;

/** The limit: the least that signs an upload. It checks nothing. */
export async function handler(event: APIGatewayProxyEvent): Promise<APIGatewayProxyResult> {
  const { object_key }: { object_key: string } = JSON.parse(event.body ?? "{}");
  const date = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const scope = `${date.slice(0, 8)}/${region}/s3/aws4_request`;
  const host = `${bucket}.s3.${region}.amazonaws.com`;
  const path = `/${object_key.split("/").map(encodeURIComponent).join("/")}`;
  const query =
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD" +
    `&X-Amz-Credential=${encodeURIComponent(`${accessKeyId}/${scope}`)}&X-Amz-Date=${date}&X-Amz-Expires=100` +
    `&X-Amz-Security-Token=${encodeURIComponent(token)}&X-Amz-SignedHeaders=host`;
  const signed = signature({ secret, date, scope, host, path, query });
  const url = `https://${host}${path}?${query}&X-Amz-Signature=${signed}`;
  return { statusCode: 200, headers: { "content-type": "application/json" }, body: JSON.stringify({ url }) };
}
