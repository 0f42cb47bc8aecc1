import {
  ACTIONS,
  type Action,
  type ActionName,
  type FieldRules,
  type Role,
  actionsOf,
  fieldsOf,
  hasUrl,
} from "./actions";
import { LIMITS } from "./limits";
import { SUMMARIES, describeField } from "./words";

type Json = Record<string, unknown>;

/** The credentials that callers need: none, a signature of AWS, or an API key. */
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
const json = (schema: string | Json): Json => ({
  "application/json": { schema: typeof schema === "string" ? ref(schema) : schema },
});
const text: Json = { "text/plain": { schema: { type: "string" } } };
const string: Json = { type: "string" };
const described = (description: string): Json => ({ ...string, description });
const error = (description: string): Json => ({ description, content: json("Error") });

const ERRORS: Json = {
  "400": error("The request is not fit; the message says what to change."),
  "403": error("This stage does not allow it, or the signature or API key is missing or wrong."),
  "413": error(
    `The request is over ${LIMITS.requestBytes} bytes (sendMessage: ${LIMITS.sendRequestBytes}), or the payload that it announces or holds over what S3, SQS or this stage takes.`,
  ),
  "415": error("A web page sent another content type than application/json."),
  "429": error("Too many requests at once; try again after what Retry-After says."),
  "500": error("Our fault; try again."),
  default: error("Any other error, API Gateway's own ones too."),
};

const OF_SIGNED: Json = {
  object_key: described("The whole key. Anyone who knows it may use it."),
  method: described("The method to call the URL with."),
  headers: {
    type: "object",
    description: "Send these as they are: they are signed.",
    additionalProperties: string,
  },
  expires_at: { ...described("When the URL ends, in UTC."), format: "date-time" },
};

/** The answer of actions, by their names, of which each has the properties of all URLs and its own, and may have others. */
const signed = (actions: readonly string[], own: Json, others: Json = {}): Json => ({
  type: "object",
  required: ["action", ...Object.keys(own), ...Object.keys(OF_SIGNED)],
  properties: { action: { type: "string", enum: actions }, ...own, ...OF_SIGNED, ...others },
});

const MAX_OBJECT_BYTES: Json = {
  type: "integer",
  format: "int64",
  description:
    "For createMultipartUpload, where the stage caps payloads: the largest, in bytes. completeMultipartUpload refuses more.",
};

const SENT_MESSAGE: Json = {
  type: "object",
  required: ["action", "object_key", "message_id"],
  properties: {
    action: { type: "string", enum: ["sendMessage"] },
    object_key: described("The key that the message names its payload by."),
    message_id: described("SQS's own id of the message."),
  },
};

const ERROR: Json = {
  type: "object",
  required: ["error"],
  properties: {
    error: {
      type: "object",
      required: ["code", "message"],
      properties: {
        code: described("A word for programs: InvalidObjectKey."),
        message: described("A sentence for people."),
        request_id: described("Of the request, where API Gateway itself refuses it."),
      },
    },
  },
};

const capitalize = (word: string) => word.slice(0, 1).toUpperCase() + word.slice(1);

/** The schema of an action's request; with its name, of POST /. */
const requestOf = (name: string) => `${capitalize(name)}Request`;
const namedRequestOf = (name: string) => `${capitalize(name)}Action`;

/** Whether an action answers a URL for each item of a list. */
const hasParts = ({ fields }: Action) => "part_numbers" in fields;
const answerOf = (action: Action) =>
  hasUrl(action) ? (hasParts(action) ? "SignedParts" : "SignedUrl") : "SentMessage";

const SIGNED = "The signed URL; with Accept: text/plain the bare URL, one a line.";
const SENT = "The message is on the queue.";

/** What operations are grouped by, in documents and generated clients. */
const TAGS: readonly { readonly name: Role | "api"; readonly description: string }[] = [
  { name: "producer", description: "Sends payloads." },
  { name: "consumer", description: "Fetches payloads, and drops them." },
  { name: "api", description: "Every action by its name, the description and the page." },
];

interface Operation {
  readonly id: string;
  readonly summary: string;
  readonly tag: Role | "api";
  readonly security?: Security;
  /** @default none: it is no POST */
  readonly request?: Json;
  /** By status. */
  readonly responses: Json;
}

const operation = ({ id, summary, tag, security, request, responses }: Operation) => ({
  operationId: id,
  summary,
  tags: [tag],
  // An empty list says that there is nothing to show, where a missing one says nothing.
  security: security ? [{ [security]: [] }] : [],
  ...(request && { requestBody: { required: true, content: json(request) } }),
  responses: request ? { ...responses, ...ERRORS } : { ...responses, default: ERRORS["default"] },
});

const FORM = operation({
  id: "uploadForm",
  summary: "The upload form: a page for people.",
  tag: "api",
  responses: {
    "200": { description: "The page.", content: { "text/html": { schema: string } } },
    "304": { description: "The page has not changed since the ETag that If-None-Match names." },
  },
});

const DESCRIPTION = operation({
  id: "openApi",
  summary: "This document.",
  tag: "api",
  responses: { "200": { description: "OpenAPI 3.0.", content: json({ type: "object" }) } },
});

/**
 * The schema of an action's request. Some generators of clients follow no schema that makes another's property
 * required, so both of its forms are whole.
 *
 * @param named whether it must say the action's name: on its own path, it may leave that out
 */
const requestSchema = (name: string, rules: ApiRules, named: boolean): Json => {
  const action = ACTIONS[name] as Action;
  const fields = Object.entries(fieldsOf(action, rules));
  const required = fields.filter(([, field]) => field.required).map(([field]) => field);
  return {
    type: "object",
    required: named ? ["action", ...required] : required,
    properties: {
      action: { type: "string", enum: [name] },
      ...Object.fromEntries(
        fields.map(([field, its]) => [
          field,
          { ...its.schema, description: describeField(field, its, action.fields[field]) },
        ]),
      ),
    },
    additionalProperties: false,
  };
};

/** The request of POST /: one of these actions by its name. */
const anyRequest = (names: readonly string[]): Json => ({
  description: "An action by its name, and its fields.",
  oneOf: names.map((name) => ref(namedRequestOf(name))),
  discriminator: {
    propertyName: "action",
    mapping: Object.fromEntries(names.map((name) => [name, ref(namedRequestOf(name))["$ref"]])),
  },
});

/**
 * The API as an OpenAPI 3.0 document, derived from the action table: what GET /openapi.json answers, and whose paths
 * API Gateway's own definition has.
 */
export function openApi(rules: ApiRules) {
  const { roles, security, withoutUrl = [], uploadForm = false } = rules;
  const securityOf = (role: Role) => (security ? security[role] : roles.includes(role) ? undefined : "sigv4");
  const actions = Object.entries(ACTIONS).filter(
    ([name, action]) => hasUrl(action) || withoutUrl.includes(name),
  );
  const namesOf = (answer: string) =>
    actions.filter(([, action]) => answerOf(action) === answer).map(([name]) => name);
  const served = actionsOf(roles);
  const paths: Record<string, Record<string, ReturnType<typeof operation>>> = {
    "/": {
      ...(uploadForm && { get: FORM }),
      post: operation({
        id: "sign",
        summary: "Sign a URL for the action that the body names.",
        tag: "api",
        security: securityOf("producer"),
        request: ref("Request"),
        responses: {
          "200": {
            description: SIGNED,
            content: { ...json({ oneOf: [ref("SignedUrl"), ref("SignedParts")] }), ...text },
          },
        },
      }),
    },
    ...Object.fromEntries(
      actions.map(([name, action]) => {
        const content = json(answerOf(action));
        return [
          `/${name}`,
          {
            post: operation({
              id: name,
              summary: SUMMARIES[name as ActionName],
              tag: action.role,
              security: securityOf(action.role),
              request: ref(requestOf(name)),
              responses: {
                "200": hasUrl(action)
                  ? { description: SIGNED, content: { ...content, ...text } }
                  : { description: SENT, content },
              },
            }),
          },
        ];
      }),
    ),
    "/openapi.json": { get: DESCRIPTION },
  };
  return {
    openapi: "3.0.1",
    info: {
      title: "Tweedle",
      version: "1",
      description: "Pre-signed URLs for messages that are too big for a queue.",
    },
    servers: [{ url: "." }],
    tags: TAGS,
    paths,
    components: {
      schemas: {
        Request: anyRequest(served),
        ...Object.fromEntries(served.map((name) => [namedRequestOf(name), requestSchema(name, rules, true)])),
        ...Object.fromEntries(actions.map(([name]) => [requestOf(name), requestSchema(name, rules, false)])),
        SignedUrl: signed(
          namesOf("SignedUrl"),
          { url: described("The pre-signed URL.") },
          { max_object_bytes: MAX_OBJECT_BYTES },
        ),
        SignedParts: signed(namesOf("SignedParts"), {
          parts: {
            type: "array",
            description: "A URL for each part, in the order that they were asked for.",
            items: {
              type: "object",
              required: ["part_number", "url"],
              properties: { part_number: { type: "integer" }, url: described("The pre-signed URL.") },
            },
          },
        }),
        ...(withoutUrl.length > 0 && { SentMessage: SENT_MESSAGE }),
        Error: ERROR,
      },
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
