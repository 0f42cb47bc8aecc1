import { ANSWER_HEADERS } from "../../functions/sign-url/answer-headers";
import type { openApi } from "../../functions/sign-url/openapi";
import type { Place } from "../arns";
import type { BundledFunction } from "./bundled-function";

type Json = Record<string, unknown>;

/** "post /putObject", and the function that answers it. */
export interface Route {
  /** In lower case. */
  readonly method: string;
  readonly path: string;
  /** The callers' credentials, as the OpenAPI document has them. */
  readonly security: readonly object[];
  readonly target: BundledFunction;
}

const quoted = (value: string) => `'${value}'`;

/** Response headers as an integration or a gateway response maps them: constants, in quotes. */
const headerParameters = (prefix: string, headers: Readonly<Record<string, string>>): Json =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [`${prefix}.header.${name}`, quoted(value)]),
  );

const errorTemplate = (code: string, message: string) => ({
  "application/json": `{"error": {"code": ${code}, "message": ${message}, "request_id": "$context.requestId"}}`,
});

/**
 * One of API Gateway's own errors, in the shape of ours.
 *
 * @param code, message as a template writes them, with their quotes
 * @param options.statusCode by default the type's own
 * @param options.retryAfterSeconds by default the caller is not asked to wait
 */
const gatewayResponse = (
  code: string,
  message: string,
  { statusCode, retryAfterSeconds }: { statusCode?: number; retryAfterSeconds?: number } = {},
): Json => ({
  ...(statusCode && { statusCode }),
  responseParameters: headerParameters("gatewayresponse", {
    ...ANSWER_HEADERS,
    ...(retryAfterSeconds && { "retry-after": String(retryAfterSeconds) }),
  }),
  responseTemplates: errorTemplate(code, message),
});

const NO_SUCH_ROUTE = '"There is no such path or method here. See GET /openapi.json."';

/** By type: https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html */
const GATEWAY_RESPONSES = {
  DEFAULT_4XX: gatewayResponse('"$context.error.responseType"', "$context.error.messageString"),
  DEFAULT_5XX: gatewayResponse('"InternalError"', '"Something broke on our side. Try again."'),
  // A signature that is missing, or may not do this.
  MISSING_AUTHENTICATION_TOKEN: gatewayResponse(
    '"AccessDenied"',
    '"Sign this request with AWS Signature Version 4."',
  ),
  ACCESS_DENIED: gatewayResponse('"AccessDenied"', '"These credentials may not make this request."'),
  // Also the answer to a signature whose time is more than 5 minutes off.
  INVALID_SIGNATURE: gatewayResponse(
    '"InvalidSignature"',
    '"This signature does not match this request, or its time is off: check the clock, the region and the secret key."',
  ),
  EXPIRED_TOKEN: gatewayResponse(
    '"ExpiredToken"',
    '"These credentials have expired. Sign the request with new ones."',
  ),
  // The bucket of tokens is filled every second.
  THROTTLED: gatewayResponse('"TooManyRequests"', '"Too many requests at once. Try again."', {
    retryAfterSeconds: 1,
  }),
  REQUEST_TOO_LARGE: gatewayResponse(
    '"RequestTooLarge"',
    '"The payload goes to the URL that this API answers."',
  ),
  // The firewall has a rule for rates and no other. It counts the requests of the last 300 seconds:
  // https://docs.aws.amazon.com/waf/latest/developerguide/waf-rule-statement-type-rate-based-high-level-settings.html
  WAF_FILTERED: gatewayResponse(
    '"TooManyRequests"',
    '"Too many requests from your address. Try again in 5 minutes."',
    { statusCode: 429, retryAfterSeconds: 300 },
  ),
  INVALID_API_KEY: gatewayResponse('"InvalidApiKey"', '"Send the key that you were given, as x-api-key."'),
  // Only mock integrations look at the content type.
  UNSUPPORTED_MEDIA_TYPE: gatewayResponse('"NoSuchRoute"', NO_SUCH_ROUTE, { statusCode: 404 }),
};

/**
 * An answer that API Gateway gives by itself, without calling a function.
 *
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-mock-integration.html
 */
function mock(statusCode: 404 | 405, code: string, message: string, allow?: string): Json {
  const request = `{"statusCode": ${statusCode}}`;
  const headers = { ...ANSWER_HEADERS, ...(allow && { allow }) };
  return {
    responses: {
      [statusCode]: {
        description: code,
        headers: Object.fromEntries(
          Object.keys(headers).map((name) => [name, { schema: { type: "string" } }]),
        ),
      },
    },
    "x-amazon-apigateway-integration": {
      type: "mock",
      passthroughBehavior: "never",
      requestTemplates: { "application/json": request, "application/x-www-form-urlencoded": request },
      responses: {
        default: {
          statusCode: String(statusCode),
          responseParameters: headerParameters("method.response", headers),
          responseTemplates: errorTemplate(`"${code}"`, message),
        },
      },
    },
  };
}

/**
 * API Gateway's own definition of the API: its methods, who may call them, and the function that answers each.
 *
 * It leaves out what the OpenAPI document says of bodies: API Gateway would make models of them, which know neither
 * oneOf nor pattern, and validates nothing here.
 *
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html#api-gateway-known-issues-rest-apis
 */
export function gatewayDefinition(
  { openapi, info, components }: ReturnType<typeof openApi>,
  routes: readonly Route[],
  { region }: Place,
): Json {
  const paths: Record<string, Json> = {};
  for (const { method, path, security, target } of routes) {
    const methods = routes.filter((route) => route.path === path).map((route) => route.method.toUpperCase());
    paths[path] = {
      ...paths[path],
      [method]: {
        ...(security.length > 0 && { security }),
        responses: { "200": { description: "The function's." } },
        "x-amazon-apigateway-integration": {
          type: "aws_proxy",
          httpMethod: "POST",
          uri: `arn:aws:apigateway:${region}:lambda:path/2015-03-31/functions/${target.arn}/invocations`,
          // Over the function's timeout, so that it is the function that gives up first. API Gateway's longest.
          timeoutInMillis: 29_000,
        },
      },
      "x-amazon-apigateway-any-method": mock(
        405,
        "MethodNotAllowed",
        `"This path takes ${methods.join(" and ")}."`,
        methods.join(", "),
      ),
    };
  }
  // Every path that is not another's. Without it, API Gateway would tell an unknown path that it misses a signature.
  paths["/{proxy+}"] = {
    "x-amazon-apigateway-any-method": {
      parameters: [{ name: "proxy", in: "path", required: true, schema: { type: "string" } }],
      ...mock(404, "NoSuchRoute", NO_SUCH_ROUTE),
    },
  };
  return {
    openapi,
    info,
    paths,
    components: { securitySchemes: components.securitySchemes },
    "x-amazon-apigateway-gateway-responses": GATEWAY_RESPONSES,
  };
}
