import { KEY_PREFIX, MAX_NAME_BYTES, UUID, isKey, isName } from "./keys";
import { LIMITS } from "./limits";
import { UNFIT_RANGES } from "./names";

/** The part of JSON Schema that API Gateway understands and we use. */
export interface Schema {
  readonly type: "string" | "integer" | "array" | "object";
  readonly [keyword: string]: unknown;
}

/** What a field that was accepted holds. */
export type FieldValue = string | number | readonly number[] | Readonly<Record<string, string>>;

/**
 * One field of a request: what it may hold, what to say otherwise, and where it goes in the request to S3. What it is
 * for is said in words.ts, which the functions do not load.
 */
export interface Field {
  readonly schema: Schema;
  /** Completes the sentence "<field> must be …". */
  readonly mustBe: string;
  readonly accepts: (value: unknown) => boolean;
  readonly required?: boolean;
  /** Whether a value is refused only because it is too much. @default never */
  readonly tooLarge?: (value: unknown) => boolean;
  /** The header of the S3 request that carries the value, signed. Of a map, the prefix of its names' headers. */
  readonly header?: string;
  /** The query parameter of the S3 request that carries the value, signed. Of a list, one URL for each item. */
  readonly query?: string;
}

/** Generated clients take an integer without a format for one of 32 bits. */
const MAX_INT32 = 2 ** 31 - 1;

function integer(minimum: number, maximum: number): Pick<Field, "schema" | "mustBe" | "accepts"> {
  return {
    schema: { type: "integer", ...(maximum > MAX_INT32 && { format: "int64" }), minimum, maximum },
    mustBe: `a whole number from ${minimum} to ${maximum}`,
    accepts: (value) =>
      Number.isInteger(value) && (value as number) >= minimum && (value as number) <= maximum,
  };
}

/** A length in bytes, of at most so many. */
export function length(maximum: number): Pick<Field, "schema" | "mustBe" | "accepts" | "tooLarge"> {
  return {
    ...integer(0, maximum),
    tooLarge: (value) => Number.isInteger(value) && (value as number) > maximum,
  };
}

/** A text of at most so many characters, which the pattern's are: one byte each. */
function text(
  pattern: RegExp,
  mustBe: string,
  maxLength: number,
): Pick<Field, "schema" | "mustBe" | "accepts"> {
  return {
    schema: { type: "string", pattern: pattern.source, maxLength },
    mustBe,
    accepts: (value) => typeof value === "string" && value.length <= maxLength && pattern.test(value),
  };
}

/** A field that may say one word. */
function only(word: string): Pick<Field, "schema" | "mustBe" | "accepts"> {
  return {
    schema: { type: "string", enum: [word] },
    mustBe: `"${word}"`,
    accepts: (value) => value === word,
  };
}

export const KEY_FORM = `${KEY_PREFIX}<UUID>/<name>`;

/**
 * What a regular expression of every language can say of a path. It leaves to the description the segments "." and "..",
 * the length in bytes, zero-width ends, and what is beyond U+FFFF or half of that.
 */
const SEGMENT = `[^/${UNFIT_RANGES}]+`;
const PATH = `${SEGMENT}(/${SEGMENT})*`;

export const NAME: Field = {
  schema: { type: "string", pattern: `^${PATH}$`, maxLength: MAX_NAME_BYTES },
  mustBe: `a name of at most ${MAX_NAME_BYTES} bytes, without "." or ".." or nothing between slashes, without backslashes, control characters, bidirectional marks, noncharacters (U+FFFE) or halves of surrogate pairs, and without a zero-width character (U+200B, U+2060, U+FEFF) next to a slash or an end`,
  accepts: isName,
  required: true,
};

export const KEY: Field = {
  schema: { type: "string", pattern: `^${KEY_PREFIX}${UUID}/${PATH}$`, maxLength: LIMITS.keyBytes },
  mustBe: `the whole key as the signer answered it: ${KEY_FORM}`,
  accepts: isKey,
  required: true,
};

export const EXPIRES_IN: Field = {
  ...integer(1, LIMITS.maxExpirySeconds),
};

export const CONTENT_LENGTH: Field = {
  ...length(LIMITS.putBytes),
  header: "content-length",
};

export const OBJECT_SIZE: Field = {
  ...length(LIMITS.objectBytes),
  header: "x-amz-mp-object-size",
};

const TOKEN = "[A-Za-z0-9!#$%&'*+.^_`|~-]+";

// https://www.rfc-editor.org/rfc/rfc9110#name-media-type, without the white space that signers and S3 would fold.
const PARAMETERS = `(; ?${TOKEN}=(${TOKEN}|"[!#-\\[\\]-~]*"))*`;
const MEDIA_TYPE_LENGTH = 256;

export const CONTENT_TYPE: Field = {
  ...text(
    new RegExp(`^${TOKEN}/${TOKEN}${PARAMETERS}$`),
    'a media type, such as image/jpeg or "text/plain; charset=utf-8"',
    MEDIA_TYPE_LENGTH,
  ),
  header: "content-type",
};

/** A media type that a stage takes, with whatever parameters. @param allowed image/*, application/pdf */
export function mediaType(allowed: readonly string[]): Pick<Field, "schema" | "mustBe" | "accepts"> {
  const types = allowed.map((type) => type.replace(/[.+]/g, "\\$&").replace("*", TOKEN)).join("|");
  return text(
    new RegExp(`^(${types})${PARAMETERS}$`),
    `of a type that is taken here: ${allowed.join(", ")}`,
    MEDIA_TYPE_LENGTH,
  );
}

export const CHECKSUM_SHA256: Field = {
  ...text(
    /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/,
    "the base64 of a SHA-256 digest: 32 bytes, 44 characters",
    44,
  ),
  header: "x-amz-checksum-sha256",
};

export const CHECKSUM_ALGORITHM: Field = {
  // S3 refuses a part's digest where the upload did not announce its algorithm, and a part without one where it did:
  // https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
  ...only("SHA256"),
  header: "x-amz-checksum-algorithm",
};

const METADATA_NAME = /^[a-z0-9][a-z0-9._-]{0,127}$/;
// What HTTP carries and a signer leaves as it is: printable ASCII, no spaces at the ends and no two in a row.
const METADATA_VALUE = /^[!-~]+( [!-~]+)*$/;

export const METADATA: Field = {
  schema: {
    type: "object",
    additionalProperties: {
      type: "string",
      pattern: METADATA_VALUE.source,
      maxLength: LIMITS.metadataBytes,
    },
  },
  mustBe: `an object of strings, at most ${LIMITS.metadataBytes} bytes together: names of a-z, 0-9, ".", "_" and "-", values of printable ASCII with single spaces`,
  accepts: (value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
    const entries = Object.entries(value);
    return (
      entries.every(
        ([name, item]) => METADATA_NAME.test(name) && typeof item === "string" && METADATA_VALUE.test(item),
      ) &&
      entries.reduce((bytes, [name, item]) => bytes + name.length + (item as string).length, 0) <=
        LIMITS.metadataBytes
    );
  },
  header: "x-amz-meta-",
};

export const IF_NONE_MATCH: Field = {
  ...only("*"),
  header: "if-none-match",
};

export const CLIENT_TOKEN: Field = text(
  new RegExp(`^${UUID}$`),
  "a random UUID (version 4) in lower case",
  36,
);

export const CHECKSUM_MODE: Field = {
  ...only("ENABLED"),
  header: "x-amz-checksum-mode",
};

/** The base64 of at most so many bytes has so many characters. */
const base64Length = (bytes: number) => 4 * Math.ceil(bytes / 3);

export const BODY: Field = {
  schema: {
    type: "string",
    pattern: "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=|[A-Za-z0-9+/][AQgw]==)?$",
    maxLength: base64Length(LIMITS.messageBytes),
  },
  mustBe: 'base64 with its padding, or "" for an empty payload',
  // Node skips what is no base64: only what is comes back as it was.
  accepts: (value) => typeof value === "string" && Buffer.from(value, "base64").toString("base64") === value,
  required: true,
};

/** An id of S3's own. */
const opaque = (mustBe: string) => text(/^[A-Za-z0-9._~+/=-]+$/, mustBe, 1024);

export const VERSION_ID: Field = {
  ...opaque("a version id as S3 gave it"),
  query: "versionId",
};

export const UPLOAD_ID: Field = {
  ...opaque("an upload id as S3 gave it"),
  required: true,
  query: "uploadId",
};

const PART_NUMBER = integer(1, LIMITS.partsPerUpload);

export const PART_NUMBERS: Field = {
  schema: {
    type: "array",
    items: PART_NUMBER.schema,
    minItems: 1,
    maxItems: LIMITS.partsPerCall,
    uniqueItems: true,
  },
  mustBe: `a list of 1 to ${LIMITS.partsPerCall} different numbers, each ${PART_NUMBER.mustBe}`,
  accepts: (value) =>
    Array.isArray(value) &&
    value.length >= 1 &&
    value.length <= LIMITS.partsPerCall &&
    value.every(PART_NUMBER.accepts) &&
    new Set(value).size === value.length,
  required: true,
  query: "partNumber",
};

export const PART_NUMBER_MARKER: Field = {
  ...integer(0, LIMITS.partsPerUpload),
  query: "part-number-marker",
};
