import { setMaxListeners } from "node:events";
import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { type Api, OtherBucketError } from "../api";
import { HttpError, TweedleError, throwIfAborted } from "../errors";
import { bytesOf, networkError } from "../http";
import { LAYOUT_METADATA, MULTIPART_THRESHOLD_BYTES } from "../produce/layout";
import type { OnProgress } from "../produce/progress";
import { type RetryOptions, delayBefore, isTransient, retrying, wait } from "../retry";
import { EXPIRES_IN, SignedRequest } from "../signed-request";
import type { Announcement } from "./contents";
import { type Expected, type VerifiedBy, checkFor, verified } from "./verify";

/** One range, in bytes: what of it has arrived waits in memory for its turn. */
const RANGE_BYTES = 8 * 1024 ** 2;
/** Ranges of one payload that come at once. */
const RANGES_AT_ONCE = 4;
/**
 * What one connection must give to be left alone: one of S3 gives less, and more of them add up.
 * Where the network is faster than that, what they hold ahead only costs memory and time.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance-design-patterns.html
 */
const FAST_BYTES_PER_SECOND = 120e6;
/** How often a range that breaks off is begun again without a byte more. */
const MAX_STALLS = 8;

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

export interface DownloadContext {
  readonly api: Api;
  readonly budget: Budget;
  readonly retry: RetryOptions | undefined;
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

/** What a HEAD or a GET says of an object. */
interface Facts extends Expected {
  readonly eTag: string;
  readonly contentType: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Begins to fetch what a message announces, pinned to the version or the ETag that it names.
 *
 * @throws TweedleError Gone, where it is not there any more; Refused, where S3 or the API says 403; Invalid, where the
 *   message names another bucket than the API signs for; Unavailable
 */
export async function download(context: DownloadContext, object: Announcement): Promise<Download> {
  const { size = Infinity } = object;
  const whole = size <= MULTIPART_THRESHOLD_BYTES;
  const request = signed(context, object, "getObject");
  // An ETag pins what has no version.
  const pin = object.eTag === undefined ? undefined : `"${object.eTag}"`;
  if (whole) {
    const response = await first(context, object, request, pin);
    try {
      const facts = factsOf(response);
      const chunks = afterHead(context, object, request, facts, response);
      return deliver(context, object, facts, chunks, response);
    } catch (error) {
      response.destroy();
      throw error;
    }
  }
  const head = await first(context, object, signed(context, object, "headObject"), pin);
  head.resume();
  const facts = factsOf(head);
  return deliver(context, object, facts, inPieces(context, object, request, facts));
}

function deliver(
  { signal, onProgress }: DownloadContext,
  object: Announcement,
  facts: Facts,
  chunks: AsyncIterable<Buffer>,
  response?: IncomingMessage,
): Download {
  if (object.size !== undefined && object.size !== facts.size) {
    throw new TweedleError(
      "Corrupt",
      `${object.key} was announced with ${object.size} bytes, and has ${facts.size}.`,
    );
  }
  const check = checkFor(facts);
  const body = Readable.from(verified(chunks, facts, check, onProgress), {
    objectMode: false,
    highWaterMark: 1024 ** 2,
    signal,
  });
  // What nobody reads must not hold its connection.
  body.once("close", () => response?.destroy());
  // A reader that does not listen is told by the consumer.
  body.on("error", () => undefined);
  const { contentType, metadata, size } = facts;
  return { size, contentType, metadata, verifiedBy: check.by, body };
}

/** A request for an object, whose URL leads to the bucket that the message names, or to none. */
function signed({ api, signal }: DownloadContext, object: Announcement, action: "getObject" | "headObject") {
  const fields = {
    object_key: object.key,
    ...(object.versionId !== undefined && { version_id: object.versionId }),
    checksum_mode: "ENABLED",
    expires_in: EXPIRES_IN,
  };
  return new SignedRequest(api.connections, async () => {
    try {
      return await api.askFor(object.bucket, action, fields, signal);
    } catch (error) {
      if (error instanceof OtherBucketError) throw error;
      // What is wrong with the API, or with how it is asked, is not the message's fault: it comes again.
      if (!(error instanceof TweedleError && error.code === "Invalid")) throw error;
      throw new TweedleError("Refused", error.message, { cause: error });
    }
  });
}

/** The answer that tells what the object is. */
async function first(
  { retry, signal }: DownloadContext,
  { key }: Announcement,
  request: SignedRequest,
  pin: string | undefined,
): Promise<IncomingMessage> {
  const headers = pin === undefined ? {} : { "if-match": pin };
  try {
    return await retrying(`Fetching ${key}`, () => request.send({ headers, signal }), { signal, retry });
  } catch (error) {
    throw explained(error, key);
  }
}

/** What S3's refusal of a read means. */
function explained(error: unknown, key: string): unknown {
  if (!(error instanceof HttpError)) return error;
  const { status, message } = error;
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

/** What an answer holds, and after it breaks off the rest. */
async function* afterHead(
  context: DownloadContext,
  object: Announcement,
  request: SignedRequest,
  facts: Facts,
  response: IncomingMessage,
): AsyncGenerator<Buffer> {
  let position = 0;
  try {
    for await (const chunk of bytesOf(response)) {
      position += chunk.length;
      yield chunk;
    }
  } catch (error) {
    throwIfAborted(context.signal);
    if (!isTransient(error)) throw error;
  }
  if (position < facts.size) yield* range(context, object, request, facts, position, facts.size);
}

/** Bytes from one position to another, the latter not included; where they break off, it goes on from there. */
async function* range(
  { signal, retry }: DownloadContext,
  { key }: Announcement,
  request: SignedRequest,
  { eTag }: Facts,
  start: number,
  end: number,
): AsyncGenerator<Buffer> {
  const maxStalls = retry?.maxAttempts ?? MAX_STALLS;
  let position = start;
  for (let stalls = 0; position < end;) {
    const before = position;
    try {
      const headers = { range: `bytes=${position}-${end - 1}`, "if-match": eTag };
      const response = await request.send({ headers, signal });
      try {
        if (response.statusCode !== 206)
          throw new HttpError(502, "", "S3 answered all where a range was asked for.");
        if (!response.headers["content-range"]?.startsWith(`bytes ${position}-${end - 1}/`))
          throw new HttpError(502, "", "S3 answered another range than was asked for.");
        for await (const chunk of bytesOf(response)) {
          position += chunk.length;
          yield chunk;
        }
      } finally {
        response.destroy();
      }
      if (position < end) throw networkError("ECONNRESET", "The answer was cut short.");
    } catch (error) {
      throwIfAborted(signal);
      if (!isTransient(error)) throw explained(error, key);
      stalls = position > before ? 1 : stalls + 1;
      if (stalls >= maxStalls) {
        throw new TweedleError(
          "Unavailable",
          `${key} broke off ${stalls} times: ${(error as Error).message}`,
          { cause: error },
        );
      }
      await wait(delayBefore(stalls, retry), signal);
    }
  }
}

/** All of an object: a first range, and by how fast that came the rest in one or in several at once. */
async function* inPieces(
  context: DownloadContext,
  object: Announcement,
  request: SignedRequest,
  facts: Facts,
): AsyncGenerator<Buffer> {
  const { fastBytesPerSecond = FAST_BYTES_PER_SECOND } = context;
  const start = performance.now();
  const begun = Math.min(RANGE_BYTES, facts.size);
  yield* range(context, object, request, facts, 0, begun);
  const bytesPerSecond = (begun * 1000) / (performance.now() - start);
  const rest = bytesPerSecond < fastBytesPerSecond ? inRanges : range;
  yield* rest(context, object, request, facts, begun, facts.size);
}

/** The same, several ranges of it coming at once as far as the budget allows. */
async function* inRanges(
  context: DownloadContext,
  object: Announcement,
  request: SignedRequest,
  facts: Facts,
  start: number,
  end: number,
): AsyncGenerator<Buffer> {
  const { budget } = context;
  const ended = new AbortController();
  const inner = { ...context, signal: AbortSignal.any([context.signal, ended.signal]) };
  setMaxListeners(Infinity, inner.signal);
  const coming: { readonly chunks: AsyncIterable<Buffer>; readonly borrowed: boolean }[] = [];
  let next = start;
  try {
    while (next < end || coming.length > 0) {
      while (next < end && coming.length < RANGES_AT_ONCE) {
        // One is always allowed: whose turn it is must come.
        const borrowed = coming.length > 0;
        if (borrowed && !budget.tryTake()) break;
        const rangeEnd = Math.min(next + RANGE_BYTES, end);
        const bytes = range(inner, object, request, facts, next, rangeEnd);
        // Whose turn it is needs nothing ahead: what many large payloads hold at once is the budget's.
        coming.push({ chunks: borrowed ? readAhead(bytes) : bytes, borrowed });
        next = rangeEnd;
      }
      const turn = coming.shift();
      try {
        if (turn) yield* turn.chunks;
      } finally {
        if (turn?.borrowed) budget.give();
      }
    }
  } finally {
    ended.abort();
    for (const { borrowed } of coming) if (borrowed) budget.give();
  }
}

/** Reads at once, before anybody takes what arrives. What has been taken is not held any more. */
function readAhead(chunks: AsyncIterable<Buffer>): Readable {
  // As many chunks as a range may have: none waits in its socket.
  const ahead = Readable.from(chunks, { highWaterMark: RANGE_BYTES });
  // Whose turn it is, is told.
  ahead.on("error", () => undefined);
  ahead.read(0);
  return ahead;
}
