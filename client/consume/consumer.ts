import { DeleteMessageCommand, type Message, type SQSClient } from "@aws-sdk/client-sqs";
import { setMaxListeners } from "node:events";
import { Readable } from "node:stream";
import { Consumer as Poller } from "sqs-consumer";
import { nameOf } from "../../functions/sign-url/keys";
import { VISIBILITY_TIMEOUT_SECONDS } from "../../functions/sign-url/limits";
import { Api, type ApiOptions } from "../api";
import { AdaptiveLimit } from "../descriptors";
import { TweedleError, isAccessRefused } from "../errors";
import type { OnProgress, ProgressReport } from "../produce/progress";
import { type RetryContext, type Waiting, delayBefore, isExhausted, retry, wait } from "../retry";
import { readQueue } from "../queue";
import { SignedRequest } from "../signed-request";
import { parseQueueUrl, regionOf } from "../region";
import { sqsClient } from "../sqs";
import { describeSqsError } from "../sqs-errors";
import { checkOptions } from "./check-options";
import { type Announcement, type Contents, type InlinePayload, contentsOf } from "./contents";
import { Budget, download } from "./download";
import { Duplicates } from "./duplicates";
import type { Handler, Payload, PayloadFacts, PayloadIdentity } from "./payload";
import { Visibility, bounded } from "./visibility";

export interface ConsumerOptions extends Omit<ApiOptions, "credentials"> {
  /** The stack's output queue_url. */
  readonly queueUrl: string;
  readonly handler: Handler;
  /** Messages that are handled at once. @default 4 */
  readonly concurrency?: number | undefined;
  /** Whether payloads stay in the bucket once they are handled. @default false */
  readonly keep?: boolean | undefined;
  /**
   * How long a message is hidden from others between two heartbeats, in seconds: where this process dies, it comes
   * again after that. @default the queue's own, 360 as the stack has it
   */
  readonly visibilityTimeoutSeconds?: number | undefined;
  /** How long an empty queue is asked before the answer, in seconds, from 1 to 20. @default 20 */
  readonly waitTimeSeconds?: number | undefined;
  /** How soon a message that failed comes again, in seconds. @default 30 after the first receive, doubling up to 900, with jitter */
  readonly retryDelaySeconds?: ((receiveCount: number) => number) | undefined;
  /** Messages with payloads to take; then the consumer stops. @default no end */
  readonly maxMessages?: number | undefined;
  /** Whether to stop once the queue stays empty for `waitTimeSeconds` while nothing is being handled. @default false */
  readonly stopWhenEmpty?: boolean | undefined;
  /** How long `stop` waits for what is being handled, in seconds. @default 30 */
  readonly graceSeconds?: number | undefined;
  /** The client to poll with; its credentials sign the API's requests where a stage wants that. @default a new one, from the SDK's own configuration */
  readonly sqs?: SQSClient | undefined;
  /** Called with how far a payload is, which its `id` tells from others: names are not unique. */
  readonly onProgress?: ((payload: PayloadIdentity, report: ProgressReport) => void) | undefined;
  /** Called every second while the API is out of reach at the start, before the first receive. */
  readonly onWait?: ((waiting: Waiting) => void) | undefined;
  /** Called once the queue and the API are found, before the first receive. */
  readonly onReady?: (() => void) | undefined;
  /** Told of what happens to each message. @default nobody */
  readonly onEvent?: ((event: ConsumerEvent) => void) | undefined;
}

/** What happens to a message. */
export type ConsumerEvent =
  /** A payload is handled; its message is about to be deleted. */
  | { readonly kind: "handled"; readonly payload: PayloadFacts; readonly ms: number }
  /** It was handled before, by this process. */
  | { readonly kind: "duplicate"; readonly messageId: string; readonly key: string }
  /** An event of S3 that announces no payload, which `why` names: another event, with its key, or the test event. */
  | {
      readonly kind: "ignored";
      readonly messageId: string;
      readonly key: string | undefined;
      readonly why: string;
    }
  /** A message, or one payload of it, could not be handled. It comes again, or becomes a dead letter. */
  | {
      readonly kind: "failed";
      readonly messageId: string;
      readonly key: string | undefined;
      readonly receiveCount: number;
      /** How often it comes again before it becomes a dead letter: 0 at the last receive; undefined where the queue does not say. */
      readonly receivesLeft: number | undefined;
      readonly error: Error;
      /** Whether another try would fail in the same way: then it comes again at once, until it is a dead letter. */
      readonly permanent: boolean;
      readonly retryAfterSeconds: number;
    }
  /** Something beside the handling went wrong, and nothing is lost by it: a heartbeat, a delete, a poll. */
  | { readonly kind: "trouble"; readonly what: string; readonly error: Error };

/** Failures that another try does not change. S3's 403 is not one: it may be a matter of rights. (The API's stops the consumer.) */
const PERMANENT: readonly string[] = ["Gone", "Invalid"];

/** How long a handler has to end once it is told to, in milliseconds. */
const LAST_WORDS_MS = 5000;

/** How long {@link Consumer.abort} takes at most, in milliseconds. */
const ABORT_MS = 3000;

/** Receives messages and hands out their payloads, until it is stopped. */
export class Consumer {
  readonly #options: ConsumerOptions;
  readonly #api: Api;
  readonly #sqs: SQSClient;
  readonly #duplicates = new Duplicates();
  readonly #budget = new Budget();
  readonly #handling = new Set<Promise<void>>();
  /** Messages at once, where there are fewer file descriptors than messages. */
  readonly #limit = new AdaptiveLimit();
  readonly #retryContext: RetryContext & { readonly signal: AbortSignal };
  /** Of the messages that are being handled. */
  readonly #held = new Set<Visibility>();
  /** Asks the handlers to end. */
  readonly #ending = new AbortController();
  readonly #ended: Promise<void>;
  #end: { readonly resolve: () => void; readonly reject: (error: Error) => void } = {
    resolve: () => undefined,
    reject: () => undefined,
  };
  #poller: Poller | undefined;
  #stopping: Promise<void> | undefined;
  #visibilityTimeoutSeconds = VISIBILITY_TIMEOUT_SECONDS;
  /** As the queue's redrive policy has it; undefined where there is none, or it may not be read. */
  #maxReceiveCount: number | undefined;
  /** The API's refusal of this consumer, because of which it stops. */
  #refusal: TweedleError | undefined;
  #accepted = 0;
  #troubles = 0;
  /** Told whenever something has been handled. */
  #wake: () => void = () => undefined;

  /** @throws TweedleError Invalid, where an option cannot be used */
  constructor(options: ConsumerOptions) {
    this.#options = options;
    this.#retryContext = {
      retry: options.retry,
      signal: this.#ending.signal,
      onExhausted: () => this.#limit.lower(this.#handling.size),
    };
    const { sqs, queueUrl, region } = options;
    checkOptions(options);
    this.#sqs = sqs ?? sqsClient(queueUrl, region);
    this.#api = new Api({
      ...options,
      region: region ?? regionOf(parseQueueUrl(queueUrl).hostname),
      credentials: (how) => this.#sqs.config.credentials(how),
    });
    this.#ended = new Promise((resolve, reject) => {
      this.#end = { resolve, reject };
    });
    this.#ended.catch(() => undefined);
    // Every payload, request and pause listens to it.
    setMaxListeners(Infinity, this.#ending.signal);
  }

  /**
   * Polls until {@link stop}, or what the options say.
   *
   * @returns once it has stopped
   * @throws TweedleError Unavailable, where the queue is out of reach; Refused, where it is not there or may not be
   *   read, or where the API refuses whatever this consumer asks for: each receive would bring messages nearer to the
   *   dead-letter queue
   */
  async run(): Promise<void> {
    try {
      await this.#start();
    } catch (error) {
      if (!this.#stopping) {
        this.#close();
        throw error;
      }
    }
    await this.#ended;
  }

  /**
   * Receives no more, and waits for what is being handled, as long as graceSeconds says. What is not done by then is
   * told to end, and comes again.
   */
  async stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    await this.#stopping;
  }

  /**
   * Stops at once: asks handlers to end, and shows their messages to other consumers. It takes 3 s at most, and does
   * not wait for handlers that go on.
   */
  async abort(): Promise<void> {
    this.#stopping ??= this.#stop();
    this.#ending.abort();
    const late = new AbortController();
    const released = Promise.all([...this.#held].map((visibility) => visibility.giveBack(0)));
    await Promise.race([released, wait(ABORT_MS, late.signal).catch(() => undefined)]);
    late.abort();
  }

  async #start(): Promise<void> {
    const { queueUrl, waitTimeSeconds = 20, stopWhenEmpty } = this.#options;
    await this.#readQueue();
    await this.#checkApi();
    if (this.#stopping) return;
    this.#options.onReady?.();
    const poller = Poller.create({
      queueUrl,
      sqs: this.#sqs,
      batchSize: this.#room(),
      waitTimeSeconds,
      visibilityTimeout: this.#visibilityTimeoutSeconds,
      messageAttributeNames: ["All"],
      messageSystemAttributeNames: ["All"],
      shouldDeleteMessages: false,
      suppressFifoWarning: true,
      extendedAWSErrors: true,
      // It has its own pause after some errors, and none after others.
      authenticationErrorTimeout: 0,
      preReceiveMessageCallback: () => this.#pauseAfterTrouble(),
      // It asks for more once this resolves: as soon as there is room, and not once the slowest is done.
      handleMessageBatch: async (messages) => {
        this.#troubles = 0;
        // What was on its way when it was stopped is for others.
        if (this.#stopping)
          await Promise.all(messages.map((message) => this.#visibilityOf(message).giveBack(0)));
        else for (const message of messages) this.#accept(message);
        await this.#waitForRoom();
        return [];
      },
    });
    poller.on("error", (error) => {
      if (this.#stopping) return;
      this.#troubles += 1;
      this.#trouble("Polling the queue", error);
    });
    poller.on("empty", () => {
      this.#troubles = 0;
      if (stopWhenEmpty && this.#handling.size === 0) void this.stop();
    });
    this.#poller = poller;
    poller.start();
  }

  /** Fails where the API cannot be reached, or refuses its caller, before that costs any message a receive. */
  async #checkApi(): Promise<void> {
    try {
      await this.#api.check({ signal: this.#ending.signal, onWait: this.#options.onWait });
    } catch (error) {
      if (isAccessRefused(error) || (error instanceof TweedleError && error.code === "Unavailable"))
        throw error;
    }
  }

  /** Reads the queue's attributes once, at the start: a queue that may not be read is an error at once. */
  async #readQueue(): Promise<void> {
    const { queueUrl, visibilityTimeoutSeconds: own } = this.#options;
    if (own !== undefined) this.#visibilityTimeoutSeconds = own;
    try {
      const queue = await readQueue(this.#sqs, queueUrl, this.#ending.signal);
      this.#visibilityTimeoutSeconds = own ?? queue.visibilityTimeoutSeconds ?? VISIBILITY_TIMEOUT_SECONDS;
      this.#maxReceiveCount = queue.maxReceiveCount;
    } catch (error) {
      // A consumer that brings its own may do without the right to read them.
      if (own !== undefined) return;
      // The SDK notes a status where SQS has answered.
      const { $metadata } = error as Error & { $metadata?: { httpStatusCode?: number } };
      const code = $metadata?.httpStatusCode === undefined ? "Unavailable" : "Refused";
      const why = describeSqsError(error as Error);
      throw new TweedleError(code, `The queue ${queueUrl} cannot be read: ${why}`, { cause: error });
    }
  }

  async #pauseAfterTrouble(): Promise<void> {
    if (this.#troubles > 0)
      await wait(delayBefore(this.#troubles + 3), this.#ending.signal).catch(() => undefined);
  }

  /** How many messages there is room for, at most what SQS gives at once. */
  #room(): number {
    const { concurrency = 4, maxMessages = Infinity } = this.#options;
    const most = Math.min(concurrency, this.#limit.value);
    return Math.min(10, most - this.#handling.size, maxMessages - this.#accepted);
  }

  async #waitForRoom(): Promise<void> {
    while (this.#room() <= 0 && !this.#stopping) {
      // The last ones are given all the time that they need.
      if (this.#handling.size === 0) {
        void this.stop();
        return;
      }
      // Not a race of what is being handled: each would hold on to a promise that stays open for hours.
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (!this.#stopping) this.#poller?.updateOption("batchSize", this.#room());
  }

  #accept(message: Message): void {
    this.#accepted += 1;
    const handling = this.#handle(message)
      .catch((error: Error) => this.#trouble("Handling a message", error))
      .finally(() => {
        this.#handling.delete(handling);
        this.#wake();
      });
    this.#handling.add(handling);
  }

  async #handle(message: Message): Promise<void> {
    const visibility = this.#visibilityOf(message);
    this.#held.add(visibility);
    try {
      await this.#handleHeld(message, visibility);
    } finally {
      this.#held.delete(visibility);
    }
  }

  async #handleHeld(message: Message, visibility: Visibility): Promise<void> {
    const { MessageId: messageId = "" } = message;
    const begun: Begun = {
      message,
      messageId,
      receiveCount: Number(message.Attributes?.ApproximateReceiveCount ?? 1),
    };
    let contents: Contents;
    try {
      contents = contentsOf(message);
    } catch (error) {
      await this.#fail(begun, visibility, [{ key: undefined, error: error as Error }]);
      return;
    }
    const failures = await this.#handleContents(contents, begun);
    if (failures.length > 0) {
      await this.#fail(begun, visibility, failures);
      return;
    }
    await visibility.stop();
    if (await this.#deleteMessage(begun)) await this.#deletePayloads(contents);
  }

  #visibilityOf(message: Message): Visibility {
    return new Visibility(
      this.#sqs,
      this.#options.queueUrl,
      message,
      this.#visibilityTimeoutSeconds,
      (error) => this.#trouble(`Changing when the message ${message.MessageId} shows`, error as Error),
    );
  }

  /** @returns what failed; the others are done, and remembered */
  async #handleContents(contents: Contents, begun: Begun): Promise<Failure[]> {
    if (contents.kind === "test") {
      this.#accepted -= 1;
      this.#tell({ kind: "ignored", messageId: begun.messageId, key: undefined, why: "s3:TestEvent" });
      return [];
    }
    const failures: Failure[] = [];
    const tryTo = async (key: string | undefined, task: () => Promise<void>) => {
      // A lack of descriptors passes once others are done, and is worth no receive.
      const attempt = async () => await task().catch(unlessExhausted);
      const error = await retry(`Handling ${key}`, attempt, this.#retryContext).catch(asError);
      if (error) failures.push({ key, error });
    };
    if (contents.kind === "inline") {
      const { payload } = contents;
      await tryTo(payload.key, () =>
        this.#handleOnce({ key: payload.key, eTag: payload.checksum }, begun, () =>
          this.#openInline(payload),
        ),
      );
      return failures;
    }
    if (contents.objects.length === 0) this.#accepted -= 1;
    for (const { event, key } of contents.ignored) {
      this.#tell({ kind: "ignored", messageId: begun.messageId, key, why: event });
    }
    const unreadable = unreadableOf(contents.objects);
    if (unreadable) failures.push({ key: undefined, error: unreadable });
    for (const object of contents.objects) {
      if (object instanceof TweedleError) continue;
      await tryTo(object.key, () =>
        this.#handleOnce(object, begun, (onProgress) => this.#openObject(object, onProgress)),
      );
    }
    return failures;
  }

  async #handleOnce(
    identity: Pick<Announcement, "key"> & Partial<Announcement>,
    begun: Begun,
    open: (onProgress: OnProgress | undefined) => Promise<Opened>,
  ): Promise<void> {
    const { key, versionId } = identity;
    const { messageId, receiveCount } = begun;
    const duplicate = await this.#duplicates.once(identity, async () => {
      const startedAt = performance.now();
      const { onProgress } = this.#options;
      const id = versionId === undefined ? key : `${key}@${versionId}`;
      const about: PayloadIdentity = { id, key, name: nameOf(key), receiveCount, messageId };
      const { body, ...opened } = await open(onProgress && ((report) => onProgress(about, report)));
      const { signal } = this.#ending;
      const facts: PayloadFacts = { ...about, ...opened };
      const payload: Payload = { ...facts, body, signal };
      try {
        await this.#options.handler(payload);
        // Whatever the handler made of it: bytes that were wrong are no delivery. Whoever reads with `for await` and has
        // seen enough leaves an AbortError, and that is none.
        if (body.errored && (signal.aborted || body.errored.name !== "AbortError")) throw body.errored;
        // It was piped somewhere, and not waited for: to end now would cut it off, and delete what is missing.
        // (While a pipe waits for its end to take more, it does not flow; it listens all the same.)
        if (body.listenerCount("data") > 0 && !body.readableEnded && !body.destroyed) {
          throw new Error("The handler resolved while the payload was still flowing: await what reads it.");
        }
      } finally {
        body.destroy();
      }
      this.#tell({ kind: "handled", payload: facts, ms: performance.now() - startedAt });
    });
    if (duplicate) this.#tell({ kind: "duplicate", messageId, key });
  }

  async #openObject(object: Announcement, onProgress: OnProgress | undefined): Promise<Opened> {
    const context = { ...this.#retryContext, api: this.#api, budget: this.#budget };
    return await download({ ...context, ...(onProgress && { onProgress }) }, object);
  }

  async #openInline({ bytes, contentType, metadata }: InlinePayload): Promise<Opened> {
    const body = Readable.from(bytes.length > 0 ? [bytes] : [], { objectMode: false });
    return await Promise.resolve({ size: bytes.length, contentType, metadata, verifiedBy: "SHA-256", body });
  }

  /** @returns whether it is gone: if not it comes again, is recognised, and deleted then */
  async #deleteMessage({ message, messageId }: Begun): Promise<boolean> {
    const { queueUrl: QueueUrl } = this.#options;
    try {
      await this.#sqs.send(
        new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message.ReceiptHandle }),
        bounded(),
      );
      return true;
    } catch (error) {
      this.#trouble(`Deleting the message ${messageId}`, error as Error);
      return false;
    }
  }

  async #deletePayloads(contents: Contents): Promise<void> {
    if (this.#options.keep || contents.kind !== "objects") return;
    const told = new Set<string>();
    for (const object of contents.objects) {
      if (object instanceof TweedleError || told.has(`${object.key}@${object.versionId}`)) continue;
      told.add(`${object.key}@${object.versionId}`);
      try {
        await deleteObject(this.#api, object, this.#retryContext);
      } catch (error) {
        this.#trouble(`Deleting ${object.key}, whose message is done`, error as Error);
      }
    }
  }

  async #fail(
    { messageId, receiveCount }: Begun,
    visibility: Visibility,
    failures: readonly Failure[],
  ): Promise<void> {
    const refusal = failures.find(({ error }) => isAccessRefused(error))?.error;
    if (refusal) {
      this.#stopRefused(refusal);
      await visibility.giveBack(0);
      return;
    }
    const permanent = failures.every(
      ({ error }) => error instanceof TweedleError && PERMANENT.includes(error.code),
    );
    const { retryDelaySeconds = retryDelay } = this.#options;
    const receivesLeft = this.#maxReceiveCount && Math.max(0, this.#maxReceiveCount - receiveCount);
    const isInterrupted = this.#ending.signal.aborted || failures.some(({ error }) => isInterruption(error));
    // What will not work gets to the dead letters as fast as the queue allows; what was interrupted is for others.
    const retryAfterSeconds = permanent || isInterrupted ? 0 : Math.round(retryDelaySeconds(receiveCount));
    for (const { key, error: cause } of failures) {
      const error =
        this.#ending.signal.aborted && cause.name === "AbortError"
          ? new TweedleError("Interrupted", "It was not done when the consumer had to stop.", { cause })
          : cause;
      const about = { messageId, key, receiveCount, receivesLeft };
      this.#tell({ kind: "failed", ...about, error, permanent, retryAfterSeconds });
    }
    await visibility.giveBack(retryAfterSeconds);
  }

  /** Stops because the API refuses its caller, whatever is asked for: another message would be received in vain. */
  #stopRefused(cause: Error): void {
    this.#refusal ??= new TweedleError(
      "Refused",
      `Polling has stopped, because the API refuses every request: ${cause.message}`,
      { cause },
    );
    void this.stop();
  }

  async #stop(): Promise<void> {
    const { graceSeconds = 30 } = this.#options;
    // The poll that is under way ends at once. A message that was just then on its way shows again by itself.
    this.#poller?.stop({ abort: true });
    this.#wake();
    await this.#allHandled(graceSeconds * 1000, this.#ending.signal);
    this.#ending.abort();
    // A handler that does not listen cannot be stopped; its message stays hidden as long as this process lives.
    await this.#allHandled(LAST_WORDS_MS);
    this.#close();
    if (this.#refusal) this.#end.reject(this.#refusal);
    else this.#end.resolve();
  }

  /** Waits for what is being handled, so many milliseconds at most, or until a signal. */
  async #allHandled(ms: number, signal?: AbortSignal): Promise<void> {
    const over = new AbortController();
    const either = signal ? AbortSignal.any([over.signal, signal]) : over.signal;
    const late = wait(ms, either).catch(() => undefined);
    await Promise.race([Promise.allSettled(this.#handling), late]);
    over.abort();
  }

  #close(): void {
    this.#api.close();
    if (!this.#options.sqs) this.#sqs.destroy();
  }

  #trouble(what: string, error: Error): void {
    this.#tell({ kind: "trouble", what, error });
  }

  #tell(event: ConsumerEvent): void {
    try {
      this.#options.onEvent?.(event);
    } catch (error) {
      // Its author's to hear, and no reason to handle a message again.
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

const asError = (error: unknown) => error as Error;

/** @throws the error, where it is a lack of file descriptors */
function unlessExhausted(error: unknown): Error {
  if (isExhausted(error)) throw error;
  return error as Error;
}

interface Begun {
  readonly message: Message;
  readonly messageId: string;
  readonly receiveCount: number;
}

interface Failure {
  readonly key: string | undefined;
  readonly error: Error;
}

const isInterruption = (error: Error) => error instanceof TweedleError && error.code === "Interrupted";

type Opened = Pick<Payload, "size" | "contentType" | "metadata" | "verifiedBy" | "body">;

/** Why records of a message cannot be read; undefined where all can. */
function unreadableOf(objects: readonly (Announcement | TweedleError)[]): TweedleError | undefined {
  const [first, ...others] = objects.filter((object) => object instanceof TweedleError);
  if (!first || others.length === 0) return first;
  const more = others.length === 1 ? "Another record" : `${others.length} other records`;
  return new TweedleError(first.code, `${first.message} ${more} of it cannot be read, either.`, {
    cause: first,
  });
}

/** 30 s after the first receive, doubling up to a quarter of an hour, and up to as much again: an outage should not make dead letters. */
const retryDelay = (receiveCount: number): number =>
  Math.min(900, 30 * 2 ** (receiveCount - 1)) * (1 + Math.random());

/**
 * Deletes a payload, of a version only that.
 *
 * @throws OtherBucketError, where the message names another bucket than the API signs for: nothing is deleted then.
 *   HttpError, where S3 refuses it; TweedleError Refused, where the API does, or Unavailable
 */
export async function deleteObject(
  api: Api,
  { bucket, key, versionId }: Pick<Announcement, "bucket" | "key" | "versionId">,
  context: Pick<RetryContext, "retry" | "signal">,
): Promise<void> {
  const fields = { object_key: key, ...(versionId !== undefined && { version_id: versionId }) };
  const request = new SignedRequest(api.connections, () =>
    api.askFor(bucket, "deleteObject", fields, context),
  );
  await retry(`Deleting ${key}`, () => request.exchange(context), context);
}
