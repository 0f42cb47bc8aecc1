import {
  ChangeMessageVisibilityBatchCommand,
  ChangeMessageVisibilityCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListDeadLetterSourceQueuesCommand,
  ListMessageMoveTasksCommand,
  ListQueuesCommand,
  type Message,
  PurgeQueueCommand,
  ReceiveMessageCommand,
  type ReceiveMessageCommandInput,
  SQSClient,
  SendMessageBatchCommand,
  SendMessageCommand,
  type SendMessageCommandInput,
  SetQueueAttributesCommand,
  StartMessageMoveTaskCommand,
} from "@aws-sdk/client-sqs";
import { CREDENTIALS } from "../../local/chain";
import { type LocalSqs, startSqs } from "../../local/sqs/sqs";

const region = "eu-central-1";
const accountId = "123456789012";
const arnOf = (name: string) => `arn:aws:sqs:${region}:${accountId}:${name}`;
const policy = { Statement: [] };
const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: arnOf("dead"), maxReceiveCount: 2 });

let local: LocalSqs;
let sqs: SQSClient;

beforeAll(async () => {
  local = await startSqs({
    queues: [
      { name: "queue", arn: arnOf("queue"), policy, attributes: { VisibilityTimeout: "60", RedrivePolicy } },
      { name: "dead", arn: arnOf("dead"), policy, attributes: {} },
    ],
    region,
    accountId,
    roles: [],
    port: 0,
  });
  sqs = new SQSClient({ endpoint: local.endpoint, region, credentials: CREDENTIALS });
});

afterAll(async () => {
  sqs.destroy();
  await local.stop();
});

const QueueUrl = () => local.urlOf(arnOf("queue"));
const DeadUrl = () => local.urlOf(arnOf("dead"));

beforeEach(async () => {
  for (const url of [QueueUrl(), DeadUrl()]) await sqs.send(new PurgeQueueCommand({ QueueUrl: url }));
});

const send = (MessageBody: string, rest: Partial<SendMessageCommandInput> = {}) =>
  sqs.send(new SendMessageCommand({ QueueUrl: QueueUrl(), MessageBody, ...rest }));

async function receive(options: Partial<ReceiveMessageCommandInput> = {}): Promise<Message[]> {
  const { Messages = [] } = await sqs.send(
    new ReceiveMessageCommand({ QueueUrl: QueueUrl(), MessageSystemAttributeNames: ["All"], ...options }),
  );
  return Messages;
}

async function receiveOne(options: Partial<ReceiveMessageCommandInput> = {}): Promise<Message> {
  const [message] = await receive({ WaitTimeSeconds: 10, ...options });
  if (!message) throw new Error("No message came.");
  return message;
}

const show = ({ ReceiptHandle }: Message, url = QueueUrl(), VisibilityTimeout = 0) =>
  sqs.send(new ChangeMessageVisibilityCommand({ QueueUrl: url, ReceiptHandle, VisibilityTimeout }));

async function counts(url = QueueUrl()) {
  const { Attributes = {} } = await sqs.send(
    new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ["All"] }),
  );
  return {
    visible: Attributes.ApproximateNumberOfMessages,
    inFlight: Attributes.ApproximateNumberOfMessagesNotVisible,
    delayed: Attributes.ApproximateNumberOfMessagesDelayed,
  };
}

test("a message is hidden while it is in flight, counted as such, and gone once it is deleted", async () => {
  await send("a");
  await send("b", { DelaySeconds: 900 });
  const message = await receiveOne();
  expect(message.Body).toBe("a");
  expect(await receive()).toEqual([]);
  expect(await counts()).toEqual({ visible: "0", inFlight: "1", delayed: "1" });
  await sqs.send(new DeleteMessageCommand({ QueueUrl: QueueUrl(), ReceiptHandle: message.ReceiptHandle }));
  // Twice is no error.
  await sqs.send(new DeleteMessageCommand({ QueueUrl: QueueUrl(), ReceiptHandle: message.ReceiptHandle }));
  expect(await counts()).toEqual({ visible: "0", inFlight: "0", delayed: "1" });
});

test("a long poll ends with the first message, and with a message that is shown again", async () => {
  const polled = receiveOne({ WaitTimeSeconds: 20 });
  await send("a");
  const message = await polled;
  const again = receiveOne({ WaitTimeSeconds: 20 });
  await show(message);
  expect((await again).Attributes?.ApproximateReceiveCount).toBe("2");
});

test("a message whose visibility timeout ends comes again, behind those that wait", async () => {
  await send("slow");
  await receiveOne({ VisibilityTimeout: 1 });
  expect((await receiveOne({ WaitTimeSeconds: 20 })).Body).toBe("slow");
});

test("a message that is visible again at once is in one response once", async () => {
  await send("a");
  expect(await receive({ VisibilityTimeout: 0, MaxNumberOfMessages: 10 })).toHaveLength(1);
});

test("a dead-letter message keeps its id, its age and its receives, and names its source", async () => {
  const { MessageId } = await send("poison");
  const first = await receiveOne();
  await show(first);
  await show(await receiveOne());
  const dead = await receiveOne({ QueueUrl: DeadUrl() });
  expect(dead).toMatchObject({
    MessageId,
    Body: "poison",
    Attributes: {
      SentTimestamp: first.Attributes?.SentTimestamp,
      ApproximateReceiveCount: "3",
      DeadLetterQueueSourceArn: arnOf("queue"),
    },
  });
  expect(await counts()).toEqual({ visible: "0", inFlight: "0", delayed: "0" });
});

test("a redriven message is a new one, in the queue that it came from", async () => {
  const { MessageId } = await send("poison");
  for (let times = 0; times < 2; times += 1) await show(await receiveOne());
  const { TaskHandle } = await sqs.send(new StartMessageMoveTaskCommand({ SourceArn: arnOf("dead") }));
  expect(TaskHandle).toBeTruthy();
  const redriven = await receiveOne();
  expect(redriven).toMatchObject({ Body: "poison", Attributes: { ApproximateReceiveCount: "1" } });
  expect(redriven.MessageId).not.toBe(MessageId);
  const { Results = [] } = await sqs.send(new ListMessageMoveTasksCommand({ SourceArn: arnOf("dead") }));
  expect(Results).toMatchObject([{ Status: "COMPLETED", ApproximateNumberOfMessagesMoved: 1 }]);
});

test("a message that no queue has sent on cannot be moved without a destination, and stays", async () => {
  await send("orphan", { QueueUrl: DeadUrl() });
  const task = (rest: object) =>
    sqs.send(new StartMessageMoveTaskCommand({ SourceArn: arnOf("dead"), ...rest }));
  const state = async () => {
    const { Results = [] } = await sqs.send(new ListMessageMoveTasksCommand({ SourceArn: arnOf("dead") }));
    return Results[0];
  };
  await task({});
  expect(await state()).toMatchObject({ Status: "FAILED", FailureReason: "CouldNotDetermineMessageSource" });
  expect(await counts(DeadUrl())).toMatchObject({ visible: "1" });
  await task({ DestinationArn: arnOf("queue") });
  expect((await receiveOne()).Body).toBe("orphan");
});

test("each entry of a batch is done by itself, and those that fail are named", async () => {
  const { Successful, Failed } = await sqs.send(
    new SendMessageBatchCommand({
      QueueUrl: QueueUrl(),
      Entries: [
        { Id: "a", MessageBody: "a" },
        { Id: "control", MessageBody: "\u0001" },
        { Id: "late", MessageBody: "c", DelaySeconds: 901 },
        { Id: "b", MessageBody: "b" },
      ],
    }),
  );
  expect([Successful?.map(({ Id }) => Id), Failed?.map(({ Id, Code }) => [Id, Code])]).toEqual([
    ["a", "b"],
    [
      ["control", "InvalidMessageContents"],
      ["late", "InvalidParameterValue"],
    ],
  ]);
  const messages = await receive({ MaxNumberOfMessages: 10, WaitTimeSeconds: 5 });
  const entries = messages.map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle }));
  const shown = await sqs.send(
    new ChangeMessageVisibilityBatchCommand({
      QueueUrl: QueueUrl(),
      Entries: [...entries, { Id: "none", ReceiptHandle: "none" }].map((entry) => ({
        ...entry,
        VisibilityTimeout: 30,
      })),
    }),
  );
  expect(shown.Failed?.map(({ Id, Code }) => [Id, Code])).toEqual([["none", "ReceiptHandleIsInvalid"]]);
  await sqs.send(new DeleteMessageBatchCommand({ QueueUrl: QueueUrl(), Entries: entries }));
  expect(await counts()).toEqual({ visible: "0", inFlight: "0", delayed: "0" });
});

test("queues are found by name, by prefix and by their dead-letter queue", async () => {
  expect((await sqs.send(new GetQueueUrlCommand({ QueueName: "queue" }))).QueueUrl).toBe(QueueUrl());
  const { QueueUrls } = await sqs.send(new ListQueuesCommand({ QueueNamePrefix: "de" }));
  expect(QueueUrls).toEqual([DeadUrl()]);
  const sources = await sqs.send(new ListDeadLetterSourceQueuesCommand({ QueueUrl: DeadUrl() }));
  expect(sources.queueUrls).toEqual([QueueUrl()]);
});

const entries = (count: number, id = (index: number) => String(index)) =>
  Array.from({ length: count }, (_, index) => ({ Id: id(index), MessageBody: "a" }));
const batch = (Entries: ReturnType<typeof entries>) =>
  sqs.send(new SendMessageBatchCommand({ QueueUrl: QueueUrl(), Entries }));
const attribute = (name: string, value: object) =>
  send("a", { MessageAttributes: { [name]: value as { DataType: string } } });

test.each<[string, string, () => Promise<unknown>]>([
  ["a queue that is not there", "QueueDoesNotExist", () => send("a", { QueueUrl: `${QueueUrl()}s` })],
  ["an empty body", "InvalidParameterValue", () => send("")],
  ["a character that is not XML's", "InvalidMessageContents", () => send("\uFFFE")],
  ["half a character", "InvalidMessageContents", () => send("\uD800")],
  ["a message over its limit", "InvalidParameterValue", () => send("a".repeat(262_145))],
  ["a delay over 15 minutes", "InvalidParameterValue", () => send("a", { DelaySeconds: 901 })],
  ["eleven messages at once", "InvalidParameterValue", () => receive({ MaxNumberOfMessages: 11 })],
  ["a poll of over 20 s", "InvalidParameterValue", () => receive({ WaitTimeSeconds: 21 })],
  ["a batch of none", "EmptyBatchRequest", () => batch([])],
  ["a batch of eleven", "TooManyEntriesInBatchRequest", () => batch(entries(11))],
  ["two entries of one id", "BatchEntryIdsNotDistinct", () => batch(entries(2, () => "a"))],
  ["an entry's id that is none", "InvalidBatchEntryId", () => batch(entries(1, () => "a b"))],
  [
    "a batch over the limit of one message",
    "BatchRequestTooLong",
    () => batch(entries(2).map((entry) => ({ ...entry, MessageBody: "a".repeat(140_000) }))),
  ],
  ["an attribute without a value", "InvalidParameterValue", () => attribute("a", { DataType: "String" })],
  [
    "an attribute of AWS's",
    "InvalidParameterValue",
    () => attribute("AWS.a", { DataType: "String", StringValue: "a" }),
  ],
  [
    "an attribute of no type",
    "InvalidParameterValue",
    () => attribute("a", { DataType: "Text", StringValue: "a" }),
  ],
  [
    "a receipt handle that is none",
    "ReceiptHandleIsInvalid",
    () => sqs.send(new DeleteMessageCommand({ QueueUrl: QueueUrl(), ReceiptHandle: "none" })),
  ],
  [
    "a queue attribute that is none",
    "InvalidAttributeName",
    () => sqs.send(new GetQueueAttributesCommand({ QueueUrl: QueueUrl(), AttributeNames: ["Age" as "All"] })),
  ],
  [
    "a move from a queue that has no dead letters",
    "InvalidParameterValue",
    () => sqs.send(new StartMessageMoveTaskCommand({ SourceArn: arnOf("queue") })),
  ],
  [
    "what the local SQS does not know",
    "UnknownOperation",
    () => sqs.send(new SetQueueAttributesCommand({ QueueUrl: QueueUrl(), Attributes: {} })),
  ],
])("refuses %s: %s", async (_, name, request) => {
  await expect(request()).rejects.toMatchObject({ name });
});

test("refuses to show or hide a message that is not in flight", async () => {
  await send("a");
  const message = await receiveOne();
  await show(message);
  await expect(show(message)).rejects.toMatchObject({ name: "MessageNotInflight" });
});

test.each([
  ["the query protocol", { "content-type": "application/x-www-form-urlencoded" }, "Action=ListQueues", 400],
  ["what is no JSON", { "x-amz-target": "AmazonSQS.ListQueues" }, "{", 400],
  ["a page of another origin", { "x-amz-target": "AmazonSQS.ListQueues", origin: "https://a.b" }, "{}", 403],
])("refuses %s", async (_, headers, body, status) => {
  expect((await fetch(local.endpoint, { method: "POST", headers, body })).status).toBe(status);
});
