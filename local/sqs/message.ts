import { createHash } from "node:crypto";
import { invalidMessageContents, invalidParameter } from "./errors";

/** A message attribute, with a binary value in base64. */
export interface MessageAttribute {
  readonly DataType: string;
  readonly StringValue?: string;
  readonly BinaryValue?: string;
}

export type MessageAttributes = Readonly<Record<string, MessageAttribute>>;

/** A message as a queue keeps it. Times are in milliseconds since 1970. */
export interface Message {
  readonly messageId: string;
  readonly body: string;
  readonly attributes: MessageAttributes;
  readonly sentAt: number;
  readonly firstReceivedAt?: number;
  readonly receiveCount: number;
  /** The queue that a dead-letter message comes from. */
  readonly deadLetterSourceArn?: string;
  /** The sender's X-Ray header. */
  readonly traceHeader?: string;
}

/** A message whose queue leaves `max_message_size` out has this limit with every version of the AWS provider, in bytes. */
export const MAX_MESSAGE_BYTES = 256 * 1024;
const MAX_ATTRIBUTES = 10;

/** The characters that SQS takes: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html */
const TEXT = /^[\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]*$/u;

/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html */
const ATTRIBUTE_NAME = /^(?!aws\.|amazon\.|\.)(?!.*\.\.)[\w.-]{1,256}(?<!\.)$/i;
const DATA_TYPE = /^(String|Number|Binary)(\..+)?$/;

const isBinary = ({ DataType }: MessageAttribute) => DataType.startsWith("Binary");

/**
 * The bytes of a message as SQS counts them: its body, and each attribute's name, type and value.
 *
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
 */
export function sizeOf(body: string, attributes: MessageAttributes): number {
  const sizes = Object.entries(attributes).map(
    ([name, { DataType, StringValue = "", BinaryValue = "" }]) =>
      Buffer.byteLength(name + DataType + StringValue) + Buffer.byteLength(BinaryValue, "base64"),
  );
  return sizes.reduce((sum, size) => sum + size, Buffer.byteLength(body));
}

/** @throws SqsError where SQS does not take such a message */
export function assertMessage(body: string, attributes: MessageAttributes, maxBytes: number): void {
  if (body === "") throw invalidParameter("The request must contain the parameter MessageBody.");
  if (!TEXT.test(body)) throw invalidMessageContents("Invalid characters found in the message body.");
  const entries = Object.entries(attributes);
  if (entries.length > MAX_ATTRIBUTES) {
    throw invalidParameter(
      `Number of message attributes [${entries.length}] exceeds the allowed maximum [10].`,
    );
  }
  for (const [name, attribute] of entries) assertAttribute(name, attribute);
  const size = sizeOf(body, attributes);
  if (size > maxBytes) {
    throw invalidParameter(
      `One or more parameters are invalid. Reason: Message must be shorter than ${maxBytes} bytes.`,
    );
  }
}

function assertAttribute(name: string, attribute: MessageAttribute): void {
  const refuse = (reason: string) => {
    throw invalidParameter(`The message attribute '${name}' is invalid: ${reason}`);
  };
  if (!ATTRIBUTE_NAME.test(name)) refuse("its name has characters or a form that SQS does not take.");
  if (!DATA_TYPE.test(attribute.DataType)) refuse("its type must begin with String, Number or Binary.");
  const value = isBinary(attribute) ? attribute.BinaryValue : attribute.StringValue;
  if (typeof value !== "string" || value === "") refuse("it must contain a non-empty value of its type.");
  if (!isBinary(attribute) && !TEXT.test(String(value)))
    refuse("its value has characters that SQS does not take.");
}

export const md5 = (text: string): string => createHash("md5").update(text).digest("hex");

/**
 * The digest of message attributes, undefined where there are none.
 *
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html#sqs-attributes-md5-message-digest-calculation
 */
export function md5OfAttributes(attributes: MessageAttributes): string | undefined {
  const names = Object.keys(attributes).toSorted();
  if (names.length === 0) return undefined;
  const hash = createHash("md5");
  const update = (value: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(value.length);
    hash.update(length).update(value);
  };
  for (const name of names) {
    const attribute = attributes[name] as MessageAttribute;
    update(Buffer.from(name));
    update(Buffer.from(attribute.DataType));
    hash.update(Buffer.from([isBinary(attribute) ? 2 : 1]));
    update(
      isBinary(attribute)
        ? Buffer.from(attribute.BinaryValue ?? "", "base64")
        : Buffer.from(attribute.StringValue ?? ""),
    );
  }
  return hash.digest("hex");
}

/** The attributes that a consumer asks for: by name, by prefix (`pay.*`), or all (`All`, `.*`). */
export function selectAttributes(
  attributes: MessageAttributes,
  wanted: readonly string[],
): MessageAttributes {
  const isWanted = (name: string) =>
    wanted.some(
      (pattern) =>
        pattern === "All" ||
        pattern === name ||
        (pattern.endsWith(".*") && name.startsWith(pattern.slice(0, -2))),
    );
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => isWanted(name)));
}
