import { createHash } from "node:crypto";
import type { Message, MessageAttributeValue } from "@aws-sdk/client-sqs";
import { excerpt, quote } from "../../common/quote";
import { PAYLOAD_ATTRIBUTE } from "../../functions/send-message/message";
import { VERSION_ID } from "../../functions/sign-url/fields";
import { isKey } from "../../functions/sign-url/keys";
import { TweedleError } from "../errors";
import { CREATED_DETAIL_TYPE, OTHER_DETAIL_TYPES, isCreation, isOtherEvent } from "./s3-events";

/** An object that a message announces. */
export interface Announcement {
  /** The bucket that the message names. It is compared, never used: the API signs for its own bucket only. */
  readonly bucket: string;
  readonly key: string;
  /** In bytes; undefined where the message does not say. */
  readonly size: number | undefined;
  readonly versionId: string | undefined;
  readonly eTag: string | undefined;
  /** Orders the events of one key, in hexadecimal. */
  readonly sequencer: string | undefined;
}

/** A payload that travels in the message itself. */
export interface InlinePayload {
  readonly key: string;
  readonly bytes: Buffer;
  readonly contentType: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  /** SHA-256 in base64. */
  readonly checksum: string;
}

/** A documented event of S3 that announces no payload. */
export interface IgnoredEvent {
  /** As S3 or EventBridge names it: ObjectRemoved:Delete, Object Deleted. */
  readonly event: string;
  readonly key: string;
}

/** The contents of a message. */
export type Contents =
  | {
      readonly kind: "objects";
      /** Announced objects. A record that cannot be read is its reason: it does not hold up the others. */
      readonly objects: readonly (Announcement | TweedleError)[];
      readonly ignored: readonly IgnoredEvent[];
    }
  | { readonly kind: "inline"; readonly payload: InlinePayload }
  /** The message that S3 sends when a notification is set. */
  | { readonly kind: "test" };

type Json = Readonly<Record<string, unknown>>;

/** Amazon's Extended Clients for Java and Python, the newer name first. */
const POINTERS = [
  "software.amazon.payloadoffloading.PayloadS3Pointer",
  "com.amazon.sqs.javamessaging.MessageS3Pointer",
];
const POINTER_SIZES = ["ExtendedPayloadSize", "SQSLargePayloadSize"];

/** Topics wrap what they pass on; one more would be a topic that listens to itself. */
const MAX_WRAPPINGS = 2;

/**
 * Reads a message of S3, EventBridge, a topic in front of them, our API, or Amazon's Extended Client.
 *
 * @throws TweedleError Invalid, where it is none of these, or more than one
 */
export function contentsOf({ Body = "", MessageAttributes = {} }: Message): Contents {
  try {
    return read(parseJson(Body), MessageAttributes, 0);
  } catch (error) {
    if (error instanceof TweedleError) throw error;
    // JSON may nest deeper than the stack: its sender's mistake, not ours.
    throw new TweedleError("Invalid", `The message cannot be read: ${excerpt((error as Error).message)}.`, {
      cause: error,
    });
  }
}

type Attributes = Readonly<Record<string, MessageAttributeValue>>;

/** Properties of which a message has one, by which its kind is known. */
const MARKS = ["Event", "Records", "source", "Type"];

function read(body: unknown, attributes: Attributes, wrappings: number): Contents {
  if (Array.isArray(body)) return readPointer(body, attributes);
  const json = objectAt(body);
  const [mark, ...others] = MARKS.filter((property) => Object.hasOwn(json, property));
  if (others.length > 0) throw invalid(`The message has both ${mark} and ${others.join(" and ")}.`);
  if (mark === "Event") return readTest(json);
  if (mark === "Records") return readRecords(json["Records"]);
  if (json["source"] === "aws.s3") return readEvent(json);
  if (json["source"] === "tweedle") return { kind: "inline", payload: readInline(json, attributes) };
  if (json["Type"] === "Notification" && wrappings < MAX_WRAPPINGS) {
    return read(parseJson(textAt(json["Message"], "Message")), attributes, wrappings + 1);
  }
  throw unrecognised();
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html */
function readTest({ Service, Event }: Json): Contents {
  if (Service === "Amazon S3" && Event === "s3:TestEvent") return { kind: "test" };
  throw invalid(`The message is not S3's test: its Service is ${quote(Service)}, its Event ${quote(Event)}.`);
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html */
function readRecords(records: unknown): Contents {
  if (!Array.isArray(records) || records.length === 0) {
    throw mustBe("a list with at least one record", records, "Records");
  }
  const all = records.map((record, index) => readRecord(record, `Records[${index}]`));
  return {
    kind: "objects",
    objects: all.filter((one): one is Announcement | TweedleError => !("event" in one)),
    ignored: all.filter((one): one is IgnoredEvent => "event" in one),
  };
}

function readRecord(record: unknown, at: string): Announcement | IgnoredEvent | TweedleError {
  try {
    const { eventName, eventSource, s3 } = objectAt(record, at);
    const event = textAt(eventName, `${at}.eventName`);
    const { bucket, object } = objectAt(s3, `${at}.s3`);
    const { key, size, eTag, versionId, sequencer } = objectAt(object, `${at}.s3.object`);
    const name = textAt(objectAt(bucket, `${at}.s3.bucket`)["name"], `${at}.s3.bucket.name`);
    // As a form encodes it, once.
    const decoded = decodeKey(textAt(key, `${at}.s3.object.key`));
    if (isCreation(event)) {
      return { bucket: name, key: checkKey(decoded), ...facts({ size, eTag, versionId, sequencer }) };
    }
    if (eventSource === "aws:s3" && isOtherEvent(event)) return { event, key: decoded };
    throw invalid(
      `The event ${quote(event)} of ${quote(eventSource)} in ${at} is not one of S3's documented events.`,
    );
  } catch (error) {
    if (error instanceof TweedleError) return error;
    throw error;
  }
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html */
function readEvent({ "detail-type": type, detail }: Json): Contents {
  const event = textAt(type, "detail-type");
  if (event !== CREATED_DETAIL_TYPE && !OTHER_DETAIL_TYPES.includes(event)) {
    throw invalid(`The detail-type ${quote(event)} is not one of S3's documented events.`);
  }
  const { bucket, object } = objectAt(detail, "detail");
  const {
    key: given,
    size,
    etag: eTag,
    sequencer,
    "version-id": versionId,
  } = objectAt(object, "detail.object");
  const name = textAt(objectAt(bucket, "detail.bucket")["name"], "detail.bucket.name");
  // Not encoded, other than in S3's own notifications.
  const key = textAt(given, "detail.object.key");
  if (event !== CREATED_DETAIL_TYPE) return { kind: "objects", objects: [], ignored: [{ event, key }] };
  const announcement = {
    bucket: name,
    key: checkKey(key),
    ...facts({ size, eTag, versionId, sequencer }),
  };
  return { kind: "objects", objects: [announcement], ignored: [] };
}

/** https://github.com/awslabs/payload-offloading-java-common-lib-for-aws, whose pointer the Python client writes too. */
function readPointer([name, pointer]: readonly unknown[], attributes: Attributes): Contents {
  if (typeof name !== "string" || !POINTERS.includes(name)) throw unrecognised();
  const { s3BucketName, s3Key } = objectAt(pointer, "pointer");
  const size = POINTER_SIZES.map((attribute) => attributes[attribute]?.StringValue).find(
    (value) => value !== undefined,
  );
  const announcement = {
    bucket: textAt(s3BucketName, "s3BucketName"),
    key: checkKey(textAt(s3Key, "s3Key")),
    ...facts({ size: size === undefined ? undefined : Number(size) }),
  };
  return { kind: "objects", objects: [announcement], ignored: [] };
}

/** Reads what functions/send-message sends. Whatever is wrong with it is wrong at every receive. */
function readInline(json: Json, attributes: Attributes): InlinePayload {
  const { object_key, size, checksum_sha256, content_type: contentType, metadata = {} } = json;
  const key = checkKey(textAt(object_key, "object_key"));
  const bytes = Buffer.from(attributes[PAYLOAD_ATTRIBUTE]?.BinaryValue ?? []);
  if (bytes.length !== size) {
    throw invalid(`The message holds ${bytes.length} bytes, and its size is ${quote(size)}.`);
  }
  const checksum = createHash("sha256").update(bytes).digest("base64");
  if (checksum !== checksum_sha256) {
    throw invalid(`The payload's SHA-256 is ${checksum}, and should be ${quote(checksum_sha256)}.`);
  }
  if (contentType !== undefined && !isHeaderValue(contentType)) {
    throw mustBe("a text of printable ASCII", contentType, "content_type");
  }
  if (!isMetadata(metadata)) {
    throw mustBe("an object of texts of printable ASCII", metadata, "metadata");
  }
  return { key, bytes, checksum, contentType, metadata };
}

/** The API limits both further, and its limits may change while a message waits. */
const isHeaderValue = (value: unknown): value is string =>
  typeof value === "string" && /^[ -~]+$/.test(value);

const isMetadata = (value: unknown): value is Record<string, string> =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  Object.entries(value).flat().every(isHeaderValue);

function facts({ size, eTag, versionId, sequencer }: Json): Omit<Announcement, "bucket" | "key"> {
  return {
    size: Number.isSafeInteger(size) && (size as number) >= 0 ? (size as number) : undefined,
    eTag: checkETag(eTag),
    versionId: checkVersion(versionId),
    sequencer: typeof sequencer === "string" && sequencer !== "" ? sequencer.toLowerCase() : undefined,
  };
}

/** A key as S3 writes it into a notification: as a form would, but for the slashes. */
export const encodeKey = (key: string): string =>
  new URLSearchParams({ key }).toString().slice("key=".length).replaceAll("%2F", "/");

function decodeKey(encoded: string): string {
  try {
    return decodeURIComponent(encoded.replaceAll("+", " "));
  } catch (error) {
    throw invalid(`The key ${quote(encoded)} is not encoded as S3 does it.`, error);
  }
}

/** A key that the API would not sign for. */
function checkKey(key: string): string {
  if (isKey(key)) return key;
  throw invalid(`The key ${quote(key)} is not of the form input/<UUID>/<name>.`);
}

const isAbsent = (value: unknown) => value === undefined || value === null || value === "";

/** A version that the API would sign for. "null" is what S3 calls the only version of an object in a bucket without versions. */
function checkVersion(version: unknown): string | undefined {
  if (isAbsent(version) || version === "null") return undefined;
  if (VERSION_ID.accepts(version)) return version as string;
  throw invalid(`The version ${quote(version)} is not ${VERSION_ID.mustBe}.`);
}

/** An ETag becomes a header of the request. Some writers quote it. */
function checkETag(eTag: unknown): string | undefined {
  if (isAbsent(eTag)) return undefined;
  const text = typeof eTag === "string" ? eTag.replace(/^"(.*)"$/, "$1") : "";
  if (/^[!#-~]+$/.test(text)) return text;
  throw invalid(`The ETag ${quote(eTag)} is not a text of printable ASCII.`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw invalid("The message is not JSON.", error);
  }
}

/** @param path where the value is in the message. @default all of it */
function objectAt(value: unknown, path?: string): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw mustBe("an object", value, path);
}

function textAt(value: unknown, path: string): string {
  if (typeof value === "string" && value !== "") return value;
  throw mustBe("a text", value, path);
}

const mustBe = (what: string, value: unknown, path?: string) =>
  invalid(`The message${path === undefined ? "" : `'s ${path}`} must be ${what}, not ${quote(value)}.`);

const invalid = (message: string, cause?: unknown) =>
  new TweedleError("Invalid", message, cause === undefined ? undefined : { cause });

const unrecognised = () =>
  invalid("Unrecognised message: expected one of S3, EventBridge, SNS, Tweedle or an Extended Client.");
