/** What a message says of the payload that it carries, as its body: JSON, like S3's announcement of an object. */
export interface Announcement {
  /** Tells this message from S3's. */
  readonly source: "tweedle";
  readonly object_key: string;
  /** The payload's length, in bytes. */
  readonly size: number;
  /** The payload's SHA-256, in base64. */
  readonly checksum_sha256: string;
  readonly content_type?: string | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/** The message's attribute that is the payload. An empty payload has none: SQS takes no empty value. */
export const PAYLOAD_ATTRIBUTE = "payload";
const DATA_TYPE = "Binary";

/** What SendMessage takes of a message: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html */
export interface Message {
  readonly MessageBody: string;
  readonly MessageAttributes?: Readonly<Record<string, { DataType: string; BinaryValue: string }>>;
}

/**
 * The message that carries a payload.
 *
 * @param body the payload in base64
 */
export const messageOf = (announcement: Announcement, body: string): Message => ({
  MessageBody: JSON.stringify(announcement),
  ...(body !== "" && {
    MessageAttributes: { [PAYLOAD_ATTRIBUTE]: { DataType: DATA_TYPE, BinaryValue: body } },
  }),
});

/**
 * The bytes of such a message as SQS counts them: the body, and the attribute's name, type and value. It may have
 * LIMITS.messageBytes.
 *
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
 */
export const messageBytes = (announcement: Announcement): number =>
  Buffer.byteLength(JSON.stringify(announcement)) +
  (announcement.size > 0 ? PAYLOAD_ATTRIBUTE.length + DATA_TYPE.length + announcement.size : 0);
