import { Failure } from "./errors";
import type { ChosenFile } from "./files";
import { isLeaving, staying } from "./leaving";
import { FAILURE } from "./texts";

let turn: Promise<unknown> = Promise.resolve();

/**
 * SHA-256 of some of a file, in base64. A browser hashes what is in memory only, so one is read and hashed at a time:
 * a whole file of at most 64 MiB, or a part.
 *
 * @throws as {@link read}
 */
export function sha256(blob: Blob, chosen: ChosenFile, signal?: AbortSignal): Promise<string> {
  const digest = turn.then(async () => await digestOf(await read(blob, chosen, signal)));
  turn = digest.catch(() => undefined);
  return digest;
}

/** SHA-256 in base64. */
export async function digestOf(bytes: BufferSource): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return btoa(String.fromCharCode(...digest));
}

/**
 * Reads some of a file. A failure while the page is being left says nothing about the file: it is read again once the
 * page stays.
 *
 * @throws Failure where the file has changed since it was chosen, or cannot be read; the signal's reason where it aborts
 */
export async function read(blob: Blob, chosen: ChosenFile, signal?: AbortSignal): Promise<ArrayBuffer> {
  for (;;) {
    signal?.throwIfAborted();
    try {
      return await blob.arrayBuffer();
    } catch (error) {
      if (!isLeaving()) throw readingFailure(error, chosen);
      await staying(signal);
    }
  }
}

/**
 * Chromium gives one error for a changed file and for one that it may not read for the moment, and no other size or
 * date: only what is known to be another file, or none, is taken for that.
 *
 * https://w3c.github.io/FileAPI/#dfn-error-codes
 */
function readingFailure(error: unknown, { file, size, lastModified }: ChosenFile): Failure {
  const isGone = error instanceof DOMException && error.name === "NotFoundError";
  const isOther = file.size !== size || file.lastModified !== lastModified;
  return isGone || isOther ? changed() : new Failure(FAILURE.unreadable, true);
}

/** The failure of a file that is not the one that was chosen any more. */
export const changed = (): Failure => new Failure(FAILURE.changed, false);
