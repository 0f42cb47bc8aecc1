import type { ActionName } from "./actions";
import * as fields from "./fields";
import { LIMITS } from "./limits";

/*
 * What the API's description and the README say of actions and fields. The functions answer no word of it, so it is
 * not among what they load.
 */

/** What each action is for. */
export const SUMMARIES: Readonly<Record<ActionName, string>> = {
  putObject: "Put a payload of up to 5 GiB in one request.",
  createMultipartUpload: "Begin a payload of up to 50 TB in parts.",
  uploadPart: "Put parts of a multipart upload: a URL for each.",
  completeMultipartUpload: "Make the parts one object, which announces it.",
  abortMultipartUpload: "Give a multipart upload up and drop its parts.",
  listParts: "List the parts that have arrived, to resume.",
  sendMessage: "Send a small payload in the queue's message itself.",
  getObject: "Fetch a payload.",
  headObject: "Ask for a payload's length, type and metadata.",
  deleteObject: "Drop a payload that has been dealt with.",
};

/** What each field is for. */
export const DESCRIPTIONS: ReadonlyMap<fields.Field, string> = new Map([
  [fields.NAME, `What you call the payload. The answer says its key: ${fields.KEY_FORM}.`],
  [fields.KEY, "The whole key, as the signer answered it or the queue announced it."],
  [
    fields.CLIENT_TOKEN,
    "The UUID of the key, chosen by you: who asks again with it gets the same key, by which a second message is " +
      "known. It has to be random (version 4), since whoever knows the key may use it. putObject wants if_none_match too.",
  ],
  [
    fields.BODY,
    "The payload in base64. With its key, type and metadata it has to fit into a message of 256 KiB.",
  ],
  [fields.EXPIRES_IN, `How long the URL lives, in seconds. Default ${LIMITS.defaultExpirySeconds}.`],
  [fields.CONTENT_LENGTH, "The exact length in bytes: S3 refuses another."],
  [fields.OBJECT_SIZE, "The length in bytes of all parts together: S3 refuses to complete another."],
  [fields.CONTENT_TYPE, "The media type, kept with the payload."],
  [fields.CHECKSUM_SHA256, "The SHA-256 of the body in base64: another body is refused."],
  [fields.CHECKSUM_ALGORITHM, "Say SHA256 to give every part its checksum_sha256."],
  [fields.CHECKSUM_MODE, "Say ENABLED and S3 answers with the checksum that the payload was put with."],
  [fields.METADATA, `User metadata, kept with the payload; at most ${LIMITS.metadataBytes} bytes.`],
  [fields.IF_NONE_MATCH, "Say * and S3 refuses to write over an object: a retry is told 412."],
  [fields.VERSION_ID, "The version, as the queue announced it. Default: the newest."],
  [fields.UPLOAD_ID, "The upload, as S3 answered to createMultipartUpload."],
  [
    fields.PART_NUMBERS,
    "One URL for each of these parts. With checksum_sha256: one part. Together they have at most what a payload may have.",
  ],
  [fields.PART_NUMBER_MARKER, "List the parts after this number; S3 lists 1,000 at a time."],
]);

/**
 * What a field is for, and what it may hold.
 *
 * @param base as the action table has it; a stage may have narrowed the field
 * @throws Error where a field has no words yet
 */
export function describeField(name: string, field: fields.Field, base = field): string {
  const description = DESCRIPTIONS.get(base);
  if (description === undefined) throw new Error(`words.ts does not say what ${name} is for.`);
  return `${description} Must be ${field.mustBe}.`;
}
