import type { APIGatewayProxyResult } from "aws-lambda";
import { ACTIONS, type UrlAction, hasUrl } from "./actions";
import type { Environment } from "./environment";
import { RequestError } from "./errors";
import type { FieldValue } from "./fields";
import { nameOf, newKey } from "./keys";
import { LIMITS } from "./limits";
import type { Asked, Log } from "./log";
import { Presigner, type S3Request } from "./presigner";
import { type ProxyEvent, answer, answerJson, answering, headerOf, readBody, wrongMethod } from "./proxy";
import { type CheckedRequest, parseRequest } from "./request";

/** Whether a caller that accepts these media types would rather have the bare URL than JSON. */
export function prefersText(accept: string): boolean {
  const ranges = accept
    .slice(0, 1024)
    .split(",")
    .map((range) => {
      const [type = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
      const quality = parameters.find((parameter) => parameter.startsWith("q="));
      return { type, quality: quality === undefined ? 1 : Number(quality.slice(2)) };
    })
    .filter(({ quality }) => quality > 0)
    .toSorted((a, b) => b.quality - a.quality);
  const first = ranges.find(({ type }) =>
    /^(?:text\/(?:plain|\*)|application\/(?:json|\*)|\*\/\*)$/.test(type),
  );
  return first?.type.startsWith("text/") ?? false;
}

const isList = (value: FieldValue): value is readonly number[] => Array.isArray(value);

/** The S3 requests that a checked request asks for: one, or one for each part. */
function toS3Requests({ action, fields }: CheckedRequest<UrlAction>, key: string): S3Request[] {
  const query: Record<string, string> = { ...action.query };
  const headers: Record<string, string> = {};
  let variants: Record<string, string>[] = [{}];
  for (const [name, { header, query: parameter }] of Object.entries(action.fields)) {
    const value = fields[name];
    if (value === undefined) continue;
    if (typeof value !== "object") {
      if (header) headers[header] = String(value);
      if (parameter) query[parameter] = String(value);
    } else if (isList(value)) {
      variants = value.map((item) => ({ [String(parameter)]: String(item) }));
    } else {
      for (const [suffix, text] of Object.entries(value)) headers[`${header}${suffix}`] = text;
    }
  }
  return variants.map((variant) => ({
    method: action.method,
    key,
    query: { ...query, ...variant },
    headers,
  }));
}

/**
 * The signer: a Lambda handler behind API Gateway's proxy integration.
 *
 * It keeps no state but its environment, and makes no network call.
 *
 * @param options.openApi reads the API's description, for GET /openapi.json
 * @param options.clock when it is now; only tests give another
 * @param options.log takes the line that is written for each request; by default none is
 */
export function createHandler(
  environment: Environment,
  {
    openApi,
    clock = () => new Date(),
    log = () => {},
  }: { openApi: () => string; clock?: () => Date; log?: Log },
) {
  const presigner = new Presigner(environment);

  async function sign(
    event: ProxyEvent,
    pathAction: string | undefined,
    asked: Asked,
  ): Promise<APIGatewayProxyResult> {
    asked.action = pathAction;
    const request = parseRequest(pathAction, readBody(event), environment, hasUrl);
    const { name, action, fields } = request;
    const given = fields["object_key"] as string;
    const key = action.newKey ? newKey(given, fields["client_token"] as string | undefined) : given;
    asked.action = name;
    asked.name = nameOf(key);
    const expiresIn = (fields["expires_in"] as number | undefined) ?? LIMITS.defaultExpirySeconds;
    // A signature's date has whole seconds.
    const signedAt = Math.floor(clock().getTime() / 1000) * 1000;
    const s3Requests = toS3Requests(request, key);
    const urls = await Promise.all(
      s3Requests.map((s3Request) => presigner.sign(s3Request, expiresIn, new Date(signedAt))),
    );

    const accept = headerOf(event, "accept");
    if (accept && prefersText(accept)) return answer(200, "text/plain", urls.join("\n"));
    const partNumbers = fields["part_numbers"] as number[] | undefined;
    return answerJson(200, {
      action: name,
      object_key: key,
      method: action.method,
      ...(partNumbers
        ? { parts: partNumbers.map((part_number, index) => ({ part_number, url: urls[index] })) }
        : { url: urls[0] }),
      headers: s3Requests[0]?.headers,
      // Without a cap it is undefined, and JSON has none.
      max_object_bytes: action.answersCap && environment.maxObjectBytes,
      expires_at: new Date(signedAt + expiresIn * 1000).toISOString().replace(".000Z", "Z"),
    });
  }

  async function route(event: ProxyEvent, asked: Asked): Promise<APIGatewayProxyResult> {
    const path = event.resource;
    const action = path.slice(1);
    const methods =
      path === "/openapi.json"
        ? ["GET", "HEAD"]
        : path === "/" || Object.hasOwn(ACTIONS, action)
          ? ["POST"]
          : undefined;
    if (!methods) {
      throw new RequestError(
        404,
        "NoSuchRoute",
        "There is nothing here. The API: POST /, POST /<action>, GET /openapi.json.",
      );
    }
    if (!methods.includes(event.httpMethod)) throw wrongMethod(path, methods);
    if (event.httpMethod !== "POST") return answer(200, "application/json", openApi());
    return await sign(event, action || undefined, asked);
  }

  return answering(route, log);
}
