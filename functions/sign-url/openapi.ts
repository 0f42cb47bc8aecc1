import { ACTIONS, type ActionName, type FieldRules, type Role, actionsOf, fieldsOf, hasUrl } from "./actions";
import { SUMMARIES, describeField } from "./words";

type Json = Record<string, unknown>;

/** What callers have to show: nothing, a signature of AWS, or an API key. */
export type Security = "sigv4" | "api_key" | undefined;

/** What of a stage its API's description depends on. */
export interface ApiRules extends FieldRules {
  /** The roles that POST / serves, whose callers are let in alike: all of them, or the producers'. */
  readonly roles: readonly Role[];
  /** What each role's callers have to show. @default nothing of those that POST / serves, a signature of the others */
  readonly security?: Readonly<Record<Role, Security>>;
  /** The actions without a URL that this API has: a function of its own does each. @default none */
  readonly withoutUrl?: readonly string[];
  /** Whether GET / is the upload form. @default false */
  readonly uploadForm?: boolean;
}

const ref = (schema: string): Json => ({ $ref: `#/components/schemas/${schema}` });
const json = (schema: string): Json => ({ "application/json": { schema: ref(schema) } });
const text: Json = { "text/plain": { schema: { type: "string" } } };
const string: Json = { type: "string" };
const error = (description: string): Json => ({ description, content: json("Error") });

const ERRORS: Json = {
  "400": error("The request is not fit; the message says what to change."),
  "403": error("This stage does not allow it."),
  "413": error("The request, or the payload that it announces, is too large."),
  "429": error("Too many requests at once; try again."),
  "500": error("Our fault; try again."),
};

const SCHEMAS: Json = {
  SignedUrl: {
    type: "object",
    required: ["action", "object_key", "method", "headers", "expires_at"],
    properties: {
      action: string,
      object_key: { type: "string", description: "The whole key: whoever knows it may use it." },
      method: { type: "string", description: "The method to call the URL with." },
      url: { type: "string", description: "The pre-signed URL." },
      parts: {
        type: "array",
        description: "For uploadPart, in place of url.",
        items: { type: "object", properties: { part_number: { type: "integer" }, url: string } },
      },
      headers: {
        type: "object",
        description: "Send these as they are: they are signed.",
        additionalProperties: string,
      },
      expires_at: { type: "string", description: "When the URL ends, ISO 8601 in UTC." },
      max_object_bytes: {
        type: "integer",
        format: "int64",
        description:
          "For createMultipartUpload, where the stage caps payloads: the largest, in bytes. completeMultipartUpload refuses more.",
      },
    },
  },
  SentMessage: {
    type: "object",
    required: ["action", "object_key", "message_id"],
    properties: {
      action: string,
      object_key: { type: "string", description: "The key that the message names its payload by." },
      message_id: { type: "string", description: "SQS's own id of the message." },
    },
  },
  Error: {
    type: "object",
    required: ["error"],
    properties: {
      error: { type: "object", required: ["code", "message"], properties: { code: string, message: string } },
    },
  },
};

const capitalize = (word: string) => word.slice(0, 1).toUpperCase() + word.slice(1);

const SIGNED: Json = {
  description: "The signed URL; with Accept: text/plain the bare URL, one a line.",
  content: { ...json("SignedUrl"), ...text },
};
const SENT: Json = { description: "The message is on the queue.", content: json("SentMessage") };

const operation = (
  id: string,
  summary: string,
  schema: string,
  security: Security,
  answered: Json = SIGNED,
): Json => ({
  operationId: id,
  summary,
  ...(security && { security: [{ [security]: [] }] }),
  requestBody: { required: true, content: json(schema) },
  responses: { "200": answered, ...ERRORS },
});

const FORM: Json = {
  operationId: "uploadForm",
  summary: "The upload form: a page for people.",
  responses: {
    "200": { description: "The page.", content: { "text/html": { schema: string } } },
    "304": { description: "The page has not changed since the ETag that If-None-Match names." },
  },
};

/**
 * The API as an OpenAPI 3.0 document, derived from the action table: what GET /openapi.json answers, and what
 * API Gateway's own definition is made from. It stays within what API Gateway imports:
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html#api-gateway-known-issues-rest-apis
 */
export function openApi(rules: ApiRules) {
  const { roles, security, withoutUrl = [], uploadForm = false } = rules;
  const securityOf = (role: Role) => (security ? security[role] : roles.includes(role) ? undefined : "sigv4");
  const summary = "Sign a URL for the action that the body names.";
  const paths: Record<string, Record<string, Json>> = {
    "/": {
      ...(uploadForm && { get: FORM }),
      post: operation("sign", summary, "Request", securityOf("producer")),
    },
  };
  const schemas: Json = {
    ...SCHEMAS,
    Request: {
      type: "object",
      description: "An action and the fields of POST /<action>.",
      required: ["action", "object_key"],
      properties: { action: { type: "string", enum: actionsOf(roles) } },
    },
  };
  for (const [name, action] of Object.entries(ACTIONS)) {
    if (!hasUrl(action) && !withoutUrl.includes(name)) continue;
    const fields = Object.entries(fieldsOf(action, rules));
    schemas[`${capitalize(name)}Request`] = {
      type: "object",
      required: fields.filter(([, field]) => field.required).map(([field]) => field),
      properties: {
        action: { type: "string", enum: [name] },
        ...Object.fromEntries(
          fields.map(([field, { schema }]) => [
            field,
            { ...schema, description: describeField(field, action.fields[field]) },
          ]),
        ),
      },
      additionalProperties: false,
    };
    paths[`/${name}`] = {
      post: operation(
        name,
        SUMMARIES[name as ActionName],
        `${capitalize(name)}Request`,
        securityOf(action.role),
        hasUrl(action) ? SIGNED : SENT,
      ),
    };
  }
  paths["/openapi.json"] = {
    get: {
      operationId: "openApi",
      summary: "This document.",
      responses: {
        "200": {
          description: "OpenAPI 3.0.",
          content: { "application/json": { schema: { type: "object" } } },
        },
      },
    },
  };
  return {
    openapi: "3.0.1",
    info: {
      title: "Tweedle",
      version: "1",
      description: "Pre-signed URLs for messages that are too big for a queue.",
    },
    servers: [{ url: "." }],
    paths,
    components: {
      schemas,
      securitySchemes: {
        // API Gateway's way to say AWS_IAM: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-authtype.html
        sigv4: {
          type: "apiKey",
          name: "Authorization",
          in: "header",
          "x-amazon-apigateway-authtype": "awsSigv4",
        },
        // https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-key-source.html
        ...(security?.producer === "api_key" && {
          api_key: { type: "apiKey", name: "x-api-key", in: "header" },
        }),
      },
    },
  };
}
