import { changed } from "./errors";

let turn: Promise<unknown> = Promise.resolve();

/**
 * SHA-256 of some of a file, in base64. A browser hashes what is in memory only, so one is read and hashed at a time:
 * a whole file of at most 64 MiB, or a part.
 *
 * @throws Failure where the file is not what it was
 */
export function sha256(blob: Blob): Promise<string> {
  const digest = turn.then(async () => {
    const bytes = await read(blob);
    return toBase64(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
  });
  turn = digest.catch(() => undefined);
  return digest;
}

/** @throws Failure where the file is not what it was */
export async function read(blob: Blob): Promise<ArrayBuffer> {
  try {
    return await blob.arrayBuffer();
  } catch {
    throw changed();
  }
}

const toBase64 = (bytes: Uint8Array) => btoa(String.fromCharCode(...bytes));
