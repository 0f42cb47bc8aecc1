import { Readable } from "node:stream";
import type { Waiting } from "../retry";

/** How far something is. */
export interface ProgressReport {
  /** Bytes that have been sent or received so far, those of an interrupted upload that goes on included. */
  readonly bytes: number;
  /**
   * Bytes among these that an interrupted upload had sent already: they were compared with the file, and not sent again,
   * so that no rate goes by them. @default 0
   */
  readonly resumedBytes?: number;
  /** Bytes in all; undefined where nobody knows. */
  readonly totalBytes: number | undefined;
  readonly parts?: { readonly done: number; readonly total: number | undefined };
  /**
   * What keeps it from moving: a request has failed, and is retried after a pause. Reported every second of that pause,
   * and gone as soon as bytes move again. @default nothing
   */
  readonly waiting?: Waiting | undefined;
}

export type OnProgress = (report: ProgressReport) => void;

/** What an attempt reads ahead of a connection that may not come about, in bytes. */
const BUFFERED_BYTES = 2 * 1024 ** 2;

/** Counts what passes, and takes back what has to be sent once more. */
export class Progress {
  #bytes = 0;
  #resumedBytes = 0;
  #partsDone = 0;
  #waiting: Waiting | undefined;
  /** Of an upload in parts. */
  totalParts: number | undefined;

  constructor(
    private readonly totalBytes: number | undefined,
    private readonly onProgress: OnProgress | undefined,
  ) {}

  /** @param isSent whether they have left this machine for good, so that nothing waits any more */
  add(bytes: number, isSent = true): void {
    this.#bytes += bytes;
    if (isSent) this.#waiting = undefined;
    this.#report();
  }

  /** Counts bytes that need not be sent. */
  resume(bytes: number): void {
    this.#resumedBytes += bytes;
    this.add(bytes);
  }

  /** Reports that nothing moves. */
  wait(waiting: Waiting): void {
    this.#waiting = waiting;
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
      this.add(length, bytes > BUFFERED_BYTES);
    };
    const sent = (stream: Readable) =>
      this.onProgress ? Readable.from(counted(stream, count), { objectMode: false }) : stream;
    try {
      const result = await run(sent);
      over = true;
      this.add(size - bytes);
      return result;
    } catch (error) {
      over = true;
      if (bytes > 0) this.add(-bytes, false);
      throw error;
    }
  }

  #report(): void {
    const { totalBytes, totalParts: total } = this;
    this.onProgress?.({
      bytes: this.#bytes,
      totalBytes,
      ...(this.#resumedBytes > 0 && { resumedBytes: this.#resumedBytes }),
      ...((total !== undefined || this.#partsDone > 0) && { parts: { done: this.#partsDone, total } }),
      ...(this.#waiting && { waiting: this.#waiting }),
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
