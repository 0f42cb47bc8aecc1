import {
  CHECKSUM_ALGORITHM,
  CHECKSUM_SHA256,
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
} from "./fields";

/** Who calls an action. A stage says for each role whether its callers must sign. */
export type Role = (typeof ROLES)[number];

export const ROLES = ["producer", "consumer"] as const;

/** One S3 operation that callers get a URL for. */
export interface Action {
  readonly role: Role;
  readonly summary: string;
  /** The method of the S3 request. */
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  /** Query parameters of the S3 request that are always there. */
  readonly query: Readonly<Record<string, string>>;
  /** The request's fields; a field that is not here is refused. */
  readonly fields: Readonly<Record<string, Field>>;
  /** Whether `object_key` is a name, for which the signer makes a new key. @default false: it is a whole key */
  readonly newKey?: boolean;
  /** What the signer's role must be allowed, so that its URL is. */
  readonly iamActions: readonly string[];
}

/**
 * The table that describes the product. Validation, dispatch, the OpenAPI document (and so the API Gateway and
 * its routes), the signers' IAM policies and the reference in the README all come from here.
 *
 * Permissions: https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
 */
export const ACTIONS: Readonly<Record<string, Action>> = {
  putObject: {
    role: "producer",
    summary: "Put a payload of up to 5 GiB in one request.",
    method: "PUT",
    query: {},
    newKey: true,
    fields: {
      object_key: NAME,
      content_type: CONTENT_TYPE,
      content_length: CONTENT_LENGTH,
      checksum_sha256: CHECKSUM_SHA256,
      metadata: METADATA,
      if_none_match: IF_NONE_MATCH,
      expires_in: EXPIRES_IN,
    },
    iamActions: ["s3:PutObject"],
  },
  createMultipartUpload: {
    role: "producer",
    summary: "Begin a payload of up to 50 TB in parts.",
    method: "POST",
    query: { uploads: "" },
    newKey: true,
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
    summary: "Put parts of a multipart upload: a URL for each.",
    method: "PUT",
    query: {},
    fields: {
      object_key: KEY,
      upload_id: UPLOAD_ID,
      part_numbers: PART_NUMBERS,
      content_length: CONTENT_LENGTH,
      checksum_sha256: CHECKSUM_SHA256,
      expires_in: EXPIRES_IN,
    },
    iamActions: ["s3:PutObject"],
  },
  completeMultipartUpload: {
    role: "producer",
    summary: "Make the parts one object, which announces it.",
    method: "POST",
    query: {},
    fields: {
      object_key: KEY,
      upload_id: UPLOAD_ID,
      content_length: OBJECT_SIZE,
      if_none_match: IF_NONE_MATCH,
      expires_in: EXPIRES_IN,
    },
    iamActions: ["s3:PutObject"],
  },
  abortMultipartUpload: {
    role: "producer",
    summary: "Give a multipart upload up and drop its parts.",
    method: "DELETE",
    query: {},
    fields: { object_key: KEY, upload_id: UPLOAD_ID, expires_in: EXPIRES_IN },
    iamActions: ["s3:AbortMultipartUpload"],
  },
  listParts: {
    role: "producer",
    summary: "List the parts that have arrived, to resume.",
    method: "GET",
    query: {},
    fields: {
      object_key: KEY,
      upload_id: UPLOAD_ID,
      part_number_marker: PART_NUMBER_MARKER,
      expires_in: EXPIRES_IN,
    },
    iamActions: ["s3:ListMultipartUploadParts"],
  },
  getObject: {
    role: "consumer",
    summary: "Fetch a payload.",
    method: "GET",
    // A browser saves the payload and never runs it as a page.
    query: { "response-content-disposition": "attachment" },
    fields: { object_key: KEY, version_id: VERSION_ID, expires_in: EXPIRES_IN },
    iamActions: ["s3:GetObject", "s3:GetObjectVersion"],
  },
  headObject: {
    role: "consumer",
    summary: "Ask for a payload's length, type and metadata.",
    method: "HEAD",
    query: {},
    fields: { object_key: KEY, version_id: VERSION_ID, expires_in: EXPIRES_IN },
    iamActions: ["s3:GetObject", "s3:GetObjectVersion"],
  },
  deleteObject: {
    role: "consumer",
    summary: "Drop a payload that has been dealt with.",
    method: "DELETE",
    query: {},
    fields: { object_key: KEY, version_id: VERSION_ID, expires_in: EXPIRES_IN },
    iamActions: ["s3:DeleteObject", "s3:DeleteObjectVersion"],
  },
};

/** The names of the actions of these roles, in the table's order. */
export function actionsOf(roles: readonly Role[]): string[] {
  return Object.entries(ACTIONS)
    .filter(([, action]) => roles.includes(action.role))
    .map(([name]) => name);
}

/**
 * An action's fields on a stage. A stage that caps objects requires the length, since a length that is not
 * signed is not bound.
 *
 * @param maxObjectBytes the stage's cap; undefined for none
 */
export function fieldsOf(action: Action, maxObjectBytes?: number): Readonly<Record<string, Field>> {
  const declared = action.fields["content_length"];
  if (!declared || maxObjectBytes === undefined) return action.fields;
  const maximum = Math.min(maxObjectBytes, declared.schema["maximum"] as number);
  return { ...action.fields, content_length: { ...declared, ...length(maximum), required: true } };
}
