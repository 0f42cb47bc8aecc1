import type { APIGatewayProxyEvent, APIGatewayProxyResult } from "aws-lambda";
import { quote } from "../../common/quote";
import { ANSWER_HEADERS } from "./answer-headers";
import { RequestError } from "./errors";
import { type Asked, type Log, requestLine } from "./log";

/** What of a proxy event the functions read. Nothing that they sign or send comes from a header. */
export type ProxyEvent = Pick<
  APIGatewayProxyEvent,
  "httpMethod" | "resource" | "headers" | "body" | "isBase64Encoded"
> & { readonly requestContext?: { readonly requestId: string } };

export type ProxyHandler = (event: ProxyEvent) => Promise<APIGatewayProxyResult>;

export const answer = (
  statusCode: number,
  contentType: string,
  body: string,
  headers = {},
): APIGatewayProxyResult => ({
  statusCode,
  headers: {
    "content-type": `${contentType}; charset=utf-8`,
    ...ANSWER_HEADERS,
    ...headers,
  },
  body,
});

export const answerJson = (statusCode: number, body: object, headers = {}) =>
  answer(statusCode, "application/json", JSON.stringify(body), headers);

/** The refusal of a method that a path does not take. */
export const wrongMethod = (path: string, methods: readonly string[]): RequestError =>
  new RequestError(405, "MethodNotAllowed", `${path} takes ${methods.join(" and ")}.`, {
    allow: methods.join(", "),
  });

/** A request's header, by its name in lower case; undefined where there is none. */
export const headerOf = ({ headers }: Pick<ProxyEvent, "headers">, name: string): string | undefined =>
  Object.entries(headers ?? {}).find(([header]) => header.toLowerCase() === name)?.[1];

/**
 * Reads the body of a POST as text, without a byte order mark.
 *
 * A browser sends `Origin` with every POST. Without asking first, it lets a page send only what an HTML form could, to
 * any site: a request with a media type that no form has was allowed by the API, or comes from the API's own page.
 *
 * https://fetch.spec.whatwg.org/#cors-safelisted-request-header
 *
 * @throws RequestError where a page sends another media type than JSON, or a body in base64 is no UTF-8
 */
export function readBody(event: ProxyEvent): string {
  const type = headerOf(event, "content-type") ?? "";
  if (headerOf(event, "origin") !== undefined && !/^application\/json\s*(;|$)/i.test(type)) {
    throw new RequestError(
      415,
      "UnsupportedMediaType",
      `A request with an Origin header needs the content-type application/json, not ${quote(type)}.`,
    );
  }
  return decode(event).replace(/^\ufeff/, "");
}

function decode({ body, isBase64Encoded }: ProxyEvent): string {
  if (!isBase64Encoded) return body ?? "";
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
      Buffer.from(body ?? "", "base64"),
    );
  } catch {
    throw new RequestError(400, "InvalidJson", "The body must be JSON in UTF-8.");
  }
}

/** What a caller is told of a fault of ours. */
const FAULT = {
  status: 500,
  code: "InternalError",
  message: "Something broke on our side. Try again.",
  headers: {},
};

/**
 * Makes a handler that never throws, and that logs a line for each request: a caller's mistake is answered with 4xx,
 * our own with a 500 that says nothing, its stack in the log. HEAD is answered as GET, without the body.
 *
 * @param handle answers a request, or throws, and notes what it was asked
 */
export const answering =
  (handle: (event: ProxyEvent, asked: Asked) => Promise<APIGatewayProxyResult>, log: Log): ProxyHandler =>
  async (event) => {
    const start = performance.now();
    const asked: Asked = {};
    let result: APIGatewayProxyResult;
    let refused: string | undefined;
    let fault: unknown;
    try {
      result = await handle(event, asked);
    } catch (error) {
      const ours = !(error instanceof RequestError);
      const { status, code, message, headers } = ours ? FAULT : error;
      if (ours) fault = error;
      refused = code;
      result = answerJson(status, { error: { code, message } }, headers);
    }
    const milliseconds = performance.now() - start;
    const requestId = event?.requestContext?.requestId;
    log(requestLine(requestId, asked, result.statusCode, refused, milliseconds, fault));
    return event?.httpMethod === "HEAD" ? { ...result, body: "" } : result;
  };
