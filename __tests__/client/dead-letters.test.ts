import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SQSClient,
  SendMessageCommand,
} from "@aws-sdk/client-sqs";
import { DeadLetters } from "../../client/dead-letters";
import { CREDENTIALS } from "../../local/chain";
import { describeWith } from "../terraform/describe-with";
import { FAKE_KEYS, startMoto } from "../terraform/moto";
import { stopProcesses } from "../terraform/processes";
import { LACKS, type LimitedSqs, startLimitedSqs } from "./limited-sqs";
import { setUp } from "./tools";

const world = setUp();

/** A queue whose letters show again before all have been seen: it gives ten at a time, round and round. */
function roundAndRound(count: number) {
  let position = 0;
  let polls = 0;
  const send = (command: unknown) => {
    if (!(command instanceof ReceiveMessageCommand)) return Promise.resolve({});
    polls += 1;
    const Messages = Array.from({ length: Math.min(10, count) }, () => {
      position += 1;
      return { MessageId: String(position % count), ReceiptHandle: `${position}`, Body: "no JSON" };
    });
    return Promise.resolve({ Messages });
  };
  return { sqs: { send } as unknown as SQSClient, polls: () => polls };
}

test.each([
  [3, 2],
  [25, 4],
])("%i letters that show again while they are received end it, each of them once", async (count, most) => {
  const { sqs, polls } = roundAndRound(count);
  const letters = new DeadLetters({ sqs, deadLetterQueueUrl: "", queueUrl: "" });
  const received = await letters.receive(1000);
  expect(new Set(received.map(({ messageId }) => messageId)).size).toBe(received.length);
  expect([received.length, polls()]).toEqual([count, most]);
});

/** Makes a dead letter by receiving a message as often as the queue's redrive policy says, and once more. */
async function makeLetter(
  sqs: SQSClient,
  QueueUrl: string,
  MessageBody: string,
  receives = 5,
): Promise<void> {
  await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }));
  await receiveTooOften(sqs, QueueUrl, receives);
}

async function receiveTooOften(sqs: SQSClient, QueueUrl: string, receives = 5): Promise<void> {
  const once = { QueueUrl, VisibilityTimeout: 0, WaitTimeSeconds: 0, MaxNumberOfMessages: 10 };
  for (let receive = 0; receive <= receives; receive += 1) await sqs.send(new ReceiveMessageCommand(once));
}

async function hidden(sqs: SQSClient, QueueUrl: string): Promise<number> {
  const name = "ApproximateNumberOfMessagesNotVisible";
  const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: [name] }));
  return Number(Attributes?.[name]);
}

describe("a letter's receives", () => {
  test("are those of the queue that it comes from, however often it is looked at", async () => {
    const { sqs, chain } = world();
    await makeLetter(sqs, chain.queueUrl, "poison");
    for (let look = 0; look < 3; look += 1) {
      const letters = new DeadLetters({ sqs, ...chain });
      const received = await letters.receive(10);
      expect(received.map(({ receiveCount }) => receiveCount)).toEqual([5]);
      await letters.release();
    }
  });

  test("are none where EventBridge could not deliver", async () => {
    const { sqs, chain } = world();
    const MessageAttributes = { RULE_ARN: { DataType: "String", StringValue: "arn:aws:events:::rule/r" } };
    const letter = { QueueUrl: chain.deadLetterQueueUrl, MessageBody: "{}", MessageAttributes };
    await sqs.send(new SendMessageCommand(letter));
    for (let look = 0; look < 2; look += 1) {
      const letters = new DeadLetters({ sqs, ...chain });
      expect(await letters.receive(10)).toMatchObject([{ receiveCount: 0 }]);
      await letters.release();
    }
  });
});

describe.each(Object.entries(LACKS))("on an engine that lacks operations as %s does", (_, lack) => {
  let engine: LimitedSqs;
  let sqs: SQSClient;
  beforeEach(async () => {
    const { chain } = world();
    engine = await startLimitedSqs(chain.sqsEndpoint);
    engine.answers = { StartMessageMoveTask: lack, ChangeMessageVisibilityBatch: lack };
    sqs = new SQSClient({ endpoint: engine.endpoint, region: chain.stack.region, credentials: CREDENTIALS });
  });
  afterEach(async () => {
    sqs.destroy();
    await engine.stop();
  });

  test("all letters are sent back one by one, and one that fails again meanwhile is not moved twice", async () => {
    const { chain } = world();
    const bodies = Array.from({ length: 12 }, (__, index) => `poison ${index}`);
    for (const body of bodies) await makeLetter(world().sqs, chain.queueUrl, body);
    const letters = new DeadLetters({ sqs, ...chain });
    let failsAgain: Promise<void> | undefined;
    const reports: (readonly [number, number])[] = [];
    const moved = await letters.redriveAll((...report) => {
      reports.push(report);
      // The consumers are still there.
      failsAgain ??= receiveTooOften(world().sqs, chain.queueUrl);
    });
    await failsAgain;
    expect(moved).toBe(12);
    expect(reports).toEqual(bodies.map((__, index) => [index + 1, 12]));
    expect(engine.asked).toContain("StartMessageMoveTask");
    await letters.release();
    expect(await hidden(world().sqs, chain.deadLetterQueueUrl)).toBe(0);
  });

  test("letters that were looked at are shown again one by one", async () => {
    const { chain } = world();
    for (const body of ["a", "b"]) await makeLetter(world().sqs, chain.queueUrl, body);
    const letters = new DeadLetters({ sqs, ...chain });
    expect(await letters.receive(10)).toHaveLength(2);
    expect(await letters.count()).toEqual({ visible: 0, inFlight: 0 });
    await letters.release();
    expect(await hidden(world().sqs, chain.deadLetterQueueUrl)).toBe(0);
    expect(await letters.count()).toEqual({ visible: 2, inFlight: 0 });
  });
});

test("a refusal is no lack: nothing is moved one by one", async () => {
  const { chain } = world();
  const engine = await startLimitedSqs(chain.sqsEndpoint);
  const denied = [
    403,
    '{"__type":"com.amazon.coral.service#AccessDeniedException","message":"No."}',
  ] as const;
  engine.answers = { StartMessageMoveTask: denied, ChangeMessageVisibilityBatch: denied };
  await makeLetter(world().sqs, chain.queueUrl, "poison");
  const settings = { endpoint: engine.endpoint, region: chain.stack.region, credentials: CREDENTIALS };
  const sqs = new SQSClient(settings);
  const letters = new DeadLetters({ sqs, ...chain });
  await expect(letters.redriveAll()).rejects.toThrow("No.");
  expect(engine.asked).not.toContain("SendMessage");
  for (let index = 0; index < 11; index += 1) {
    const letter = { QueueUrl: chain.deadLetterQueueUrl, MessageBody: "poison" };
    await sqs.send(new SendMessageCommand(letter));
  }
  expect(await letters.receive(12)).toHaveLength(12);
  await expect(letters.release()).rejects.toThrow("No.");
  const shown = engine.asked.filter((operation) => operation.startsWith("ChangeMessageVisibility"));
  expect(shown).toEqual(["ChangeMessageVisibilityBatch", "ChangeMessageVisibilityBatch"]);
  sqs.destroy();
  await engine.stop();
});

describeWith(["moto_server"], "on moto", (tools) => {
  afterAll(stopProcesses);

  test("letters are listed, shown again and sent back", async () => {
    const region = "eu-central-1";
    const { url: endpoint } = await startMoto(tools.moto_server, "123456789012", region);
    const sqs = new SQSClient({ endpoint, region, credentials: FAKE_KEYS });
    const create = async (QueueName: string, Attributes = {}) =>
      (await sqs.send(new CreateQueueCommand({ QueueName, Attributes }))).QueueUrl ?? "";
    const deadLetterQueueUrl = await create("dead");
    const deadLetterTargetArn = `arn:aws:sqs:${region}:123456789012:dead`;
    const queueUrl = await create("queue", {
      RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 2 }),
    });
    for (const body of ["a", "b"]) await makeLetter(sqs, queueUrl, body, 2);
    const letters = new DeadLetters({ sqs, deadLetterQueueUrl, queueUrl });
    const received = await letters.receive(10);
    expect(received.map(({ body, receiveCount }) => [body, receiveCount])).toEqual([
      ["a", 2],
      ["b", 2],
    ]);
    await letters.release();
    expect(await letters.redriveAll()).toBe(2);
    expect(await letters.count()).toEqual({ visible: 0, inFlight: 0 });
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl: queueUrl, MaxNumberOfMessages: 10 }),
    );
    expect(Messages.map(({ Body = "" }) => Body).toSorted()).toEqual(["a", "b"]);
    sqs.destroy();
  });
});
