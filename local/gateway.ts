import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { LocalFunction } from "./lambda";
import { close, listen, urlOf } from "./server";
import { verifySignature } from "./signature";

type Json = Record<string, unknown>;

/** How API Gateway answers an operation: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-integration.html */
interface Integration {
  readonly type: string;
  readonly uri?: string;
  readonly timeoutInMillis?: number;
  readonly passthroughBehavior?: string;
  readonly requestTemplates?: Readonly<Record<string, string>>;
  readonly responses?: Readonly<Record<string, MockResponse>>;
}

interface MockResponse {
  readonly statusCode: string;
  readonly responseParameters?: Readonly<Record<string, string>>;
  readonly responseTemplates?: Readonly<Record<string, string>>;
}

interface Operation {
  readonly security?: readonly Readonly<Record<string, unknown>>[];
  readonly "x-amazon-apigateway-integration"?: Integration;
}

/** The definition of an API, as its resource's body holds it. */
export interface ApiDefinition {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly "x-amazon-apigateway-gateway-responses"?: Readonly<Record<string, Partial<GatewayResponse>>>;
}

interface GatewayResponse {
  readonly statusCode: number;
  readonly responseParameters: Readonly<Record<string, string>>;
  readonly responseTemplates: Readonly<Record<string, string>>;
}

export interface GatewayOptions {
  readonly definition: ApiDefinition;
  readonly apiId: string;
  readonly accountId: string;
  readonly region: string;
  /** The API's stage, the first part of its paths. */
  readonly stageName: string;
  /** The functions that integrations name, by ARN. */
  readonly functions: ReadonlyMap<string, LocalFunction>;
  /** Requests a second on average and at once; Infinity for no throttling. */
  readonly throttling: { readonly rateLimit: number; readonly burstLimit: number };
  /** The secret of an access key that may call methods with AWS_IAM; undefined for a key that may not. */
  readonly secretOf: (accessKeyId: string) => string | undefined;
  /** 0 for any free port. */
  readonly port: number;
  /** Told of each step of a request that a function answers. */
  readonly onStep?: (step: GatewayStep) => void;
}

/** What a request passes in the gateway, in this order. Times in milliseconds. */
export type GatewayStep =
  | { readonly kind: "received"; readonly method: string; readonly path: string; readonly body: string }
  | { readonly kind: "invoked"; readonly arn: string; readonly event: unknown }
  | { readonly kind: "answered"; readonly statusCode: number; readonly bytes: number; readonly ms: number }
  | { readonly kind: "passed-on"; readonly statusCode: number };

export interface Gateway {
  /** With the stage, without a slash at the end. */
  readonly url: string;
  readonly stop: () => Promise<void>;
}

interface Answer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** API Gateway's own limit, in bytes. */
const MAX_BODY = 10 * 1024 * 1024;

/** An error that API Gateway itself answers: https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html */
class GatewayError extends Error {
  constructor(
    readonly type: string,
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/**
 * A REST API of API Gateway as a server on this machine: it reads the API's own definition, and turns requests into
 * proxy events for its functions.
 *
 * @throws Error where the definition asks for something that this gateway cannot do
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  assertSupported(options);
  const take = throttle(options.throttling);
  const server = await listen(
    (request, response) => {
      void respond(options, take, request, response);
    },
    options.port,
    "the API",
  );
  return { url: `${urlOf(server)}/${options.stageName}`, stop: () => close(server) };
}

function assertSupported({ definition, functions }: GatewayOptions): void {
  for (const [path, operations] of Object.entries(definition.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const integration = operation["x-amazon-apigateway-integration"];
      const where = `${method} ${path}`;
      if (integration?.type === "aws_proxy") {
        const arn = functionArn(integration);
        if (!functions.has(arn)) throw new Error(`${where}: there is no function ${arn}.`);
      } else if (integration?.type !== "mock") {
        throw new Error(`${where}: the local gateway does not know the integration ${integration?.type}.`);
      }
      for (const scheme of operation.security ?? []) {
        if (Object.keys(scheme).join() !== "sigv4") {
          throw new Error(
            `${where}: the local gateway does not know the security ${JSON.stringify(scheme)}.`,
          );
        }
      }
    }
  }
}

const functionArn = ({ uri }: Integration) =>
  /functions\/(arn:[^/]+)\/invocations$/.exec(uri ?? "")?.[1] ?? "";

/** Whether a method may take one more request. API Gateway has a token bucket for each method. */
type Throttle = (method: string) => boolean;

function throttle({ rateLimit, burstLimit }: GatewayOptions["throttling"]): Throttle {
  const buckets = new Map<string, { tokens: number; filledAt: number }>();
  return (method) => {
    const now = performance.now();
    const { tokens, filledAt } = buckets.get(method) ?? { tokens: burstLimit, filledAt: now };
    const filled = Math.min(burstLimit, tokens + ((now - filledAt) / 1000) * rateLimit);
    buckets.set(method, { tokens: filled < 1 ? filled : filled - 1, filledAt: now });
    return filled >= 1;
  };
}

async function respond(
  options: GatewayOptions,
  take: Throttle,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const requestId = randomUUID();
  let answer: Answer;
  try {
    answer = await handle(options, take, request, requestId);
  } catch (error) {
    if (request.destroyed && !request.complete) return;
    const known = error instanceof GatewayError ? error : new GatewayError("DEFAULT_5XX", 500, String(error));
    if (known !== error) console.error(error);
    answer = gatewayAnswer(options.definition, known, requestId);
  }
  // What is left of a body that was not read is dropped: a caller that is still sending would miss the answer.
  request.resume();
  response.writeHead(answer.statusCode, { ...answer.headers, "x-amzn-requestid": requestId });
  response.end(request.method === "HEAD" ? undefined : answer.body);
  options.onStep?.({ kind: "passed-on", statusCode: answer.statusCode });
}

async function handle(
  options: GatewayOptions,
  take: Throttle,
  request: IncomingMessage,
  requestId: string,
): Promise<Answer> {
  const { definition, stageName } = options;
  const url = new URL(request.url ?? "/", "http://localhost");
  const prefix = `/${stageName}`;
  if (url.pathname !== prefix && !url.pathname.startsWith(`${prefix}/`)) {
    throw new GatewayError("MISSING_AUTHENTICATION_TOKEN", 403, "Forbidden");
  }
  const path = url.pathname.slice(prefix.length) || "/";
  const resource = path in definition.paths ? path : "/{proxy+}";
  const operations = definition.paths[resource];
  const operation =
    operations?.[request.method?.toLowerCase() ?? ""] ?? operations?.["x-amazon-apigateway-any-method"];
  const integration = operation?.["x-amazon-apigateway-integration"];
  if (!operation || !integration) {
    throw new GatewayError("MISSING_AUTHENTICATION_TOKEN", 403, "Missing Authentication Token");
  }
  if (!take(`${request.method} ${resource}`)) throw new GatewayError("THROTTLED", 429, "Too Many Requests");
  const body = await readBody(request);
  if (operation.security?.length) authorize(options, request, url, body);
  if (integration.type === "mock") return mockAnswer(integration, request, requestId);
  return await invoke(options, integration, request, { url, path, resource, body, requestId });
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY) throw new GatewayError("REQUEST_TOO_LARGE", 413, "Request Too Long");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function authorize(
  { region, secretOf }: GatewayOptions,
  request: IncomingMessage,
  url: URL,
  body: Buffer,
): void {
  if (!request.headers.authorization) {
    throw new GatewayError("MISSING_AUTHENTICATION_TOKEN", 403, "Missing Authentication Token");
  }
  const fault = verifySignature(request, url, body, { service: "execute-api", region, secretOf });
  if (fault) throw new GatewayError(fault.type, 403, fault.message);
}

interface Call {
  readonly url: URL;
  readonly path: string;
  readonly resource: string;
  readonly body: Buffer;
  readonly requestId: string;
}

async function invoke(
  { functions, onStep, ...options }: GatewayOptions,
  integration: Integration,
  request: IncomingMessage,
  call: Call,
): Promise<Answer> {
  const arn = functionArn(integration);
  const event = proxyEvent(options, request, call);
  onStep?.({ kind: "received", method: event.httpMethod, path: call.url.pathname, body: event.body ?? "" });
  onStep?.({ kind: "invoked", arn, event });
  const startedAt = performance.now();
  let result: unknown;
  try {
    result = await within(functions.get(arn)?.invoke(event), integration.timeoutInMillis ?? 29_000);
  } catch (error) {
    console.error(error);
    throw error instanceof GatewayError
      ? error
      : new GatewayError("DEFAULT_5XX", 502, "Internal server error");
  }
  const answer = proxyAnswer(result);
  const bytes = Buffer.byteLength(answer.body);
  onStep?.({ kind: "answered", statusCode: answer.statusCode, bytes, ms: performance.now() - startedAt });
  return answer;
}

function within<T>(call: Promise<T> | undefined, milliseconds: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    const error = new GatewayError("INTEGRATION_TIMEOUT", 504, "Endpoint request timed out");
    timer = setTimeout(() => reject(error), milliseconds);
  });
  return Promise.race([call, timeout]).finally(() => clearTimeout(timer));
}

/** The event of a proxy integration: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html */
function proxyEvent(
  { apiId, accountId, stageName }: Pick<GatewayOptions, "apiId" | "accountId" | "stageName">,
  request: IncomingMessage,
  { url, path, resource, body, requestId }: Call,
) {
  const multiValueHeaders: Record<string, string[]> = {};
  for (let index = 0; index < request.rawHeaders.length; index += 2) {
    const [name = "", value = ""] = request.rawHeaders.slice(index, index + 2);
    (multiValueHeaders[name] ??= []).push(value);
  }
  const lastOf = (values: Record<string, string[]>) =>
    Object.fromEntries(Object.entries(values).map(([name, all]) => [name, all.at(-1) ?? ""]));
  const query: Record<string, string[]> = {};
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
function proxyAnswer(result: unknown): Answer {
  const { statusCode, headers = {}, body = "", isBase64Encoded = false } = (result ?? {}) as Json;
  const wellFormed =
    Number.isInteger(statusCode) &&
    typeof body === "string" &&
    typeof headers === "object" &&
    headers !== null;
  if (!wellFormed || isBase64Encoded) {
    console.error("The function's answer is not of the form of a proxy integration.");
    throw new GatewayError("DEFAULT_5XX", 502, "Internal server error");
  }
  return { statusCode: statusCode as number, headers: headers as Record<string, string>, body };
}

function mockAnswer(integration: Integration, request: IncomingMessage, requestId: string): Answer {
  const mediaType = (request.headers["content-type"] ?? "application/json").split(";")[0]?.trim() ?? "";
  if (!integration.requestTemplates?.[mediaType]) {
    throw new GatewayError("UNSUPPORTED_MEDIA_TYPE", 415, "Unsupported Media Type");
  }
  const response: MockResponse = integration.responses?.["default"] ?? { statusCode: "500" };
  const { statusCode, responseParameters = {}, responseTemplates = {} } = response;
  return {
    statusCode: Number(statusCode),
    headers: {
      "content-type": "application/json",
      ...headersOf(responseParameters, "method.response.header."),
    },
    body: render(responseTemplates["application/json"] ?? "", { "$context.requestId": requestId }),
  };
}

function gatewayAnswer(definition: ApiDefinition, error: GatewayError, requestId: string): Answer {
  const responses = definition["x-amazon-apigateway-gateway-responses"] ?? {};
  const fallback = error.status >= 500 ? "DEFAULT_5XX" : "DEFAULT_4XX";
  const response = responses[error.type] ?? responses[fallback];
  const template =
    response?.responseTemplates?.["application/json"] ?? '{"message":$context.error.messageString}';
  return {
    statusCode: response?.statusCode ?? error.status,
    headers: {
      "content-type": "application/json",
      ...headersOf(response?.responseParameters ?? {}, "gatewayresponse.header."),
    },
    body: render(template, {
      "$context.error.messageString": JSON.stringify(error.message),
      "$context.error.responseType": error.type,
      "$context.requestId": requestId,
    }),
  };
}

/** Response parameters that are constants: 'no-store', in quotes. */
const headersOf = (parameters: Readonly<Record<string, string>>, prefix: string) =>
  Object.fromEntries(
    Object.entries(parameters).map(([name, value]) => [
      name.slice(prefix.length).toLowerCase(),
      value.slice(1, -1),
    ]),
  );

function render(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/\$[\w.]+/g, (name) => {
    if (!(name in values)) throw new Error(`The local gateway does not know ${name} in a template.`);
    return values[name] as string;
  });
}
