import type { IncomingMessage } from "node:http";
import type { ApiDefinition, Integration, MockResponse } from "./definition";

/** What a caller of the API gets. */
export interface Answer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** An error that API Gateway itself answers: https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html */
export class GatewayError extends Error {
  constructor(
    readonly type: string,
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** What a mock integration answers, without calling anything. */
export function mockAnswer(integration: Integration, request: IncomingMessage, requestId: string): Answer {
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

/** What the gateway says of an error of its own, in the words of the API's definition. */
export function gatewayAnswer(definition: ApiDefinition, error: GatewayError, requestId: string): Answer {
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
