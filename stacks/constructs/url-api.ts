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
import { type Route, gatewayDefinition } from "./gateway-definition";

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

/**
 * The smallest response that API Gateway compresses for a caller who accepts that, in bytes: the form's page, the API's
 * description and the URLs of many parts. A single URL gains nothing.
 *
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-gzip-compression-decompression.html
 */
const MINIMUM_COMPRESSION_BYTES = 10_000;

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
      Object.entries(operations).flatMap(([method, { security }]) =>
        // What can be got can be asked about: https://www.rfc-editor.org/rfc/rfc9110#section-9.1
        (method === "get" ? ["get", "head"] : [method]).map((each) => ({
          method: each,
          path,
          security,
          target: (path === "/" && method === "get" && form) || targetOf(path),
        })),
      ),
    );
    this.actions = Object.keys(ACTIONS).filter((action) => `/${action}` in document.paths);
    const body = JSON.stringify(gatewayDefinition(document, routes, props.place));

    this.restApi = new ApiGatewayRestApi(this, "api", {
      name: props.apiName,
      description: "Pre-signed URLs for messages that are too big for a queue.",
      body,
      minimumCompressionSize: String(MINIMUM_COMPRESSION_BYTES),
      endpointConfiguration: { types: ["REGIONAL"] },
    });
    const deployment = new ApiGatewayDeployment(this, "deployment", {
      restApiId: this.restApi.id,
      // A deployment is a copy: without a new one, a changed definition, or another compression, is not served.
      triggers: {
        definition: createHash("sha256").update(body).digest("hex"),
        minimumCompressionSize: String(MINIMUM_COMPRESSION_BYTES),
      },
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
