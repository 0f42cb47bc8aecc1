import { EventEmitter, once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type ConsumedBatch, startEventSource } from "../../local/sqs/event-source";

const SOURCE = { queueArn: "arn:queue", functionArn: "arn:function", batchSize: 10, reportsFailures: true };
const MESSAGES = ["m1", "m2"].map((id) => ({
  MessageId: id,
  ReceiptHandle: `${id}-receipt`,
  Body: id,
  MD5OfBody: "",
}));

/** An SQS with two messages at first, and what it was asked to delete. */
async function queueWithTwo(statuses: number[] = []) {
  const deleted: string[] = [];
  let given = false;
  const server = createServer((request, response) => {
    void request.toArray().then((chunks) => {
      const { ReceiptHandle } = JSON.parse(Buffer.concat(chunks as Buffer[]).toString()) as {
        ReceiptHandle?: string;
      };
      const status = statuses.shift() ?? 200;
      if (ReceiptHandle) deleted.push(ReceiptHandle);
      if (status !== 200) response.writeHead(status).end("no");
      else if (ReceiptHandle) response.end("{}");
      // A second poll stays open, as on an empty queue.
      else if (!given) response.end(JSON.stringify({ Messages: MESSAGES }));
      given ||= status === 200;
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { endpoint, deleted, close: () => server.close() && server.closeAllConnections() };
}

/** What becomes of the two messages where a function answers so. */
async function consume(invoke: () => unknown, statuses: number[] = []) {
  const log = jest.spyOn(console, "error").mockImplementation(() => {});
  const { endpoint, deleted, close } = await queueWithTwo(statuses);
  const consumer = { invoke: invoke as () => Promise<unknown>, stop: () => {} };
  const batches: ConsumedBatch[] = [];
  const told = new EventEmitter();
  const onBatch = (batch: ConsumedBatch) => told.emit("batch", batches.push(batch));
  const source = startEventSource({
    source: SOURCE,
    region: "r",
    endpoint,
    queueUrl: "q",
    consumer,
    onBatch,
  });
  await once(told, "batch");
  await source.stop();
  close();
  log.mockRestore();
  return { failed: batches[0]?.failed, deleted };
}

const BOTH = { failed: ["m1", "m2"], deleted: [] };
const NONE = { failed: [], deleted: ["m1-receipt", "m2-receipt"] };

test.each<[string, () => unknown, object]>([
  ["answers nothing", () => Promise.resolve(), NONE],
  ["answers no failures", () => Promise.resolve({ batchItemFailures: [] }), NONE],
  ["answers null for them", () => Promise.resolve({ batchItemFailures: null }), NONE],
  [
    "names one message",
    () => Promise.resolve({ batchItemFailures: [{ itemIdentifier: "m1" }] }),
    { failed: ["m1"], deleted: ["m2-receipt"] },
  ],
  [
    "names one that it was not given",
    () => Promise.resolve({ batchItemFailures: [{ itemIdentifier: "x" }] }),
    BOTH,
  ],
  ["names nothing", () => Promise.resolve({ batchItemFailures: [null] }), BOTH],
  ["answers a word", () => Promise.resolve({ batchItemFailures: "x" }), BOTH],
  ["rejects", () => Promise.reject(new Error("no")), BOTH],
  [
    "throws at once",
    () => {
      throw new Error("no");
    },
    BOTH,
  ],
])("where a function %s, what is done is deleted and the rest comes back", async (_, invoke, outcome) => {
  expect(await consume(invoke)).toEqual(outcome);
});

test("a queue that cannot be asked for a moment is asked again", async () => {
  expect(await consume(() => Promise.resolve(), [500])).toEqual(NONE);
});

test("a function that is at work when all stops does not hold it up", async () => {
  const { endpoint, deleted, close } = await queueWithTwo();
  let called = () => {};
  const begun = new Promise<void>((resolve) => (called = resolve));
  const invoke = () => {
    called();
    return new Promise(() => {});
  };
  const consumer = { invoke, stop: () => {} };
  const source = startEventSource({
    source: SOURCE,
    region: "r",
    endpoint,
    queueUrl: "q",
    consumer,
    onBatch: () => {},
  });
  await begun;
  await source.stop();
  expect(deleted).toEqual([]);
  close();
});
