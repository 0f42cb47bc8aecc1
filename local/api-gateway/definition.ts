/** How API Gateway answers an operation: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-integration.html */
export interface Integration {
  readonly type: string;
  readonly uri?: string;
  readonly timeoutInMillis?: number;
  readonly passthroughBehavior?: string;
  readonly requestTemplates?: Readonly<Record<string, string>>;
  readonly responses?: Readonly<Record<string, MockResponse>>;
}

export interface MockResponse {
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

/** The function that an integration calls. */
export const functionArn = ({ uri }: Integration) =>
  /functions\/(arn:[^/]+)\/invocations$/.exec(uri ?? "")?.[1] ?? "";
