import { deflateSync, gzipSync } from "node:zlib";
import type { Answer } from "./answers";

/** The content codings that API Gateway compresses with. */
const CODINGS: Readonly<Record<string, (body: string) => Buffer>> = { gzip: gzipSync, deflate: deflateSync };

/** A response as it goes over the wire. */
export interface Encoded {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

/**
 * Compresses a response where the API compresses, the response is large enough, and the coding that the caller likes
 * best is one of API Gateway's. `*` and a missing header compress nothing.
 *
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-receive-response-with-compressed-payload.html
 *
 * @param minimumBytes the smallest body that is compressed; undefined for an API that compresses nothing
 */
export function encode(
  { headers, body }: Answer,
  acceptEncoding: string | undefined,
  minimumBytes: number | undefined,
): Encoded {
  const coding = preferredCoding(acceptEncoding ?? "");
  const compress = CODINGS[coding];
  const isEncoded = Object.keys(headers).some((name) => name.toLowerCase() === "content-encoding");
  if (!compress || isEncoded || minimumBytes === undefined || Buffer.byteLength(body) < minimumBytes) {
    return { headers, body };
  }
  return { headers: { ...headers, "content-encoding": coding }, body: compress(body) };
}

/** The coding of the highest weight, of several the first: https://www.rfc-editor.org/rfc/rfc9110#name-accept-encoding */
function preferredCoding(acceptEncoding: string): string {
  const accepted = acceptEncoding.split(",").map((one) => {
    const [coding = "", ...parameters] = one.split(";").map((text) => text.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith("q="));
    return { coding, weight: weight === undefined ? 1 : Number(weight.slice(2)) };
  });
  const [best] = accepted.filter(({ weight }) => weight > 0).toSorted((a, b) => b.weight - a.weight);
  return best?.coding ?? "";
}
