import { randomBytes, randomUUID } from "node:crypto";
import { createWriteStream, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout } from "node:timers/promises";

/** Where the chain is. */
export interface Endpoints {
  readonly apiUrl: string;
  readonly queueUrl: string;
  readonly bucketName: string;
  readonly s3Endpoint: string;
  readonly sqsEndpoint: string;
  readonly region: string;
  /** The account's own. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/** One way to move files: each gets ready, and returns what does it and is measured. */
export interface Contender {
  /** @returns sends the files, and says their keys */
  readonly produce: (chain: Endpoints, files: readonly string[]) => Promise<() => Promise<Done>>;
  /** @returns receives what has been sent, into files in a folder */
  readonly consume: (
    chain: Endpoints,
    keys: readonly string[],
    folder: string,
  ) => Promise<() => Promise<Partial<Done> | void>>;
  /** @returns sends payloads one by one to a consumer that waits, and says how soon it had each one's first byte */
  readonly delay?: (chain: Endpoints) => Promise<() => Promise<Pick<Done, "delaysMs">>>;
}

export interface Done {
  readonly keys: readonly string[];
  /** Of a process of its own, where the work is done in one. */
  readonly peakMb?: number;
  /** From the end of each upload to the first byte. */
  readonly delaysMs?: readonly number[];
}

/** How many payloads are sent one by one, and of how many bytes. */
const [DELAYS, DELAY_BYTES] = [20, 1024 ** 2];
/** How long the consumer has to ask the queue again, in milliseconds. */
const PAUSE_MS = 200;

/** How many small files are moved at once: as many as `aws s3 cp` does by default. */
export const FILES_AT_ONCE = 10;
/** Read or written at once, in bytes, by those who leave it to us. */
export const CHUNK_BYTES = 512 * 1024;

/** A key as the API gives them, for those that do not ask it. */
export const newKey = (name: string): string => `input/${randomUUID()}/${name}`;

/** Works on items, several at once; the results are in the items' order. */
export async function atOnce<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const entries = items.entries();
  const worker = async () => {
    for (const [index, item] of entries) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: FILES_AT_ONCE }, worker));
  return results;
}

/** Writes what arrives into a new file, without fsync. */
export async function save(body: Readable, folder: string, key: string): Promise<void> {
  const path = join(folder, key.replaceAll("/", "-"));
  await pipeline(body, createWriteStream(path, { highWaterMark: CHUNK_BYTES }));
}

/**
 * Sends payloads one by one, each once the one before it has arrived.
 *
 * @param send resolves once it is uploaded
 * @param arrived resolves with the time of the next payload's first byte
 */
export async function delays(
  send: (bytes: Buffer) => Promise<unknown>,
  arrived: () => Promise<number>,
): Promise<number[]> {
  const measured: number[] = [];
  for (let index = 0; index < DELAYS; index++) {
    await setTimeout(PAUSE_MS);
    const firstByte = arrived();
    await send(randomBytes(DELAY_BYTES));
    const uploaded = performance.now();
    measured.push((await firstByte) - uploaded);
  }
  return measured;
}

/** Reads all of a payload. @returns the time of its first byte */
export async function firstByteOf(body: Readable): Promise<number> {
  let at: number | undefined;
  for await (const _ of body) at ??= performance.now();
  return at ?? NaN;
}

/**
 * The most memory that a process has had. Linux counts ru_maxrss on from the process that started it, which may have
 * had more: the kernel's other figure begins with the program.
 *
 * @returns MB; not a number where the process is over, or the system is another
 */
export function peakMb(process: number | "self" = "self"): number {
  try {
    const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${process}/status`, "utf8")) ?? [];
    return (Number(kib) * 1024) / 1e6;
  } catch {
    return NaN;
  }
}
