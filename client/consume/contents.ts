import type { Message, MessageAttributeValue } from "@aws-sdk/client-sqs";
import { PAYLOAD_ATTRIBUTE } from "../../functions/send-message/message";
import { isKey } from "../../functions/sign-url/keys";
import { TweedleError } from "../errors";

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

/** What a message is about. */
export type Contents =
  /** One that cannot be read is its reason: it does not hold up the others. */
  | { readonly kind: "objects"; readonly objects: readonly (Announcement | TweedleError)[] }
  | { readonly kind: "inline"; readonly payload: InlinePayload }
  | { readonly kind: "nothing"; readonly why: string };

type Json = Record<string, unknown>;

/** Amazon's Extended Clients for Java and Python, the newer name first. */
const POINTERS = [
  "software.amazon.payloadoffloading.PayloadS3Pointer",
  "com.amazon.sqs.javamessaging.MessageS3Pointer",
];
const POINTER_SIZES = ["ExtendedPayloadSize", "SQSLargePayloadSize"];

/** Topics wrap what they pass on; one more would be a topic that listens to itself. */
const MAX_WRAPPINGS = 2;

/**
 * Reads a message, whoever wrote it: S3, EventBridge, a topic in front of them, our API, or Amazon's Extended Client.
 *
 * @throws TweedleError Invalid, where it is none of these
 */
export function contentsOf({ Body = "", MessageAttributes = {} }: Message): Contents {
  try {
    return read(parseJson(Body), MessageAttributes, 0);
  } catch (error) {
    if (error instanceof TweedleError) throw error;
    // JSON may hold what no program expects, such as a toString that is a number: it is its sender's mistake, not ours.
    throw new TweedleError("Invalid", `The message cannot be read: ${(error as Error).message}.`, {
      cause: error,
    });
  }
}

type Attributes = Readonly<Record<string, MessageAttributeValue>>;

function read(body: unknown, attributes: Attributes, wrappings: number): Contents {
  if (Array.isArray(body)) return readPointer(body, attributes);
  const json = objectOf(body, "The message");
  if (json["Event"] === "s3:TestEvent") return { kind: "nothing", why: "s3:TestEvent" };
  if (Array.isArray(json["Records"])) return readRecords(json["Records"]);
  if (json["source"] === "aws.s3") return readEvent(json);
  if (json["source"] === "tweedle") return { kind: "inline", payload: readInline(json, attributes) };
  if (json["Type"] === "Notification" && typeof json["Message"] === "string" && wrappings < MAX_WRAPPINGS) {
    return read(parseJson(json["Message"]), attributes, wrappings + 1);
  }
  throw unknown("announces no payload");
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html */
function readRecords(records: readonly unknown[]): Contents {
  // What is no event is not taken for another kind of event: a message that nobody understands is not deleted.
  const created = records.filter((record) => {
    const event = (record as Json | null)?.["eventName"];
    return typeof event !== "string" || /^(s3:)?ObjectCreated:/.test(event);
  });
  if (created.length === 0) return { kind: "nothing", why: "no object was created" };
  return { kind: "objects", objects: created.map(readRecord) };
}

function readRecord(record: unknown): Announcement | TweedleError {
  try {
    const { s3 } = objectOf(record, "A record");
    const { bucket, object } = objectOf(s3, "A record's s3");
    const { key, size, eTag, versionId, sequencer } = objectOf(object, "A record's object");
    return {
      bucket: stringOf(objectOf(bucket, "A record's bucket")["name"], "A record's bucket"),
      // As a form encodes it, once.
      key: decodeKey(stringOf(key, "A record's key")),
      ...facts({ size, eTag, versionId, sequencer }),
    };
  } catch (error) {
    if (error instanceof TweedleError) return error;
    throw error;
  }
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html */
function readEvent(json: Json): Contents {
  if (json["detail-type"] !== "Object Created") return { kind: "nothing", why: String(json["detail-type"]) };
  const { bucket, object } = objectOf(json["detail"], "The event's detail");
  const { key, size, etag, sequencer, "version-id": versionId } = objectOf(object, "The event's object");
  const announcement = {
    bucket: stringOf(objectOf(bucket, "The event's bucket")["name"], "The event's bucket"),
    // Not encoded, other than in S3's own notifications.
    key: checkKey(stringOf(key, "The event's key")),
    ...facts({ size, eTag: etag, versionId, sequencer }),
  };
  return { kind: "objects", objects: [announcement] };
}

/** https://github.com/awslabs/payload-offloading-java-common-lib-for-aws, whose pointer the Python client writes too. */
function readPointer([name, pointer]: readonly unknown[], attributes: Attributes): Contents {
  if (!POINTERS.includes(String(name))) throw unknown("is a list that is no pointer");
  const { s3BucketName, s3Key } = objectOf(pointer, "The pointer");
  const size = POINTER_SIZES.map((attribute) => attributes[attribute]?.StringValue).find(
    (value) => value !== undefined,
  );
  const announcement = {
    bucket: stringOf(s3BucketName, "The pointer's bucket"),
    key: checkKey(stringOf(s3Key, "The pointer's key")),
    ...facts({ size: size === undefined ? undefined : Number(size) }),
  };
  return { kind: "objects", objects: [announcement] };
}

/** What functions/send-message sends. */
function readInline(json: Json, attributes: Attributes): InlinePayload {
  const { object_key, size, checksum_sha256, content_type, metadata } = json;
  const bytes = Buffer.from(attributes[PAYLOAD_ATTRIBUTE]?.BinaryValue ?? []);
  if (bytes.length !== size) {
    throw new TweedleError("Corrupt", `The message should hold ${String(size)} bytes, not ${bytes.length}.`);
  }
  return {
    key: checkKey(stringOf(object_key, "The message's object_key")),
    bytes,
    checksum: stringOf(checksum_sha256, "The message's checksum_sha256"),
    contentType:
      content_type === undefined ? undefined : stringOf(content_type, "The message's content_type"),
    metadata: (metadata ?? {}) as Record<string, string>,
  };
}

function facts({ size, eTag, versionId, sequencer }: Json): Omit<Announcement, "bucket" | "key"> {
  const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);
  return {
    size: Number.isSafeInteger(size) && (size as number) >= 0 ? (size as number) : undefined,
    // Some writers quote it.
    eTag: text(eTag)?.replaceAll('"', ""),
    // What S3 calls the only version of an object in a bucket without versions.
    versionId: versionId === "null" ? undefined : text(versionId),
    sequencer: text(sequencer)?.toLowerCase(),
  };
}

/** A key as S3 writes it into a notification: as a form would, but for the slashes. */
export const encodeKey = (key: string): string =>
  new URLSearchParams({ key }).toString().slice("key=".length).replaceAll("%2F", "/");

function decodeKey(encoded: string): string {
  try {
    return checkKey(decodeURIComponent(encoded.replaceAll("+", " ")));
  } catch (error) {
    if (error instanceof TweedleError) throw error;
    throw new TweedleError("Invalid", `The key ${JSON.stringify(encoded)} is not encoded as S3 does it.`, {
      cause: error,
    });
  }
}

/** A key that our API would not sign for is refused here, with its reason. */
function checkKey(key: string): string {
  if (isKey(key)) return key;
  throw new TweedleError("Invalid", `The key ${JSON.stringify(key)} is not of the form input/<UUID>/<name>.`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new TweedleError("Invalid", "The message is no JSON.", { cause: error });
  }
}

function objectOf(value: unknown, what: string): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw new TweedleError("Invalid", `${what} is no object.`);
}

function stringOf(value: unknown, what: string): string {
  if (typeof value === "string" && value !== "") return value;
  throw new TweedleError("Invalid", `${what} is no text.`);
}

const unknown = (what: string) => new TweedleError("Invalid", `The message ${what}: who sent it?`);
