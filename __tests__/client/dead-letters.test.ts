import type { SQSClient } from "@aws-sdk/client-sqs";
import { DeadLetters } from "../../client/dead-letters";

/** A queue whose letters show again before all have been seen: it gives ten at a time, round and round. */
function roundAndRound(count: number) {
  let position = 0;
  let polls = 0;
  const send = () => {
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
