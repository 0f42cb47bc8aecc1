import { randomUUID } from "node:crypto";
import type { StackQueue } from "../stack/stack";
import { messageNotInflight, overLimit, receiptHandleIsInvalid } from "./errors";
import { MAX_MESSAGE_BYTES, type Message } from "./message";
import type { MessageStore } from "./message-files";

/** A standard queue's limit: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html */
const MAX_IN_FLIGHT = 120_000;

/** Less than a network takes. It shows that a consumer has gone, whose poll would count as a receive. */
const HAND_OUT_DELAY_MS = 10;

/** A message in a queue: one that a consumer may receive, one that was received, or one that is sent with a delay. */
interface Entry {
  message: Message;
  state: "visible" | "in flight" | "delayed";
  /** Ends the visibility timeout, or the delay. */
  timer?: NodeJS.Timeout;
  readonly retention: NodeJS.Timeout;
}

export interface ReceivedMessage {
  readonly message: Message;
  readonly receiptHandle: string;
}

export interface ReceiveOptions {
  /** From 1 to 10. */
  readonly maxMessages: number;
  /** How long to wait for a first message, in seconds. */
  readonly waitSeconds: number;
  /** How long the messages are hidden, in seconds. */
  readonly visibilitySeconds: number;
  /** Ends the wait without a message: the consumer has gone. */
  readonly signal: AbortSignal;
}

interface Waiter extends ReceiveOptions {
  readonly resolve: (messages: ReceivedMessage[]) => void;
}

interface RedrivePolicy {
  readonly deadLetterTargetArn: string;
  readonly maxReceiveCount: number;
}

/** What a queue knows beside itself. */
export interface QueueOptions {
  readonly queue: StackQueue;
  readonly store: MessageStore;
  readonly findQueue: (arn: string) => Queue | undefined;
}

/** A standard queue: at least once, in no certain order. */
export class Queue {
  readonly name: string;
  readonly arn: string;
  readonly createdAt = Date.now();
  readonly redrivePolicy: RedrivePolicy | undefined;
  readonly #attributes: StackQueue["attributes"];
  readonly #store: MessageStore;
  readonly #findQueue: QueueOptions["findQueue"];
  readonly #entries = new Map<string, Entry>();
  readonly #visible = new Set<Entry>();
  readonly #waiters = new Set<Waiter>();

  constructor({ queue, store, findQueue }: QueueOptions) {
    this.name = queue.name;
    this.arn = queue.arn;
    this.#attributes = queue.attributes;
    this.#store = store;
    this.#findQueue = findQueue;
    this.redrivePolicy = redrivePolicyOf(queue);
  }

  /** Takes up the messages that an earlier run has left. All are visible. */
  restore(): void {
    for (const message of this.#store.read()) this.#add(message);
  }

  get visibilityTimeoutSeconds(): number {
    return Number(this.#attributes["VisibilityTimeout"] ?? 30);
  }

  get receiveWaitTimeSeconds(): number {
    return Number(this.#attributes["ReceiveMessageWaitTimeSeconds"] ?? 0);
  }

  get retentionSeconds(): number {
    return Number(this.#attributes["MessageRetentionPeriod"] ?? 345_600);
  }

  get maxMessageBytes(): number {
    return Number(this.#attributes["MaximumMessageSize"] ?? MAX_MESSAGE_BYTES);
  }

  /** The attributes that the stack has set, as it has written them. */
  get declaredAttributes(): StackQueue["attributes"] {
    return this.#attributes;
  }

  count(state: Entry["state"]): number {
    let count = 0;
    for (const entry of this.#entries.values()) if (entry.state === state) count += 1;
    return count;
  }

  get messages(): Message[] {
    return Array.from(this.#entries.values(), ({ message }) => message);
  }

  /** Takes a message. @param delaySeconds how long it is hidden from consumers at first */
  send(message: Message, delaySeconds = 0): void {
    this.#store.write(message);
    this.#add(message, delaySeconds);
  }

  #add(message: Message, delaySeconds = 0): void {
    const expiresAt = message.sentAt + this.retentionSeconds * 1000;
    const entry: Entry = {
      message,
      state: "delayed",
      retention: setTimeout(() => this.#remove(entry), Math.max(expiresAt - Date.now(), 0)).unref(),
    };
    this.#entries.set(message.messageId, entry);
    this.#show(entry, delaySeconds);
  }

  /** Makes a message visible after so many seconds; one that consumers have failed too often becomes a dead letter. */
  #show(entry: Entry, seconds: number): void {
    clearTimeout(entry.timer);
    if (seconds > 0) {
      this.#visible.delete(entry);
      entry.timer = setTimeout(() => this.#show(entry, 0), seconds * 1000).unref();
      return;
    }
    const { redrivePolicy } = this;
    if (redrivePolicy && entry.message.receiveCount >= redrivePolicy.maxReceiveCount) {
      this.#findQueue(redrivePolicy.deadLetterTargetArn)?.send({
        ...entry.message,
        deadLetterSourceArn: this.arn,
      });
      this.#remove(entry);
      return;
    }
    entry.state = "visible";
    this.#visible.add(entry);
    if (this.#waiters.size > 0) setTimeout(() => this.#serve(), HAND_OUT_DELAY_MS).unref();
  }

  #remove(entry: Entry): void {
    clearTimeout(entry.timer);
    clearTimeout(entry.retention);
    this.#visible.delete(entry);
    this.#entries.delete(entry.message.messageId);
    this.#store.remove(entry.message.messageId);
  }

  /** Answers as soon as there is a message, with all that there are up to a maximum. */
  receive(options: ReceiveOptions): Promise<ReceivedMessage[]> {
    const messages = this.#take(options);
    if (messages.length > 0 || options.waitSeconds === 0 || options.signal.aborted) {
      return Promise.resolve(messages);
    }
    return new Promise((resolve) => {
      const end = (received: ReceivedMessage[]) => {
        clearTimeout(timer);
        options.signal.removeEventListener("abort", leave);
        this.#waiters.delete(waiter);
        resolve(received);
      };
      const leave = () => end([]);
      const waiter: Waiter = { ...options, resolve: end };
      const timer = setTimeout(leave, options.waitSeconds * 1000).unref();
      options.signal.addEventListener("abort", leave);
      this.#waiters.add(waiter);
    });
  }

  /** Hands what is visible to the consumers that wait, the longest first. */
  #serve(): void {
    for (const waiter of this.#waiters) {
      if (this.#visible.size === 0) return;
      waiter.resolve(this.#take(waiter));
    }
  }

  #take({ maxMessages, visibilitySeconds }: ReceiveOptions): ReceivedMessage[] {
    if (
      this.#visible.size > 0 &&
      this.#entries.size >= MAX_IN_FLIGHT &&
      this.count("in flight") >= MAX_IN_FLIGHT
    ) {
      throw overLimit(`The queue has ${MAX_IN_FLIGHT} messages in flight, which is the maximum.`);
    }
    const taken: Entry[] = [];
    for (const entry of this.#visible) if (taken.push(entry) === maxMessages) break;
    return taken.map((entry) => {
      const { message } = entry;
      entry.message = {
        ...message,
        receiveCount: message.receiveCount + 1,
        firstReceivedAt: message.firstReceivedAt ?? Date.now(),
      };
      this.#store.write(entry.message);
      this.#visible.delete(entry);
      entry.state = "in flight";
      // A message that is visible again at once must not be in this response twice.
      entry.timer = setTimeout(() => this.#show(entry, 0), visibilitySeconds * 1000).unref();
      return { message: entry.message, receiptHandle: this.#receiptOf(message.messageId) };
    });
  }

  #receiptOf(messageId: string): string {
    return Buffer.from(JSON.stringify([this.name, messageId, randomUUID()])).toString("base64");
  }

  /** @returns the message that a receipt handle names; undefined where it is deleted */
  #find(receiptHandle: string): Entry | undefined {
    let parts: unknown;
    try {
      parts = JSON.parse(Buffer.from(receiptHandle, "base64").toString("utf8"));
    } catch {
      // It is refused below.
    }
    const [name, messageId] = Array.isArray(parts) ? (parts as unknown[]) : [];
    if (name !== this.name) {
      throw receiptHandleIsInvalid(
        `The input receipt handle "${receiptHandle}" is not a valid receipt handle.`,
      );
    }
    return this.#entries.get(String(messageId));
  }

  /** Deletes a message; one that is deleted already is no error. @throws SqsError for a handle that is none */
  delete(receiptHandle: string): void {
    const entry = this.#find(receiptHandle);
    if (entry) this.#remove(entry);
  }

  /** Hides a message for so many seconds from now on. @throws SqsError where it is not in flight */
  changeVisibility(receiptHandle: string, seconds: number): void {
    const entry = this.#find(receiptHandle);
    if (entry?.state !== "in flight") {
      throw messageNotInflight(`The message of the receipt handle "${receiptHandle}" is not in flight.`);
    }
    this.#show(entry, seconds);
  }

  purge(): void {
    for (const entry of this.#entries.values()) this.#remove(entry);
  }

  /** Takes a visible message away, for another queue. */
  takeVisible(): Message | undefined {
    const [entry] = this.#visible;
    if (entry) this.#remove(entry);
    return entry?.message;
  }

  /** Ends all timers and waits. What is stored stays. */
  stop(): void {
    for (const waiter of this.#waiters) waiter.resolve([]);
    for (const { timer, retention } of this.#entries.values()) {
      clearTimeout(timer);
      clearTimeout(retention);
    }
  }
}

/** @throws Error for a policy that SQS refuses */
function redrivePolicyOf({ name, attributes }: StackQueue): RedrivePolicy | undefined {
  const { RedrivePolicy: text } = attributes;
  if (text === undefined) return undefined;
  const { deadLetterTargetArn, maxReceiveCount } = JSON.parse(text) as Partial<RedrivePolicy>;
  // Terraform's jsonencode writes a number or a string.
  const count = Number(maxReceiveCount);
  if (typeof deadLetterTargetArn !== "string" || !Number.isInteger(count) || count < 1 || count > 1000) {
    throw new Error(`The redrive policy of the queue ${name} is not one: ${text}`);
  }
  return { deadLetterTargetArn, maxReceiveCount: count };
}
