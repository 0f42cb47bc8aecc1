import { createHash } from "node:crypto";
import { ApiGatewayDeployment } from "@cdktf/provider-aws/lib/api-gateway-deployment";
import { ApiGatewayMethodSettings } from "@cdktf/provider-aws/lib/api-gateway-method-settings";
import { ApiGatewayRestApi } from "@cdktf/provider-aws/lib/api-gateway-rest-api";
import { ApiGatewayStage } from "@cdktf/provider-aws/lib/api-gateway-stage";
import { CloudwatchLogGroup } from "@cdktf/provider-aws/lib/cloudwatch-log-group";
import { LambdaPermission } from "@cdktf/provider-aws/lib/lambda-permission";
import { Construct } from "constructs";
import { ACTIONS, type Role } from "../../functions/sign-url/actions";
import { type ApiRules, openApi } from "../../functions/sign-url/openapi";
import type { Place } from "../arns";
import type { Statement } from "../policy";
import type { BundledFunction } from "./bundled-function";

export interface UrlApiProps {
  readonly apiName: string;
  /** The API's stage, the first part of its paths. */
  readonly stageName: string;
  readonly place: Place;
  /** The function that serves each role's actions. POST / and the API's description belong to the producers'. */
  readonly signers: Readonly<Record<Role, BundledFunction>>;
  /** The functions that do an action themselves, by its name: the API has these actions beside those with a URL. */
  readonly actionFunctions: Readonly<Record<string, BundledFunction>>;
  /** The function that answers GET / with the upload form, where the rules have one. @default none: GET / is told 405 */
  readonly form?: BundledFunction | undefined;
  /** Which roles' callers need not sign, which actions there are, and the stage's cap: what the API's description says. */
  readonly rules: ApiRules;
  /**
   * Whether requests are logged, and errors of API Gateway's own. The region needs an aws_api_gateway_account with a role
   * that writes logs, which is no stage's.
   * @default false
   */
  readonly logs?: boolean | undefined;
  /** Requests a second, on average. */
  readonly throttlingRateLimit: number;
  /** Requests at once, beyond that. */
  readonly throttlingBurstLimit: number;
}

type Json = Record<string, unknown>;

/**
 * A line of the access log: who asked for what and how it went, without a query, a header or a path that a caller made.
 *
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html
 */
const ACCESS_LOG = {
  request_id: "$context.requestId",
  extended_request_id: "$context.extendedRequestId",
  time_ms: "$context.requestTimeEpoch",
  source_ip: "$context.identity.sourceIp",
  api_key_id: "$context.identity.apiKeyId",
  principal: "$context.identity.userArn",
  method: "$context.httpMethod",
  resource: "$context.resourcePath",
  status: "$context.status",
  error: "$context.error.responseType",
  bytes: "$context.responseLength",
  latency_ms: "$context.responseLatency",
};

/** "post /putObject" of the OpenAPI document, and who answers. */
interface Route {
  readonly method: string;
  readonly path: string;
  readonly target: BundledFunction;
}

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
  responseParameters: {
    "gatewayresponse.header.Cache-Control": "'no-store'",
    "gatewayresponse.header.X-Content-Type-Options": "'nosniff'",
    ...(retryAfterSeconds && { "gatewayresponse.header.Retry-After": `'${retryAfterSeconds}'` }),
  },
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
  INVALID_API_KEY: gatewayResponse('"AccessDenied"', '"Send the key that you were given, as x-api-key."'),
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
  const headers = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    ...(allow && { Allow: allow }),
  };
  const each = <T>(make: (name: string, value: string) => [string, T]) =>
    Object.fromEntries(Object.entries(headers).map(([name, value]) => make(name, value)));
  return {
    responses: {
      [statusCode]: { description: code, headers: each((name) => [name, { schema: { type: "string" } }]) },
    },
    "x-amazon-apigateway-integration": {
      type: "mock",
      passthroughBehavior: "never",
      requestTemplates: { "application/json": request, "application/x-www-form-urlencoded": request },
      responses: {
        default: {
          statusCode: String(statusCode),
          responseParameters: each((name, value) => [`method.response.header.${name}`, `'${value}'`]),
          responseTemplates: errorTemplate(`"${code}"`, message),
        },
      },
    },
  };
}

/** The API that answers URLs: a regional REST API, defined by the OpenAPI document of the action table. */
export class UrlApi extends Construct {
  readonly restApi: ApiGatewayRestApi;
  readonly stage: ApiGatewayStage;
  readonly url: string;
  readonly apiName: string;
  readonly stageName: string;
  /** The names of the actions that this API has. */
  readonly actions: readonly string[];

  constructor(scope: Construct, id: string, props: UrlApiProps) {
    super(scope, id);
    const { signers, actionFunctions, form } = props;
    this.apiName = props.apiName;
    this.stageName = props.stageName;
    const document = openApi(props.rules);
    const targetOf = (path: string) =>
      actionFunctions[path.slice(1)] ?? signers[ACTIONS[path.slice(1)]?.role ?? "producer"];
    const routes: Route[] = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => ({
        method,
        path,
        target: (path === "/" && method === "get" && form) || targetOf(path),
      })),
    );
    this.actions = Object.keys(ACTIONS).filter((action) => `/${action}` in document.paths);
    const body = JSON.stringify(definition(document, routes, props.place));

    this.restApi = new ApiGatewayRestApi(this, "api", {
      name: props.apiName,
      description: "Pre-signed URLs for messages that are too big for a queue.",
      body,
      endpointConfiguration: { types: ["REGIONAL"] },
    });
    const deployment = new ApiGatewayDeployment(this, "deployment", {
      restApiId: this.restApi.id,
      // A deployment is a copy: without a new one, a changed definition is not served.
      triggers: { definition: createHash("sha256").update(body).digest("hex") },
      lifecycle: { createBeforeDestroy: true },
    });
    const logs = props.logs
      ? [
          new CloudwatchLogGroup(this, "access-logs", {
            name: `/aws/apigateway/${props.apiName}`,
            retentionInDays: 365,
          }),
          // API Gateway's own name for it: it would make it itself, without an end to its retention.
          new CloudwatchLogGroup(this, "execution-logs", {
            name: `API-Gateway-Execution-Logs_${this.restApi.id}/${props.stageName}`,
            retentionInDays: 365,
          }),
        ]
      : [];
    this.stage = new ApiGatewayStage(this, "stage", {
      restApiId: this.restApi.id,
      deploymentId: deployment.id,
      stageName: props.stageName,
      ...(logs[0] && {
        accessLogSettings: { destinationArn: logs[0].arn, format: JSON.stringify(ACCESS_LOG) },
        dependsOn: logs,
      }),
    });
    this.url = this.stage.invokeUrl;
    new ApiGatewayMethodSettings(this, "settings", {
      restApiId: this.restApi.id,
      stageName: this.stage.stageName,
      methodPath: "*/*",
      settings: {
        throttlingRateLimit: props.throttlingRateLimit,
        throttlingBurstLimit: props.throttlingBurstLimit,
        metricsEnabled: true,
        // A cache would hand one caller's URL to another; a data trace would log URLs.
        cachingEnabled: false,
        dataTraceEnabled: false,
        // INFO would log requests' headers.
        loggingLevel: props.logs ? "ERROR" : "OFF",
      },
    });
    for (const { method, path, target } of routes) {
      const name = `${method}-${path === "/" ? "root" : path.slice(1)}`;
      new LambdaPermission(this, `invoke-${name}`, {
        statementId: `invoke-${name.replaceAll(".", "-")}`,
        action: "lambda:InvokeFunction",
        functionName: target.function.functionName,
        principal: "apigateway.amazonaws.com",
        sourceArn: `${this.restApi.executionArn}/${props.stageName}/${method.toUpperCase()}${path}`,
      });
    }
  }

  /** Lets somebody ask for the actions of these roles where a stage makes their callers sign. */
  invokeStatement(roles: readonly Role[]): Statement {
    return this.invokeActionsStatement(
      this.actions.filter((action) => roles.includes(ACTIONS[action]?.role as Role)),
    );
  }

  /** Lets somebody ask for these actions; "" for what POST / serves. */
  invokeActionsStatement(actions: readonly string[]): Statement {
    return {
      Sid: "AskForUrls",
      Effect: "Allow",
      Action: "execute-api:Invoke",
      Resource: actions.map(
        (action) => `${this.restApi.executionArn}/${this.stage.stageName}/POST/${action}`,
      ),
    };
  }
}

/** API Gateway's own definition: the OpenAPI document, and who answers each operation. */
function definition(document: ReturnType<typeof openApi>, routes: readonly Route[], { region }: Place): Json {
  const paths: Record<string, Json> = {};
  for (const { method, path, target } of routes) {
    const methods = Object.keys(document.paths[path] ?? {}).map((one) => one.toUpperCase());
    paths[path] = {
      ...paths[path],
      [method]: {
        ...(document.paths[path]?.[method] as Json),
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
  const { servers: _, ...rest } = document;
  return { ...rest, paths, "x-amazon-apigateway-gateway-responses": GATEWAY_RESPONSES };
}
