import {
  BODY,
  CHECKSUM_ALGORITHM,
  CHECKSUM_MODE,
  CHECKSUM_SHA256,
  CLIENT_TOKEN,
  CONTENT_LENGTH,
  CONTENT_TYPE,
  EXPIRES_IN,
  type Field,
  IF_NONE_MATCH,
  KEY,
  METADATA,
  NAME,
  OBJECT_SIZE,
  PART_NUMBER_MARKER,
  PART_NUMBERS,
  UPLOAD_ID,
  VERSION_ID,
  length,
  mediaType,
} from "./fields";
import { LIMITS } from "./limits";

/** Who calls an action. A stage says for each role whether its callers must sign. */
export type Role = (typeof ROLES)[number];

export const ROLES = ["producer", "consumer"] as const;

/** One thing that callers may ask for: a URL for an S3 operation, or what a function of its own does. */
export interface Action {
  readonly role: Role;
  /** The method of the S3 request. @default none: there is no URL, a function of the action's own does it */
  readonly method?: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  /** Query parameters of the S3 request that are always there. @default none */
  readonly query?: Readonly<Record<string, string>>;
  /** The request's fields; a field that is not here is refused. */
  readonly fields: Readonly<Record<string, Field>>;
  /** Whether `object_key` is a name, for which a new key is made. @default false: it is a whole key */
  readonly newKey?: boolean;
  /** Whether the answer says the stage's cap, since no header of the S3 request is bound to it. @default false */
  readonly answersCap?: boolean;
  /** The longest body of a request, in bytes. @default LIMITS.requestBytes */
  readonly requestBytes?: number;
  /** What the function's role must be allowed, so that its URL is, or itself. */
  readonly iamActions: readonly string[];
}

/** An action that callers get a URL for. */
export type UrlAction = Action & Required<Pick<Action, "method">>;

export const hasUrl = (action: Action): action is UrlAction => action.method !== undefined;

/** What an upload in parts, and a payload, are named by. */
const OF_UPLOAD = { object_key: KEY, upload_id: UPLOAD_ID } as const;
const OF_VERSION = { object_key: KEY, version_id: VERSION_ID } as const;

/**
 * The table that describes the product. Validation, dispatch, the OpenAPI document (and so the API Gateway and
 * its routes), the functions' IAM policies and the reference in the README all come from here; words.ts says what an
 * action and a field are for.
 *
 * Permissions: https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
 */
const TABLE = {
  putObject: {
    role: "producer",
    method: "PUT",
    newKey: true,
    fields: {
      object_key: NAME,
      content_type: CONTENT_TYPE,
      content_length: CONTENT_LENGTH,
      checksum_sha256: CHECKSUM_SHA256,
      metadata: METADATA,
      if_none_match: IF_NONE_MATCH,
      client_token: CLIENT_TOKEN,
      expires_in: EXPIRES_IN,
    },
    iamActions: ["s3:PutObject"],
  },
  createMultipartUpload: {
    role: "producer",
    method: "POST",
    query: { uploads: "" },
    newKey: true,
    answersCap: true,
    fields: {
      object_key: NAME,
      content_type: CONTENT_TYPE,
      metadata: METADATA,
      checksum_algorithm: CHECKSUM_ALGORITHM,
      expires_in: EXPIRES_IN,
    },
    iamActions: ["s3:PutObject"],
  },
  uploadPart: {
    role: "producer",
    method: "PUT",
    fields: {
      ...OF_UPLOAD,
      part_numbers: PART_NUMBERS,
      content_length: CONTENT_LENGTH,
      checksum_sha256: CHECKSUM_SHA256,
      expires_in: EXPIRES_IN,
    },
    iamActions: ["s3:PutObject"],
  },
  completeMultipartUpload: {
    role: "producer",
    method: "POST",
    fields: {
      ...OF_UPLOAD,
      content_length: OBJECT_SIZE,
      if_none_match: IF_NONE_MATCH,
      expires_in: EXPIRES_IN,
    },
    iamActions: ["s3:PutObject"],
  },
  abortMultipartUpload: {
    role: "producer",
    method: "DELETE",
    fields: { ...OF_UPLOAD, expires_in: EXPIRES_IN },
    iamActions: ["s3:AbortMultipartUpload"],
  },
  listParts: {
    role: "producer",
    method: "GET",
    fields: {
      ...OF_UPLOAD,
      part_number_marker: PART_NUMBER_MARKER,
      expires_in: EXPIRES_IN,
    },
    iamActions: ["s3:ListMultipartUploadParts"],
  },
  sendMessage: {
    role: "producer",
    newKey: true,
    requestBytes: LIMITS.sendRequestBytes,
    fields: {
      object_key: NAME,
      content_type: CONTENT_TYPE,
      checksum_sha256: CHECKSUM_SHA256,
      metadata: METADATA,
      client_token: CLIENT_TOKEN,
      body: BODY,
    },
    iamActions: ["sqs:SendMessage"],
  },
  getObject: {
    role: "consumer",
    method: "GET",
    // A browser saves the payload and never runs it as a page.
    query: { "response-content-disposition": "attachment" },
    fields: { ...OF_VERSION, checksum_mode: CHECKSUM_MODE, expires_in: EXPIRES_IN },
    iamActions: ["s3:GetObject", "s3:GetObjectVersion"],
  },
  headObject: {
    role: "consumer",
    method: "HEAD",
    fields: { ...OF_VERSION, checksum_mode: CHECKSUM_MODE, expires_in: EXPIRES_IN },
    iamActions: ["s3:GetObject", "s3:GetObjectVersion"],
  },
  deleteObject: {
    role: "consumer",
    method: "DELETE",
    fields: { ...OF_VERSION, expires_in: EXPIRES_IN },
    iamActions: ["s3:DeleteObject", "s3:DeleteObjectVersion"],
  },
} satisfies Readonly<Record<string, Action>>;

export type ActionName = keyof typeof TABLE;

export const ACTIONS: Readonly<Record<string, Action>> = TABLE;

/** The names of the actions of these roles that have a URL, in the table's order. */
export function actionsOf(roles: readonly Role[]): string[] {
  return Object.entries(ACTIONS)
    .filter(([, action]) => hasUrl(action) && roles.includes(action.role))
    .map(([name]) => name);
}

/** What of a stage its actions' fields depend on. */
export interface FieldRules {
  /** The stage's cap, in bytes. @default none */
  readonly maxObjectBytes?: number | undefined;
  /** Whether the bucket takes new objects only. @default false */
  readonly denyOverwrites?: boolean | undefined;
  /** The media types that a payload may have: image/*, application/pdf. @default any */
  readonly contentTypes?: readonly string[] | undefined;
}

/**
 * An action's fields on a stage. A stage that caps objects requires the length, since a length that is not
 * signed is not bound; one that denies overwrites requires the condition, without which S3 would refuse the URL; one
 * that takes some media types only requires the type.
 */
export function fieldsOf(
  { fields }: Action,
  { maxObjectBytes, denyOverwrites, contentTypes }: FieldRules = {},
): Readonly<Record<string, Field>> {
  const { content_length: declared, if_none_match: condition, content_type: type } = fields;
  const maximum =
    maxObjectBytes && declared && Math.min(maxObjectBytes, declared.schema["maximum"] as number);
  return {
    ...fields,
    ...(maximum && { content_length: { ...declared, ...length(maximum), required: true } }),
    ...(denyOverwrites && condition && { if_none_match: { ...condition, required: true } }),
    ...(contentTypes && type && { content_type: { ...type, ...mediaType(contentTypes), required: true } }),
  };
}
