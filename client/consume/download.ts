import { setMaxListeners } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { type Api, OtherBucketError } from "../api";
import { HttpError, TweedleError, throwIfAborted } from "../errors";
import { cutShort, readingError } from "../http";
import { LAYOUT_METADATA, MULTIPART_THRESHOLD_BYTES, RANGE_BYTES } from "../produce/layout";
import type { OnProgress } from "../produce/progress";
import { type RetryContext, delayBefore, isRetryable, retry, wait } from "../retry";
import { EXPIRES_IN, SignedRequest } from "../signed-request";
import type { Announcement } from "./contents";
import { type Expected, VerifiedBody, type VerifiedBy, checkFor } from "./verify";

/** Ranges of one payload that come at once. */
const RANGES_AT_ONCE = 4;
/**
 * What one connection must give to be left alone: one of S3 gives less, and more of them add up.
 * Where the network is faster than that, what they hold ahead only costs memory and time.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance-design-patterns.html
 */
const FAST_BYTES_PER_SECOND = 120e6;

/** Ranges that all downloads of a consumer together may hold ahead of their turn: what bounds its memory. */
export class Budget {
  #left: number;

  constructor(left = 6) {
    this.#left = left;
  }

  tryTake(): boolean {
    if (this.#left === 0) return false;
    this.#left -= 1;
    return true;
  }

  give(): void {
    this.#left += 1;
  }
}

export interface DownloadContext extends Pick<RetryContext, "retry" | "onExhausted"> {
  readonly api: Api;
  readonly budget: Budget;
  readonly signal: AbortSignal;
  readonly onProgress?: OnProgress;
  /** What one connection must give to be left alone, in bytes a second. @default 120 MB */
  readonly fastBytesPerSecond?: number;
}

/** A payload whose bytes are on their way. */
export interface Download {
  /** In bytes. */
  readonly size: number;
  readonly contentType: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly verifiedBy: VerifiedBy;
  /** The bytes, the last of them only once all are known to be right. */
  readonly body: Readable;
}

/** What S3 says of an object. */
interface Facts extends Expected {
  readonly eTag: string;
  readonly contentType: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Begins to fetch what a message announces, pinned to the version or the ETag that it names.
 *
 * @throws TweedleError Gone, where it is not there any more; Refused, where S3 or the API says 403; Invalid, where the
 *   message names another bucket than the API signs for, or a version that cannot be one; Corrupt, where it has another size; Unavailable
 */
export async function download(outer: DownloadContext, object: Announcement): Promise<Download> {
  const { onProgress, signal } = outer;
  let body: VerifiedBody | undefined;
  let { size } = object;
  const context: Context = {
    ...outer,
    onWait: (waiting) => onProgress?.({ bytes: body?.bytes ?? 0, totalBytes: size, waiting }),
  };
  const request = signed(context, object);
  const response = await first(context, object, request);
  const facts = factsOf(response);
  const { contentType, metadata } = facts;
  if (size !== undefined && facts.size !== size) {
    response.destroy();
    throw new TweedleError(
      "Corrupt",
      `${object.key} was announced with ${size} bytes, and has ${facts.size}.`,
    );
  }
  ({ size } = facts);
  const check = checkFor(facts);
  const verified = new VerifiedBody(facts, check, onProgress, { signal });
  body = verified;
  // A reader that does not listen is told by the consumer.
  verified.on("error", () => undefined);
  // What nobody reads must not hold a connection.
  const closed = new AbortController();
  setMaxListeners(Infinity, closed.signal);
  verified.once("close", () => {
    closed.abort();
    response.destroy();
  });
  const source = { ...context, object, request, facts, signal: closed.signal };
  void fill(verified, source, response).catch((error: Error) => verified.destroy(error));
  return { size, contentType, metadata, verifiedBy: check.by, body: verified };
}

/** A download, and who is to know of its pauses. */
interface Context extends DownloadContext, RetryContext {
  readonly signal: AbortSignal;
}

/** A request for an object, whose URL leads to the bucket that the message names, or to none. */
function signed(context: Context, object: Announcement): SignedRequest {
  const { api } = context;
  const fields = {
    object_key: object.key,
    ...(object.versionId !== undefined && { version_id: object.versionId }),
    checksum_mode: "ENABLED",
    expires_in: EXPIRES_IN,
  };
  return new SignedRequest(api.connections, async () => {
    try {
      return await api.askFor(object.bucket, "getObject", fields, context);
    } catch (error) {
      if (error instanceof OtherBucketError) throw error;
      if (error instanceof TweedleError && isOfMessage("api", error.cause)) {
        throw new TweedleError("Invalid", error.message, { cause: error });
      }
      // What is wrong with the API, or with how it is asked, is not the message's fault: it comes again.
      if (!(error instanceof TweedleError && error.code === "Invalid")) throw error;
      throw new TweedleError("Refused", error.message, { cause: error });
    }
  });
}

/**
 * Error codes that are about what the message names, and not about how it is asked for: another try changes nothing.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
 */
const CODES_OF_MESSAGE = {
  api: ["InvalidObjectKey", "InvalidVersionId"],
  // The version is the only argument of a request.
  s3: ["InvalidArgument"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

const isOfMessage = (service: keyof typeof CODES_OF_MESSAGE, error: unknown): boolean =>
  error instanceof HttpError &&
  error.status === 400 &&
  (CODES_OF_MESSAGE[service] as readonly string[]).includes(error.code);

/** The answer that tells what the object is. */
async function first(
  context: Context,
  { key, eTag }: Announcement,
  request: SignedRequest,
): Promise<IncomingMessage> {
  // An ETag pins what has no version.
  const headers = eTag === undefined ? {} : { "if-match": `"${eTag}"` };
  const { signal } = context;
  try {
    return await retry(`Fetching ${key}`, () => request.send({ headers, signal }), context);
  } catch (error) {
    throw explained(error, key);
  }
}

/** What S3's refusal of a read means. */
function explained(error: unknown, key: string): unknown {
  if (!(error instanceof HttpError)) return error;
  const { status, message } = error;
  if (isOfMessage("s3", error)) {
    return new TweedleError("Invalid", `${key} cannot be fetched as the message names it: ${message}`, {
      cause: error,
    });
  }
  if (status === 404 || status === 410)
    return new TweedleError("Gone", `${key} is gone: ${message}`, { cause: error });
  if (status === 412) {
    return new TweedleError("Gone", `${key} was written over after it was announced.`, { cause: error });
  }
  return new TweedleError("Refused", `${key} was refused with ${status}: ${message}`, { cause: error });
}

function factsOf({ headers }: IncomingMessage): Facts {
  const text = (name: string) => headers[name] as string | undefined;
  const eTag = text("etag") ?? "";
  const all = Object.entries(headers)
    .filter(([name]) => name.startsWith("x-amz-meta-"))
    .map(([name, value]) => [name.slice("x-amz-meta-".length), String(value)] as const);
  const layout = all.find(([name]) => name === LAYOUT_METADATA)?.[1];
  // An ETag is the MD5 of what was put whole, unless KMS encrypts it:
  // https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
  const isMd5 = /^"[0-9a-f]{32}"$/.test(eTag) && !text("x-amz-server-side-encryption")?.startsWith("aws:");
  return {
    size: Number(headers["content-length"]),
    eTag,
    contentType: headers["content-type"],
    metadata: Object.fromEntries(all.filter(([name]) => name !== LAYOUT_METADATA)),
    checksum: text("x-amz-checksum-sha256"),
    layout,
    md5: isMd5 ? eTag.slice(1, -1) : undefined,
  };
}

/** Where the bytes of an object come from. */
interface Source extends Context {
  readonly object: Announcement;
  readonly request: SignedRequest;
  readonly facts: Facts;
}

/** Takes bytes as they come. @returns what to wait for before the next, if anything */
type Take = (chunk: Buffer) => Promise<void> | undefined;

/** Gives a body all of its bytes: those of the first answer, as long as that is fast, and then the rest. */
async function fill(body: VerifiedBody, source: Source, response: IncomingMessage): Promise<void> {
  const { size } = source.facts;
  const take: Take = (chunk) => body.add(chunk);
  const { position, isSlow } = await takeAnswer(source, response, take);
  if (isSlow) await takeRanges(source, position, size, take);
  else if (position < size) await takeRange(source, position, size, take);
  body.finish();
}

/**
 * Takes what an answer holds, to where it breaks off. Of a large payload that is what comes first, where it does not
 * come fast enough.
 */
async function takeAnswer(
  { facts, fastBytesPerSecond = FAST_BYTES_PER_SECOND, signal }: Source,
  response: IncomingMessage,
  take: Take,
): Promise<{ readonly position: number; readonly isSlow: boolean }> {
  let position = 0;
  let waitedMs = 0;
  // What the reader takes its time for would take as long with more connections.
  let asked = performance.now();
  let judged = facts.size <= MULTIPART_THRESHOLD_BYTES;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      waitedMs += performance.now() - asked;
      position += chunk.length;
      await take(chunk);
      if (!judged && position >= RANGE_BYTES) {
        judged = true;
        if (position * 1000 < fastBytesPerSecond * waitedMs) return { position, isSlow: true };
      }
      asked = performance.now();
    }
  } catch (error) {
    throwIfAborted(signal);
    const failure = readingError("s3", response, error);
    if (!isRetryable(failure)) throw failure;
  }
  return { position, isSlow: false };
}

/** Takes bytes from one position to another, the latter not included; where they break off, it goes on from there. */
async function takeRange(source: Source, start: number, end: number, take: Take): Promise<void> {
  const { key } = source.object;
  for (let position = start; position < end;) {
    try {
      position = await retry(`Fetching ${key}`, () => takeSome(source, position, end, take), source);
    } catch (error) {
      throw explained(error, key);
    }
    // What has come is kept, and the time for retries begins again.
    if (position < end) await wait(delayBefore(1, source.retry), source.signal);
  }
}

/**
 * Takes bytes of one answer, to where it ends or breaks off.
 *
 * @returns the position after them
 * @throws HttpError or NetworkError, where there are none
 */
async function takeSome(
  { signal, request, facts }: Source,
  start: number,
  end: number,
  take: Take,
): Promise<number> {
  const headers = { range: `bytes=${start}-${end - 1}`, "if-match": facts.eTag };
  const response = await request.send({ headers, signal });
  let position = start;
  try {
    if (response.statusCode !== 206) throw otherThanAsked("all where a range was asked for");
    if (!response.headers["content-range"]?.startsWith(`bytes ${start}-${end - 1}/`))
      throw otherThanAsked("another range than was asked for");
    for await (const chunk of response as AsyncIterable<Buffer>) {
      if (position + chunk.length > end) throw otherThanAsked("more than was asked for");
      position += chunk.length;
      await take(chunk);
    }
    if (position < end) throw cutShort("s3");
  } catch (error) {
    throwIfAborted(signal);
    const failure = readingError("s3", response, error);
    if (position === start || !isRetryable(failure)) throw failure;
  } finally {
    response.destroy();
  }
  return position;
}

const otherThanAsked = (what: string) => new HttpError("s3", 502, "", `S3 answered ${what}.`);

/** The same, several ranges of it coming at once as far as the budget allows. */
async function takeRanges(source: Source, start: number, end: number, take: Take): Promise<void> {
  const { budget } = source;
  const ended = new AbortController();
  const inner = { ...source, signal: AbortSignal.any([source.signal, ended.signal]) };
  setMaxListeners(Infinity, inner.signal);
  const endOf = (position: number) => Math.min(position + RANGE_BYTES, end);
  const ahead: Ahead[] = [];
  try {
    for (let next = start; next < end || ahead.length > 0;) {
      const turn = ahead.shift();
      // Whose turn it is needs nothing ahead: what many large payloads hold at once is the budget's.
      const [begin, stop] = [next, turn ? next : endOf(next)];
      for (
        next = stop;
        next < end && ahead.length < RANGES_AT_ONCE - 1 && budget.tryTake();
        next = endOf(next)
      )
        ahead.push(new Ahead(inner, next, endOf(next)));
      if (turn) await turn.passTo(take).finally(() => budget.give());
      else await takeRange(inner, begin, stop, take);
    }
  } finally {
    ended.abort();
    for (const _ of ahead) budget.give();
  }
}

/** A range that comes before its turn, and waits in memory for it. */
class Ahead {
  readonly #chunks: Buffer[] = [];
  readonly #done: Promise<void>;
  #take: Take = (chunk) => void this.#chunks.push(chunk);

  constructor(source: Source, start: number, end: number) {
    this.#done = takeRange(source, start, end, (chunk) => this.#take(chunk));
    // Whose turn it is, is told.
    this.#done.catch(() => undefined);
  }

  async passTo(take: Take): Promise<void> {
    for (let chunk = this.#chunks.shift(); chunk; chunk = this.#chunks.shift()) await take(chunk);
    this.#take = take;
    await this.#done;
  }
}
