import type { IncomingMessage } from "node:http";
import type { Answer } from "./answers";

/** A request that a function is called for. */
export interface ProxyRequest {
  readonly request: IncomingMessage;
  readonly url: URL;
  /** Within the stage. */
  readonly path: string;
  /** The path of the definition that it matches. */
  readonly resource: string;
  readonly body: Buffer;
  readonly requestId: string;
}

/** What of the API an event tells. */
export interface ProxyContext {
  readonly apiId: string;
  readonly accountId: string;
  readonly stageName: string;
}

/** The event of a proxy integration: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html */
export function proxyEvent(
  { apiId, accountId, stageName }: ProxyContext,
  { request, url, path, resource, body, requestId }: ProxyRequest,
) {
  // Without a prototype: a caller may name a header or a parameter as Object names its own.
  const multiValueHeaders = Object.create(null) as Record<string, string[]>;
  for (let index = 0; index < request.rawHeaders.length; index += 2) {
    const [name = "", value = ""] = request.rawHeaders.slice(index, index + 2);
    (multiValueHeaders[name] ??= []).push(value);
  }
  const lastOf = (values: Record<string, string[]>) =>
    Object.fromEntries(Object.entries(values).map(([name, all]) => [name, all.at(-1) ?? ""]));
  const query = Object.create(null) as Record<string, string[]>;
  for (const [name, value] of url.searchParams) (query[name] ??= []).push(value);
  const hasQuery = url.search.length > 1;
  return {
    resource,
    path,
    httpMethod: request.method ?? "GET",
    headers: lastOf(multiValueHeaders),
    multiValueHeaders,
    queryStringParameters: hasQuery ? lastOf(query) : null,
    multiValueQueryStringParameters: hasQuery ? query : null,
    pathParameters: resource === "/{proxy+}" ? { proxy: path.slice(1) } : null,
    stageVariables: null,
    requestContext: {
      accountId,
      apiId,
      resourcePath: resource,
      httpMethod: request.method ?? "GET",
      path: url.pathname,
      stage: stageName,
      requestId,
      requestTimeEpoch: Date.now(),
      protocol: "HTTP/1.1",
      identity: {
        sourceIp: request.socket.remoteAddress ?? "",
        userAgent: request.headers["user-agent"] ?? null,
      },
    },
    // API Gateway has no binary media types here, so it reads every body as UTF-8.
    body: body.length > 0 ? body.toString("utf8") : null,
    isBase64Encoded: false,
  };
}

/** Checks a function's answer as API Gateway does: one that is not of the proxy form is a 502. */
export function proxyAnswer(result: unknown): Answer {
  const {
    statusCode,
    headers = {},
    body = "",
    isBase64Encoded = false,
  } = (result ?? {}) as Record<string, unknown>;
  const wellFormed =
    Number.isInteger(statusCode) &&
    typeof body === "string" &&
    typeof headers === "object" &&
    headers !== null;
  if (!wellFormed || isBase64Encoded) {
    throw new Error("The function's answer is not of the form of a proxy integration.");
  }
  return { statusCode: statusCode as number, headers: headers as Record<string, string>, body };
}
