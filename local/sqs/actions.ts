import { randomUUID } from "node:crypto";
import {
  SqsError,
  batchTooLong,
  emptyBatch,
  idsNotDistinct,
  invalidAttributeName,
  invalidEntryId,
  invalidParameter,
  missingParameter,
  malformedInput,
  queueDoesNotExist,
  resourceNotFound,
  tooManyEntries,
} from "./errors";
import {
  type Message,
  type MessageAttributes,
  assertMessage,
  md5,
  md5OfAttributes,
  selectAttributes,
  sizeOf,
} from "./message";
import type { MoveTasks } from "./move-tasks";
import type { Queue, ReceivedMessage } from "./queue";

export type Parameters = Readonly<Record<string, unknown>>;

/** What an action works on. */
export interface SqsContext {
  readonly queues: readonly Queue[];
  readonly createQueue: (name: string, attributes: Readonly<Record<string, string>>) => Queue;
  readonly deleteQueue: (queue: Queue) => void;
  readonly moveTasks: MoveTasks;
  readonly urlOf: (queue: Queue) => string;
  readonly accountId: string;
  /** Aborts where the caller goes away. */
  readonly signal: AbortSignal;
}

export type SqsAction = (parameters: Parameters, context: SqsContext) => object | Promise<object>;

/** SQS's, in seconds. */
const MAX_VISIBILITY_SECONDS = 43_200;
const MAX_DELAY_SECONDS = 900;
const MAX_WAIT_SECONDS = 20;
const MAX_BATCH = 10;

function text(parameters: Parameters, name: string): string {
  const value = parameters[name];
  if (value === undefined || value === null) {
    throw missingParameter(`The request must contain the parameter ${name}.`);
  }
  if (typeof value !== "string") throw malformedInput(`${name} must be a string.`);
  return value;
}

function integer(
  parameters: Parameters,
  name: string,
  { min, max, byDefault }: { readonly min: number; readonly max: number; readonly byDefault: number },
): number {
  const value = parameters[name] ?? byDefault;
  if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
    throw invalidParameter(
      `Value ${JSON.stringify(value)} for parameter ${name} is invalid. Reason: Must be an integer from ${min} to ${max}.`,
    );
  }
  return value;
}

function list(parameters: Parameters, name: string): readonly unknown[] {
  const value = parameters[name] ?? [];
  if (!Array.isArray(value)) throw malformedInput(`${name} must be a list.`);
  return value;
}

const strings = (parameters: Parameters, name: string) => list(parameters, name).map(String);

const entriesOf = (parameters: Parameters) => list(parameters, "Entries") as readonly Entry[];

function queueOf(parameters: Parameters, { queues }: SqsContext): Queue {
  const name = text(parameters, "QueueUrl").split("/").at(-1);
  const queue = queues.find((each) => each.name === name);
  if (!queue) throw queueDoesNotExist("The specified queue does not exist.");
  return queue;
}

function queueByArn(parameters: Parameters, name: string, { queues }: SqsContext): Queue {
  const arn = text(parameters, name);
  const queue = queues.find((each) => each.arn === arn);
  if (!queue)
    throw resourceNotFound(`The resource that you specified for the ${name} parameter doesn't exist.`);
  return queue;
}

const attributesOf = (parameters: Parameters): MessageAttributes =>
  (parameters["MessageAttributes"] ?? {}) as MessageAttributes;

/** Sends a message. @throws SqsError where the queue does not take it */
export function sendMessage(queue: Queue, parameters: Parameters): object {
  const body = text(parameters, "MessageBody");
  const attributes = attributesOf(parameters);
  assertMessage(body, attributes, queue.maxMessageBytes);
  const delay = integer(parameters, "DelaySeconds", { min: 0, max: MAX_DELAY_SECONDS, byDefault: 0 });
  const system = (parameters["MessageSystemAttributes"] ?? {}) as MessageAttributes;
  const traceHeader = system["AWSTraceHeader"]?.StringValue;
  const message: Message = {
    messageId: randomUUID(),
    body,
    attributes,
    sentAt: Date.now(),
    receiveCount: 0,
    ...(traceHeader !== undefined && { traceHeader }),
  };
  queue.send(message, delay);
  return {
    MessageId: message.messageId,
    MD5OfMessageBody: md5(body),
    MD5OfMessageAttributes: md5OfAttributes(attributes),
    MD5OfMessageSystemAttributes: md5OfAttributes(system),
  };
}

/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html */
function described(
  { message, receiptHandle }: ReceivedMessage,
  parameters: Parameters,
  { accountId }: SqsContext,
): object {
  const { sentAt, firstReceivedAt = sentAt, receiveCount, deadLetterSourceArn, traceHeader } = message;
  const system: Readonly<Record<string, string | undefined>> = {
    SenderId: accountId,
    SentTimestamp: String(sentAt),
    ApproximateReceiveCount: String(receiveCount),
    ApproximateFirstReceiveTimestamp: String(firstReceivedAt),
    DeadLetterQueueSourceArn: deadLetterSourceArn,
    AWSTraceHeader: traceHeader,
  };
  // AttributeNames is what older SDKs send.
  const names = [
    ...strings(parameters, "MessageSystemAttributeNames"),
    ...strings(parameters, "AttributeNames"),
  ];
  const attributes = Object.entries(system).filter(
    ([name, value]) => value !== undefined && (names.includes("All") || names.includes(name)),
  );
  const selected = selectAttributes(message.attributes, strings(parameters, "MessageAttributeNames"));
  return {
    MessageId: message.messageId,
    ReceiptHandle: receiptHandle,
    Body: message.body,
    MD5OfBody: md5(message.body),
    ...(attributes.length > 0 && { Attributes: Object.fromEntries(attributes) }),
    ...(Object.keys(selected).length > 0 && {
      MessageAttributes: selected,
      MD5OfMessageAttributes: md5OfAttributes(selected),
    }),
  };
}

interface Entry extends Parameters {
  readonly Id: string;
}

/** The entries of a batch, each done by itself: what fails is named in the answer, and the others are done. */
function inBatch(parameters: Parameters, act: (entry: Parameters) => object): object {
  const entries = entriesOf(parameters);
  if (entries.length === 0) throw emptyBatch("The batch request doesn't contain any entries.");
  if (entries.length > MAX_BATCH) {
    throw tooManyEntries(`Maximum number of entries per request are 10. You have sent ${entries.length}.`);
  }
  const ids = entries.map(({ Id }) => Id);
  if (!ids.every((id) => typeof id === "string" && /^[\w-]{1,80}$/.test(id))) {
    throw invalidEntryId(
      "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.",
    );
  }
  if (new Set(ids).size < ids.length) throw idsNotDistinct("Two or more batch entries have the same Id.");
  const Successful: object[] = [];
  const Failed: object[] = [];
  for (const entry of entries) {
    try {
      Successful.push({ Id: entry.Id, ...act(entry) });
    } catch (error) {
      if (!(error instanceof SqsError)) throw error;
      Failed.push({ Id: entry.Id, Code: error.queryCode, Message: error.message, SenderFault: true });
    }
  }
  return { Successful, Failed };
}

function changeVisibility(queue: Queue, parameters: Parameters): object {
  const receipt = text(parameters, "ReceiptHandle");
  const limits = { min: 0, max: MAX_VISIBILITY_SECONDS, byDefault: Number.NaN };
  queue.changeVisibility(receipt, integer(parameters, "VisibilityTimeout", limits));
  return {};
}

function deleteMessage(queue: Queue, parameters: Parameters): object {
  queue.delete(text(parameters, "ReceiptHandle"));
  return {};
}

function queueAttributes(queue: Queue, wanted: readonly string[]): Readonly<Record<string, string>> {
  const createdAt = String(Math.floor(queue.createdAt / 1000));
  const all: Readonly<Record<string, string>> = {
    DelaySeconds: "0",
    SqsManagedSseEnabled: "true",
    ...queue.declaredAttributes,
    QueueArn: queue.arn,
    ApproximateNumberOfMessages: String(queue.count("visible")),
    ApproximateNumberOfMessagesNotVisible: String(queue.count("in flight")),
    ApproximateNumberOfMessagesDelayed: String(queue.count("delayed")),
    CreatedTimestamp: createdAt,
    LastModifiedTimestamp: createdAt,
    VisibilityTimeout: String(queue.visibilityTimeoutSeconds),
    ReceiveMessageWaitTimeSeconds: String(queue.receiveWaitTimeSeconds),
    MessageRetentionPeriod: String(queue.retentionSeconds),
    MaximumMessageSize: String(queue.maxMessageBytes),
  };
  if (wanted.includes("All")) return all;
  const optional = ["Policy", "RedrivePolicy", "RedriveAllowPolicy", "KmsMasterKeyId"];
  for (const name of wanted) {
    if (!(name in all) && !optional.includes(name)) throw invalidAttributeName(`Unknown Attribute ${name}.`);
  }
  return Object.fromEntries(Object.entries(all).filter(([name]) => wanted.includes(name)));
}

/** The actions that a consumer, a producer and an operator need. */
export const SQS_ACTIONS: Readonly<Record<string, SqsAction>> = {
  SendMessage: (parameters, context) => sendMessage(queueOf(parameters, context), parameters),

  SendMessageBatch: (parameters, context) => {
    const queue = queueOf(parameters, context);
    const sizes = entriesOf(parameters).map((entry) =>
      sizeOf(text(entry, "MessageBody"), attributesOf(entry)),
    );
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    if (bytes > queue.maxMessageBytes) {
      throw batchTooLong(
        `Batch requests cannot be longer than ${queue.maxMessageBytes} bytes. You have sent ${bytes} bytes.`,
      );
    }
    return inBatch(parameters, (entry) => sendMessage(queue, entry));
  },

  ReceiveMessage: async (parameters, context) => {
    const queue = queueOf(parameters, context);
    const seconds = (name: string, max: number, byDefault: number) =>
      integer(parameters, name, { min: 0, max, byDefault });
    const messages = await queue.receive({
      maxMessages: integer(parameters, "MaxNumberOfMessages", { min: 1, max: MAX_BATCH, byDefault: 1 }),
      waitSeconds: seconds("WaitTimeSeconds", MAX_WAIT_SECONDS, queue.receiveWaitTimeSeconds),
      visibilitySeconds: seconds("VisibilityTimeout", MAX_VISIBILITY_SECONDS, queue.visibilityTimeoutSeconds),
      signal: context.signal,
    });
    return messages.length > 0
      ? { Messages: messages.map((message) => described(message, parameters, context)) }
      : {};
  },

  DeleteMessage: (parameters, context) => deleteMessage(queueOf(parameters, context), parameters),
  DeleteMessageBatch: (parameters, context) => {
    const queue = queueOf(parameters, context);
    return inBatch(parameters, (entry) => deleteMessage(queue, entry));
  },

  ChangeMessageVisibility: (parameters, context) =>
    changeVisibility(queueOf(parameters, context), parameters),
  ChangeMessageVisibilityBatch: (parameters, context) => {
    const queue = queueOf(parameters, context);
    return inBatch(parameters, (entry) => changeVisibility(queue, entry));
  },

  PurgeQueue: (parameters, context) => {
    queueOf(parameters, context).purge();
    return {};
  },

  GetQueueAttributes: (parameters, context) => {
    const names = strings(parameters, "AttributeNames");
    const Attributes = queueAttributes(queueOf(parameters, context), names);
    return Object.keys(Attributes).length > 0 ? { Attributes } : {};
  },

  GetQueueUrl: (parameters, context) => {
    const QueueUrl = text(parameters, "QueueName");
    return { QueueUrl: context.urlOf(queueOf({ QueueUrl }, context)) };
  },

  CreateQueue: (parameters, { queues, createQueue, urlOf }) => {
    const name = text(parameters, "QueueName");
    if (!/^[\w-]{1,80}$/.test(name)) {
      throw invalidParameter(
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.",
      );
    }
    const attributes = (parameters["Attributes"] ?? {}) as Readonly<Record<string, string>>;
    return { QueueUrl: urlOf(queues.find((queue) => queue.name === name) ?? createQueue(name, attributes)) };
  },

  DeleteQueue: (parameters, context) => {
    const queue = queueOf(parameters, context);
    queue.purge();
    context.deleteQueue(queue);
    return {};
  },

  ListQueues: (parameters, { queues, urlOf }) => {
    const prefix = text({ QueueNamePrefix: "", ...parameters }, "QueueNamePrefix");
    const found = queues.filter(({ name }) => name.startsWith(prefix));
    return found.length > 0 ? { QueueUrls: found.map(urlOf) } : {};
  },

  ListDeadLetterSourceQueues: (parameters, context) => {
    const { arn } = queueOf(parameters, context);
    const sources = context.queues.filter(({ redrivePolicy }) => redrivePolicy?.deadLetterTargetArn === arn);
    return { queueUrls: sources.map(context.urlOf) };
  },

  StartMessageMoveTask: (parameters, context) => {
    const source = queueByArn(parameters, "SourceArn", context);
    if (!context.queues.some(({ redrivePolicy }) => redrivePolicy?.deadLetterTargetArn === source.arn)) {
      throw invalidParameter("Source queue must be configured as a Dead Letter Queue.");
    }
    const destination =
      parameters["DestinationArn"] === undefined
        ? undefined
        : queueByArn(parameters, "DestinationArn", context);
    if (destination === source) {
      throw invalidParameter("Source queue arn and destination queue arn cannot be the same.");
    }
    return { TaskHandle: context.moveTasks.start(source, destination) };
  },

  ListMessageMoveTasks: (parameters, context) => {
    const max = integer(parameters, "MaxResults", { min: 1, max: 10, byDefault: 1 });
    return { Results: context.moveTasks.list(queueByArn(parameters, "SourceArn", context), max) };
  },

  CancelMessageMoveTask: (parameters, { moveTasks }) => ({
    ApproximateNumberOfMessagesMoved: moveTasks.cancel(text(parameters, "TaskHandle")),
  }),
};
