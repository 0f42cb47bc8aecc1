import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { Readable } from "node:stream";
import S3Error from "@20minutes/s3rver/lib/models/error";

/** A file whose bytes, in a row with those of others, are an object. */
export interface Piece {
  readonly path: string;
  readonly size: number;
}

/** Both ends included. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

export interface WrittenBody {
  readonly size: number;
  /** In hexadecimal. */
  readonly md5: string;
  /** In base64, where one was declared. */
  readonly sha256: string | undefined;
}

/** Read or written at once, in bytes: with the 64 KiB of Node's streams, an upload takes half as long again. */
const BATCH_BYTES = 1024 ** 2;

/**
 * Writes a body into a new file, and hashes it on the way. Of a body that breaks off, the file stays to its caller.
 *
 * @param sha256 what was declared, in base64
 * @throws S3Error where the body has another SHA-256
 */
export async function writeBody(
  path: string,
  content: AsyncIterable<Buffer>,
  sha256: string | undefined,
): Promise<WrittenBody> {
  const hashes = { md5: createHash("md5"), sha256: sha256 === undefined ? undefined : createHash("sha256") };
  const file = await open(path, "wx");
  let writing = Promise.resolve();
  let batch: Buffer[] = [];
  let [size, batched] = [0, 0];
  try {
    for await (const chunk of content) {
      hashes.md5.update(chunk);
      hashes.sha256?.update(chunk);
      size += chunk.length;
      batched += chunk.length;
      batch.push(chunk);
      if (batched < BATCH_BYTES) continue;
      await writing;
      // The disk works while the next batch arrives and is hashed.
      writing = writeAll(file, batch);
      writing.catch(() => undefined);
      [batch, batched] = [[], 0];
    }
    await writing;
    await writeAll(file, batch);
  } finally {
    await Promise.allSettled([writing]);
    await file.close();
  }
  if (hashes.sha256 && hashes.sha256.digest("base64") !== sha256) {
    throw new S3Error("BadDigest", "The SHA256 you specified did not match the calculated checksum.");
  }
  return { size, md5: hashes.md5.digest("hex"), sha256 };
}

async function writeAll(file: FileHandle, buffers: readonly Buffer[]): Promise<void> {
  if (buffers.length === 0) return;
  const { bytesWritten } = await file.writev(buffers);
  const left = buffers.reduce((sum, { length }) => sum + length, 0) - bytesWritten;
  if (left > 0) throw new Error(`The disk took all but ${left} bytes: it may be full.`);
}

/**
 * The files and folders that hold the bytes of objects. Who reads one goes on reading it, as in S3, while its object
 * is overwritten or deleted.
 */
export class Bodies {
  readonly #readers = new Map<string, number>();
  readonly #removed = new Set<string>();

  /** Opens no file before it is read, and one at a time. */
  read(body: string, pieces: readonly Piece[], range: Range): Readable {
    this.#readers.set(body, (this.#readers.get(body) ?? 0) + 1);
    const content = Readable.from(chunksOf(pieces, range), { objectMode: false, highWaterMark: BATCH_BYTES });
    return content.once("close", () => this.#release(body));
  }

  async remove(body: string): Promise<void> {
    if (this.#readers.has(body)) this.#removed.add(body);
    else await rm(body, { recursive: true, force: true });
  }

  #release(body: string): void {
    const left = (this.#readers.get(body) ?? 1) - 1;
    if (left > 0) {
      this.#readers.set(body, left);
      return;
    }
    this.#readers.delete(body);
    // Nobody waits for it; what cannot be removed now is at the next start.
    if (this.#removed.delete(body)) void this.remove(body).catch(() => undefined);
  }
}

async function* chunksOf(pieces: readonly Piece[], range: Range): AsyncGenerator<Buffer> {
  let begin = 0;
  for (const { path, size } of pieces) {
    const start = Math.max(range.start - begin, 0);
    const end = Math.min(range.end - begin, size - 1);
    if (start <= end) yield* createReadStream(path, { start, end, highWaterMark: BATCH_BYTES });
    begin += size;
  }
}
