import { setMaxListeners } from "node:events";
import { basename } from "node:path";
import { contentType as contentTypeOf } from "mime-types";
import { quote } from "../../common/quote";
import { NAME } from "../../functions/sign-url/fields";
import { isName } from "../../functions/sign-url/keys";
import { LIMITS } from "../../functions/sign-url/limits";
import { Api, type ApiOptions } from "../api";
import { HttpError, TweedleError, checkWhole, throwIfAborted } from "../errors";
import type { Context, Fields, Produced } from "./context";
import { defaultStateDirectory } from "./journal";
import { Layout, MIN_PART_BYTES, MULTIPART_THRESHOLD_BYTES, PART_BYTES } from "./layout";
import { metadataMistake } from "./metadata";
import { type Part, Pieces, nextPart, partsOf } from "./parts";
import { type OnProgress, Progress } from "./progress";
import { putObject } from "./put-object";
import type { Waiting } from "../retry";
import { sendMessage } from "./send-message";
import { type FileSource, type Source, chunkSource, isSource, openFile } from "./source";
import { resumableUpload, upload } from "./upload";

const MIB = 1024 ** 2;

export interface ProducerOptions extends ApiOptions {
  /**
   * Payloads up to this size travel in the queue's message itself, if the whole message fits there (256 KiB), in
   * bytes. 0 for never. @default 262,144
   */
  readonly inlineThresholdBytes?: number | undefined;
  /** Payloads up to this size go up in one request, larger ones in parts, in bytes. @default 64 MiB */
  readonly multipartThresholdBytes?: number | undefined;
  /**
   * The size of a part, in bytes, at least 5 MiB; larger where 10,000 would not suffice.
   * @default 32 MiB; of a stream 8 MiB, which are held in memory
   */
  readonly partSizeBytes?: number | undefined;
  /** Parts that go up at once. @default 4 */
  readonly concurrency?: number | undefined;
  /** Where notes on uploads are kept, for `resume`. @default $XDG_STATE_HOME/tweedle, or ~/.local/state/tweedle */
  readonly stateDirectory?: string | undefined;
}

export interface ProduceOptions {
  /** What the payload is called; it ends its key. @default the file's name, or "payload" */
  readonly name?: string | undefined;
  /** The media type. @default what the name's ending stands for */
  readonly contentType?: string | undefined;
  /** At most 2,016 bytes, names of a-z, 0-9, ".", "_" and "-", and values of printable ASCII together. @default none */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /**
   * Goes on with an interrupted upload of the same file, and notes down what the next one needs to go on with this.
   * Without it, an upload in parts that fails is given up: S3 drops its parts. Files only. @default false
   */
  readonly resume?: boolean | undefined;
  /** How much a stream will give at most, in bytes: its parts are cut so that they suffice. @default enough for 8 TB */
  readonly expectedSizeBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
  /**
   * Told what was sent before `produce` resolves. Whoever is killed after it, and resumes, has the same told again, and
   * sends nothing.
   */
  readonly onProduced?: ((produced: Produced) => void) | undefined;
}

/** A file's path, bytes in memory, or bytes as they come. A file whose size does not count its bytes (/proc) is read as a stream. */
export type Input = string | Uint8Array | AsyncIterable<Uint8Array | string>;

const DEFAULTS = {
  inlineThresholdBytes: LIMITS.messageBytes,
  multipartThresholdBytes: MULTIPART_THRESHOLD_BYTES,
  concurrency: 4,
  partSizeBytes: PART_BYTES,
  streamPartBytes: 8 * MIB,
} as const;

/** Sends payloads. It holds connections, so one is made for many payloads. */
export class Producer {
  readonly #api: Api;
  readonly #options: ProducerOptions;

  /** @throws TweedleError Invalid, where an option cannot be used */
  constructor(options: ProducerOptions) {
    const { inlineThresholdBytes, multipartThresholdBytes, partSizeBytes, concurrency } = options;
    checkWhole("concurrency", concurrency, 1, 64);
    checkWhole("partSizeBytes", partSizeBytes, MIN_PART_BYTES, LIMITS.putBytes);
    checkWhole("multipartThresholdBytes", multipartThresholdBytes, 0, LIMITS.putBytes);
    checkWhole("inlineThresholdBytes", inlineThresholdBytes, 0, Number.MAX_SAFE_INTEGER);
    this.#options = options;
    this.#api = new Api(options);
  }

  /**
   * Sends a payload. Resolves once S3, or the queue, has it for good.
   *
   * A retry whose answer was lost leads to no second message, and memory does not grow with the payload.
   *
   * @throws TweedleError that says what to change, or what failed
   */
  async produce(input: Input, options: ProduceOptions = {}): Promise<Produced> {
    const { signal } = options;
    throwIfAborted(signal);
    const fields = fieldsOf(input, options);
    // One signal may end many payloads, and each listens to it.
    if (signal) setMaxListeners(Infinity, signal);
    let isTold = false;
    const onProduced = (sent: Produced) => {
      if (!isTold) options.onProduced?.(sent);
      isTold = true;
    };
    try {
      const sent = await this.#produce(input, fields, { ...options, onProduced });
      onProduced(sent);
      return sent;
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      const { status, message } = error;
      throw new TweedleError("Refused", `${fields.object_key} was refused with ${status}: ${message}`, {
        cause: error,
      });
    }
  }

  /** Closes its connections. */
  close(): void {
    this.#api.close();
  }

  async #produce(input: Input, fields: Fields, options: ProduceOptions): Promise<Produced> {
    if (input instanceof Uint8Array) {
      const bytes = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
      return await this.#produceSource(chunkSource([bytes], bytes.length), fields, options);
    }
    if (typeof input !== "string") return await this.#produceStream(input, fields, options);
    const opened = await openFile(input, this.#context(undefined, options));
    // A pipe is closed once a read of it ends, which may be never.
    if (!isSource(opened)) return await this.#produceStream(opened.createReadStream(), fields, options);
    try {
      return await this.#produceSource(opened, fields, options, opened);
    } finally {
      await opened.close();
    }
  }

  async #produceSource(
    source: Source,
    fields: Fields,
    options: ProduceOptions,
    file?: FileSource,
  ): Promise<Produced> {
    const { size } = source;
    const {
      inlineThresholdBytes = DEFAULTS.inlineThresholdBytes,
      multipartThresholdBytes = DEFAULTS.multipartThresholdBytes,
      partSizeBytes = DEFAULTS.partSizeBytes,
      stateDirectory = defaultStateDirectory(),
    } = this.#options;
    const context = this.#context(size, options);
    if (inlineThresholdBytes > 0 && size <= inlineThresholdBytes) {
      const produced = await sendMessage(context, source, fields, file?.assertUnchanged);
      if (produced) return produced;
    }
    if (size <= multipartThresholdBytes)
      return await putObject(context, source, fields, file?.assertUnchanged);
    const layout = Layout.ofSize(size, partSizeBytes);
    context.progress.totalParts = layout.count(size);
    if (file && options.resume) {
      const { onProduced = () => undefined } = options;
      const journal = { stateDirectory, apiUrl: this.#api.url, onProduced };
      return await resumableUpload(context, file, fields, layout, journal);
    }
    const check = file?.assertUnchanged;
    return await upload(context, partsOf(source, layout), fields, layout, { size, check });
  }

  /** A stream that ends within its first part goes whole, any other in parts. */
  async #produceStream(
    stream: AsyncIterable<Uint8Array | string>,
    fields: Fields,
    options: ProduceOptions,
  ): Promise<Produced> {
    const { expectedSizeBytes } = options;
    const partBytes = this.#options.partSizeBytes ?? DEFAULTS.streamPartBytes;
    const layout = expectedSizeBytes
      ? Layout.ofSize(expectedSizeBytes, partBytes)
      : Layout.growing(partBytes);
    const pieces = new Pieces(stream, options.signal);
    const context = this.#context(undefined, options);
    let first: Part | undefined;
    try {
      first = await nextPart(pieces, layout, 1, context);
      if (!first) return await this.#produceSource(chunkSource([], 0), fields, options);
      if (first.end === layout.sizeOf(1)) {
        return await upload(context, streamParts(first, pieces, layout, context), fields, layout);
      }
      return await this.#produceSource(first.source, fields, options);
    } finally {
      pieces.close();
      await first?.source.close();
    }
  }

  #context(size: number | undefined, { signal, onProgress }: ProduceOptions): Context {
    const { concurrency = DEFAULTS.concurrency, retry } = this.#options;
    const progress = new Progress(size, onProgress);
    const onWait = (waiting: Waiting) => progress.wait(waiting);
    return { api: this.#api, progress, concurrency, retry, signal, onWait };
  }
}

/** The parts of a stream whose first has been read. */
async function* streamParts(
  first: Part,
  pieces: Pieces,
  layout: Layout,
  context: Context,
): AsyncGenerator<Part> {
  let part: Part | undefined = first;
  for (; part; part = await nextPart(pieces, layout, part.number + 1, context)) yield part;
}

/** @throws TweedleError Invalid, where the API would refuse them */
function fieldsOf(input: Input, options: ProduceOptions): Fields {
  const name = options.name ?? (typeof input === "string" ? basename(input) : "payload");
  if (!isName(name)) {
    throw new TweedleError(
      "Invalid",
      `${quote(name)} cannot be a payload's name: it must be ${NAME.mustBe}.`,
    );
  }
  const type = options.contentType ?? (contentTypeOf(basename(name)) || undefined);
  const { metadata = {} } = options;
  const mistake = metadataMistake(metadata);
  if (mistake !== undefined) throw new TweedleError("Invalid", mistake);
  return {
    object_key: name,
    ...(type !== undefined && { content_type: type }),
    ...(Object.keys(metadata).length > 0 && { metadata }),
  };
}
