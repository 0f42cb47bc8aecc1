import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { executeApiArn } from "../../stacks/arns";
import { type ApiDefinition, type Integration, functionArn } from "./definition";
import { type Answer, GatewayError, gatewayAnswer, mockAnswer } from "./answers";
import { encode } from "./compression";
import { type AccessRequest, type Principal, globalContext, isAllowed } from "../iam";
import { type LocalFunction, withTimeout } from "../lambda";
import { type ProxyRequest, proxyAnswer, proxyEvent } from "./proxy-integration";
import { close, listen, urlOf } from "../server";
import { verifySignature } from "./signature";
import type { Throttling, UsagePlan } from "../stack/stack";

export interface GatewayOptions {
  readonly definition: ApiDefinition;
  readonly apiId: string;
  readonly accountId: string;
  readonly region: string;
  /** The API's stage, the first part of its paths. */
  readonly stageName: string;
  /** The smallest response that is compressed for a caller who asks for it, in bytes. @default none is */
  readonly minimumCompressionBytes?: number | undefined;
  /** The functions that integrations name, by ARN. */
  readonly functions: ReadonlyMap<string, LocalFunction>;
  /** Requests a second on average and at once; Infinity for no throttling. */
  readonly throttling: Throttling;
  /** Whose API keys let them call the methods that want one. @default nobody's */
  readonly usagePlan?: UsagePlan | undefined;
  /** Who may sign requests to methods with AWS_IAM, as far as their policies allow. */
  readonly principals: readonly Principal[];
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
  | { readonly kind: "passed-on"; readonly statusCode: number; readonly body: string };

export interface Gateway {
  /** With the stage, without a slash at the end. */
  readonly url: string;
  readonly stop: () => Promise<void>;
}

/** API Gateway's own limit, in bytes. */
const MAX_BODY = 10 * 1024 * 1024;

/**
 * What the bodies that are being read may have together until those over {@link LARGE} are told to come back, in bytes:
 * a flood of them would fill the machine, and no function takes them.
 */
const MAX_BODIES = 64 * 1024 * 1024;
const LARGE = 1024 * 1024;

/**
 * A REST API of API Gateway as a server on this machine: it reads the API's own definition, and turns requests into
 * proxy events for its functions.
 *
 * @throws Error where the definition asks for something that this gateway cannot do
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  assertSupported(options);
  const take = throttle(options.throttling);
  const takeOfKey = throttle(options.usagePlan?.throttling ?? options.throttling);
  const bodies = { bytes: 0 };
  const server = await listen(
    (request, response) => {
      void respond(options, { take, takeOfKey, bodies }, request, response);
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
        if (!["sigv4", "api_key"].includes(Object.keys(scheme).join())) {
          throw new Error(
            `${where}: the local gateway does not know the security ${JSON.stringify(scheme)}.`,
          );
        }
      }
    }
  }
}

/** Whether a method, or an API key, may take one more request. API Gateway has a token bucket for each. */
type Throttle = (name: string) => boolean;

interface Throttles {
  readonly take: Throttle;
  readonly takeOfKey: Throttle;
  readonly bodies: Bodies;
}

/** What is held of bodies that have not come whole. */
interface Bodies {
  bytes: number;
}

function throttle({ rateLimit, burstLimit }: Throttling): Throttle {
  const buckets = new Map<string, { tokens: number; filledAt: number }>();
  return (name) => {
    const now = performance.now();
    const { tokens, filledAt } = buckets.get(name) ?? { tokens: burstLimit, filledAt: now };
    const filled = Math.min(burstLimit, tokens + ((now - filledAt) / 1000) * rateLimit);
    buckets.set(name, { tokens: filled < 1 ? filled : filled - 1, filledAt: now });
    return filled >= 1;
  };
}

async function respond(
  options: GatewayOptions,
  throttles: Throttles,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const requestId = randomUUID();
  let answer: Answer;
  try {
    answer = await handle(options, throttles, request, requestId);
  } catch (error) {
    if (request.destroyed && !request.complete) return;
    const known = error instanceof GatewayError ? error : new GatewayError("DEFAULT_5XX", 500, String(error));
    if (known !== error) console.error(error);
    answer = gatewayAnswer(options.definition, known, requestId);
  }
  // What is left of a body that was not read is dropped: a caller that is still sending would miss the answer.
  request.resume();
  const { headers, body } = encode(
    answer,
    request.headers["accept-encoding"]?.toString(),
    options.minimumCompressionBytes,
  );
  response.writeHead(answer.statusCode, { ...headers, "x-amzn-requestid": requestId });
  response.end(request.method === "HEAD" ? undefined : body);
  options.onStep?.({ kind: "passed-on", statusCode: answer.statusCode, body: answer.body });
}

async function handle(
  options: GatewayOptions,
  { take, takeOfKey, bodies }: Throttles,
  request: IncomingMessage,
  requestId: string,
): Promise<Answer> {
  const { definition, stageName } = options;
  const url = parseTarget(request.url ?? "");
  const prefix = `/${stageName}`;
  if (url.pathname !== prefix && !url.pathname.startsWith(`${prefix}/`)) {
    // Where there is no stage, there is no API whose words these could be.
    return {
      statusCode: 403,
      headers: { "content-type": "application/json" },
      body: '{"message":"Forbidden"}',
    };
  }
  const path = url.pathname.slice(prefix.length) || "/";
  const resource = Object.hasOwn(definition.paths, path) ? path : "/{proxy+}";
  const operations = definition.paths[resource];
  const operation =
    operations?.[request.method?.toLowerCase() ?? ""] ?? operations?.["x-amazon-apigateway-any-method"];
  const integration = operation?.["x-amazon-apigateway-integration"];
  if (!operation || !integration) {
    throw new GatewayError("MISSING_AUTHENTICATION_TOKEN", 403, "Missing Authentication Token");
  }
  if (!take(`${request.method} ${resource}`)) throw new GatewayError("THROTTLED", 429, "Too Many Requests");
  const body = await readBody(request, bodies);
  for (const scheme of operation.security ?? []) {
    if ("api_key" in scheme) checkApiKey(options, takeOfKey, request);
    else authorize(options, request, url, body, path);
  }
  if (integration.type === "mock") return mockAnswer(integration, request, requestId);
  return await invoke(options, integration, { request, url, path, resource, body, requestId });
}

/** Only a path, and as it was sent: API Gateway resolves no "..", and "//host/" names no path of ours. */
function parseTarget(target: string): URL {
  const url = /^\/(?!\/)/.test(target) ? new URL(`http://localhost${target}`) : undefined;
  if (url?.pathname !== target.split(/[?#]/)[0]) throw new GatewayError("BAD_REQUEST", 400, "Bad Request");
  return url as URL;
}

async function readBody(request: IncomingMessage, bodies: Bodies): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      length += chunk.length;
      bodies.bytes += chunk.length;
      if (length > MAX_BODY) throw new GatewayError("REQUEST_TOO_LARGE", 413, "Request Too Long");
      if (length > LARGE && bodies.bytes > MAX_BODIES) {
        throw new GatewayError("THROTTLED", 429, "Too Many Requests");
      }
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } finally {
    bodies.bytes -= length;
  }
}

/** https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-key-source.html */
function checkApiKey({ usagePlan }: GatewayOptions, take: Throttle, { headers }: IncomingMessage): void {
  const key = String(headers["x-api-key"]);
  if (!usagePlan?.apiKeys.some(({ value }) => value === key))
    throw new GatewayError("INVALID_API_KEY", 403, "Forbidden");
  if (!take(key)) throw new GatewayError("THROTTLED", 429, "Too Many Requests");
}

/** https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-control-access-using-iam-policies-to-invoke-api.html */
function authorize(
  options: GatewayOptions,
  request: IncomingMessage,
  url: URL,
  body: Buffer,
  path: string,
): void {
  const { apiId, accountId, region, stageName, principals } = options;
  if (!request.headers.authorization) {
    throw new GatewayError("MISSING_AUTHENTICATION_TOKEN", 403, "Missing Authentication Token");
  }
  const find = (id: string) => principals.find(({ accessKeyId }) => accessKeyId === id);
  const verified = verifySignature(request, url, body, {
    service: "execute-api",
    region,
    secretOf: (id) => find(id)?.secretAccessKey,
  });
  if ("fault" in verified) throw new GatewayError(verified.fault, 403, verified.message);
  const asked: AccessRequest = {
    principal: { account: accountId },
    action: "execute-api:Invoke",
    resource: executeApiArn({ region, accountId }, apiId, `${stageName}/${request.method}${path}`),
    context: globalContext(accountId),
  };
  if (!isAllowed(find(verified.accessKeyId)?.policies ?? [], asked)) {
    throw new GatewayError("ACCESS_DENIED", 403, "User is not authorized to perform: execute-api:Invoke");
  }
}

async function invoke(
  { functions, onStep, ...context }: GatewayOptions,
  integration: Integration,
  request: ProxyRequest,
): Promise<Answer> {
  const arn = functionArn(integration);
  const event = proxyEvent(context, request);
  onStep?.({
    kind: "received",
    method: event.httpMethod,
    path: request.url.pathname,
    body: event.body ?? "",
  });
  onStep?.({ kind: "invoked", arn, event });
  const startedAt = performance.now();
  let answer: Answer;
  try {
    const timeout = new GatewayError("INTEGRATION_TIMEOUT", 504, "Endpoint request timed out");
    const call = (functions.get(arn) as LocalFunction).invoke(event);
    answer = proxyAnswer(await withTimeout(call, integration.timeoutInMillis ?? 29_000, timeout));
  } catch (error) {
    console.error(error);
    throw error instanceof GatewayError
      ? error
      : new GatewayError("DEFAULT_5XX", 502, "Internal server error");
  }
  const bytes = Buffer.byteLength(answer.body);
  onStep?.({ kind: "answered", statusCode: answer.statusCode, bytes, ms: performance.now() - startedAt });
  return answer;
}
