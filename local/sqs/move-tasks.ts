import { randomUUID } from "node:crypto";
import { invalidParameter, resourceNotFound } from "./errors";
import type { Queue } from "./queue";

/** Messages that a task moves before other requests have their turn. */
const MOVED_AT_ONCE = 100;

/** A task that moves dead-letter messages, in the words of ListMessageMoveTasks. */
interface MoveTask {
  readonly TaskHandle: string;
  readonly SourceArn: string;
  readonly DestinationArn: string | undefined;
  readonly StartedTimestamp: number;
  readonly ApproximateNumberOfMessagesToMove: number;
  Status: "RUNNING" | "COMPLETED" | "CANCELLED" | "FAILED";
  ApproximateNumberOfMessagesMoved: number;
  FailureReason?: string;
}

/**
 * The tasks that move messages from a dead-letter queue. A moved message is a new one, with an id and an age of its own.
 *
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
 */
export class MoveTasks {
  readonly #tasks: MoveTask[] = [];

  constructor(private readonly findQueue: (arn: string) => Queue | undefined) {}

  /** @returns the task's handle */
  start(source: Queue, destination: Queue | undefined): string {
    if (this.#tasks.some(({ SourceArn, Status }) => SourceArn === source.arn && Status === "RUNNING")) {
      throw invalidParameter(
        "There is already a task running. Only one active task is allowed for a source queue.",
      );
    }
    const task: MoveTask = {
      TaskHandle: Buffer.from(JSON.stringify([source.arn, randomUUID()])).toString("base64"),
      SourceArn: source.arn,
      DestinationArn: destination?.arn,
      StartedTimestamp: Date.now(),
      ApproximateNumberOfMessagesToMove: source.count("visible"),
      Status: "RUNNING",
      ApproximateNumberOfMessagesMoved: 0,
    };
    this.#tasks.unshift(task);
    setImmediate(() => this.#run(task, source, destination));
    return task.TaskHandle;
  }

  #run(task: MoveTask, source: Queue, destination: Queue | undefined): void {
    for (let count = 0; count < MOVED_AT_ONCE; count += 1) {
      if (task.Status !== "RUNNING") return;
      const message = source.takeVisible();
      if (!message) {
        task.Status = "COMPLETED";
        return;
      }
      const target = destination ?? this.findQueue(message.deadLetterSourceArn ?? "");
      if (!target) {
        source.send(message);
        task.Status = "FAILED";
        task.FailureReason = "CouldNotDetermineMessageSource";
        return;
      }
      const { body, attributes, traceHeader } = message;
      target.send({
        messageId: randomUUID(),
        body,
        attributes,
        sentAt: Date.now(),
        receiveCount: 0,
        ...(traceHeader !== undefined && { traceHeader }),
      });
      task.ApproximateNumberOfMessagesMoved += 1;
    }
    setImmediate(() => this.#run(task, source, destination));
  }

  /** The newest tasks of a queue. Only a running one has a handle. */
  list({ arn }: Queue, max: number): object[] {
    return this.#tasks
      .filter(({ SourceArn }) => SourceArn === arn)
      .slice(0, max)
      .map(({ TaskHandle, ...task }) => (task.Status === "RUNNING" ? { TaskHandle, ...task } : task));
  }

  /** @returns how many messages it has moved */
  cancel(handle: string): number {
    const task = this.#tasks.find(({ TaskHandle, Status }) => TaskHandle === handle && Status === "RUNNING");
    if (!task) throw resourceNotFound("There is no running task with this handle.");
    task.Status = "CANCELLED";
    return task.ApproximateNumberOfMessagesMoved;
  }
}
