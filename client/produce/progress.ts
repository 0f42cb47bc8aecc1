import { Readable } from "node:stream";

/** How far something is. */
export interface ProgressReport {
  /** Bytes that have been sent or received so far. */
  readonly bytes: number;
  /** Bytes in all; undefined where nobody knows. */
  readonly totalBytes: number | undefined;
  readonly parts?: { readonly done: number; readonly total: number | undefined };
}

export type OnProgress = (report: ProgressReport) => void;

/** Counts what passes, and takes back what has to be sent once more. */
export class Progress {
  #bytes = 0;
  #partsDone = 0;
  /** Of an upload in parts. */
  totalParts: number | undefined;

  constructor(
    private readonly totalBytes: number | undefined,
    private readonly onProgress: OnProgress | undefined,
  ) {}

  add(bytes: number): void {
    this.#bytes += bytes;
    this.#report();
  }

  partDone(): void {
    this.#partsDone += 1;
    this.#report();
  }

  /**
   * Runs one try to send so many bytes, which counts what it sends: one that fails has sent nothing, one that succeeds
   * all, even where S3 had it already and did not read on.
   */
  async attempt<T>(size: number, run: (sent: (stream: Readable) => Readable) => Promise<T>): Promise<T> {
    let bytes = 0;
    let over = false;
    const count = (length: number) => {
      if (over) return;
      bytes += length;
      this.add(length);
    };
    const sent = (stream: Readable) =>
      this.onProgress ? Readable.from(counted(stream, count), { objectMode: false }) : stream;
    try {
      const result = await run(sent);
      over = true;
      if (bytes < size) this.add(size - bytes);
      return result;
    } catch (error) {
      over = true;
      if (bytes > 0) this.add(-bytes);
      throw error;
    }
  }

  #report(): void {
    const { totalBytes, totalParts: total } = this;
    this.onProgress?.({
      bytes: this.#bytes,
      totalBytes,
      ...((total !== undefined || this.#partsDone > 0) && { parts: { done: this.#partsDone, total } }),
    });
  }
}

async function* counted(
  chunks: AsyncIterable<Buffer>,
  count: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    count(chunk.length);
    yield chunk;
  }
}
