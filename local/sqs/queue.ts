import { AsyncLocalStorage } from "node:async_hooks";
import type { ServerResponse } from "node:http";
import type { createRequestHandler } from "local-aws-sqs";

type Queue = ReturnType<typeof createRequestHandler>["service"]["Queues"][number];

/** A message as local-aws-sqs keeps it. */
interface Item {
  readonly record: {
    readonly MessageId: string;
    ReceiptHandle: string;
    readonly attributes: { ApproximateReceiveCount: string };
  };
}

interface ReceiveOptions {
  readonly MaxNumberOfMessages?: number;
  readonly WaitTimeSeconds?: number;
  readonly VisibilityTimeout?: number;
}

/** The response to the request on whose behalf a queue works. */
export const currentResponse = new AsyncLocalStorage<ServerResponse>();

/** A receipt of local-aws-sqs names its message, in JSON after a random prefix. */
const messageIdOf = (receiptHandle: string) =>
  /"MessageId":"([^"]+)"/.exec(Buffer.from(receiptHandle, "base64").toString("utf8"))?.[1] ?? "";

/** Mends where local-aws-sqs's queues are not like SQS's. */
export function mendQueues(queues: readonly Queue[]): void {
  // By their ids, which messages keep on their way to the dead-letter queue.
  const items = new Map<string, Item>();
  for (const queue of queues) mendQueue(queue, items);
}

function mendQueue(queue: Queue, items: Map<string, Item>): void {
  const find = (receiptHandle: string) => items.get(messageIdOf(receiptHandle));

  const newRecord = queue.newRecord;
  queue.newRecord = (message, delay) => {
    const item = newRecord(message, delay) as Item;
    items.set(item.record.MessageId, item);
    return item;
  };
  const remove = queue.delete.bind(queue);
  queue.delete = (receiptHandle) => {
    const removed = remove(receiptHandle);
    items.delete(messageIdOf(receiptHandle));
    return removed;
  };

  // It counts a change of visibility as a receive: a heartbeat would make dead letters.
  const changeVisibility = queue.changeVisibility.bind(queue);
  queue.changeVisibility = (receiptHandle, timeout) => {
    const changed = changeVisibility(receiptHandle, timeout);
    const item = find(receiptHandle);
    if (changed && item) countReceives(item, -1);
    return changed;
  };

  const receive = queue.receive.bind(queue);
  queue.receive = async ({ MaxNumberOfMessages: max = 1, ...options }: ReceiveOptions) => {
    // It waits until it has as many as were asked for; SQS answers once it has any.
    const messages = (await receive({ ...options, MaxNumberOfMessages: 1 })) as Item["record"][];
    // A message that is visible again at once would be received again.
    if (messages.length > 0 && max > 1 && (options.VisibilityTimeout ?? 1) > 0) {
      messages.push(...(await receive({ ...options, MaxNumberOfMessages: max - 1, WaitTimeSeconds: 0 })));
    }
    // A consumer that went away while it polled has received nothing.
    const response = currentResponse.getStore();
    if (!response?.destroyed || response.writableFinished) return messages;
    for (const { ReceiptHandle } of messages) {
      const item = find(ReceiptHandle);
      if (item) countReceives(item, -1);
      queue.changeVisibility(ReceiptHandle, "0");
    }
    return [];
  };
}

function countReceives({ record: { attributes } }: Item, difference: number): void {
  attributes.ApproximateReceiveCount = String(Number(attributes.ApproximateReceiveCount) + difference);
}
