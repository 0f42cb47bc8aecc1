import { Readable } from "node:stream";
import { LIMITS } from "../../functions/sign-url/limits";
import { TweedleError } from "../errors";
import { type RetryContext, unlessAborted } from "../retry";
import type { Layout } from "./layout";
import { type Source, chunkSource, digestOf, spool } from "./source";

/** Some bytes of a payload that go up as one part. */
export interface Part {
  /** From 1. */
  readonly number: number;
  readonly source: Source;
  /** Where in the source it begins and ends. */
  readonly start: number;
  readonly end: number;
}

export interface HashedPart extends Part {
  /** SHA-256 in base64. */
  readonly checksum: string;
}

/** Parts of a stream up to this size wait in memory, larger ones in a file, in bytes. */
const MEMORY_PART_BYTES = 8 * 1024 ** 2;

/** The parts of what can be read anywhere. */
export function* partsOf(source: Source, layout: Layout): Generator<Part> {
  let start = 0;
  for (let number = 1; start < source.size; number += 1) {
    const end = Math.min(start + layout.sizeOf(number), source.size);
    yield { number, source: { ...source, close: () => Promise.resolve() }, start, end };
    start = end;
  }
}

/** Hashes parts one after the other, each when it is asked for: the first is not kept waiting by those after it. */
export async function* hashed(
  parts: AsyncIterable<Part> | Iterable<Part>,
  signal?: AbortSignal,
): AsyncGenerator<HashedPart> {
  for await (const part of parts) {
    const { source, start, end } = part;
    const digest = await digestOf(source, start, end, signal).catch(async (error: unknown) => {
      await source.close();
      throw error;
    });
    yield { ...part, checksum: digest.toString("base64") };
  }
}

/** A stream that is read in pieces of wanted sizes, each only when it is asked for. */
export class Pieces {
  readonly #chunks: AsyncIterator<Uint8Array | string>;
  readonly #closed = new AbortController();
  #rest: Buffer = Buffer.alloc(0);
  #ended = false;

  constructor(
    private readonly stream: AsyncIterable<Uint8Array | string>,
    private readonly signal?: AbortSignal,
  ) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  /** The next bytes, at most so many. Fewer mean that there are no more. */
  async *take(bytes: number): AsyncGenerator<Buffer> {
    let missing = bytes;
    while (missing > 0) {
      if (this.#rest.length === 0 && !(await this.#fill())) return;
      const chunk = this.#rest.subarray(0, missing);
      this.#rest = this.#rest.subarray(chunk.length);
      missing -= chunk.length;
      if (chunk.length > 0) yield chunk;
    }
  }

  /** Reads no more: whoever writes is told. A read that is under way is not waited for: it may never end. */
  close(): void {
    if (this.stream instanceof Readable) this.stream.destroy();
    else if (!this.#ended) this.#chunks.return?.().catch(() => undefined);
    this.#ended = true;
    this.#closed.abort();
  }

  async #fill(): Promise<boolean> {
    if (this.#ended) return false;
    const next = unlessAborted(this.#chunks.next(), this.signal);
    const { done, value } = await unlessAborted(next, this.#closed.signal);
    this.#ended = Boolean(done);
    if (!done) this.#rest = asBuffer(value);
    return !done;
  }
}

function asBuffer(chunk: Uint8Array | string): Buffer {
  if (typeof chunk === "string") return Buffer.from(chunk);
  if (chunk instanceof Uint8Array) return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  throw new TweedleError("Invalid", `A stream must give bytes or text, not ${typeof chunk}.`);
}

/** The next part of a stream; none at its end. Its source is to be closed. */
export async function nextPart(
  pieces: Pieces,
  layout: Layout,
  number: number,
  context: RetryContext,
): Promise<Part | undefined> {
  if (number > LIMITS.partsPerUpload) {
    throw new TweedleError(
      "Invalid",
      "The stream is too long for its parts: say its size before (--expected-size).",
    );
  }
  const bytes = layout.sizeOf(number);
  const chunks = pieces.take(bytes);
  const source = await (bytes <= MEMORY_PART_BYTES ? inMemory(chunks) : spool(chunks, context));
  if (source.size > 0) return { number, source, start: 0, end: source.size };
  await source.close();
  return undefined;
}

async function inMemory(pieces: AsyncIterable<Buffer>): Promise<Source> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of pieces) {
    chunks.push(chunk);
    size += chunk.length;
  }
  return chunkSource(chunks, size);
}
