import { createHash, randomUUID } from "node:crypto";
import type { Stats } from "node:fs";
import { type FileHandle, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { Gate, type Leave, assertSpareDescriptors } from "../descriptors";
import { TweedleError } from "../errors";
import { type RetryContext, retry } from "../retry";

/** How much is read from a file at once, in bytes: fewer and larger reads than the 64 KiB of Node's streams. */
const READ_BYTES = 512 * 1024;

/** Bytes that can be read again and again, as a retry must. */
export interface Source {
  readonly size: number;
  /** Some of the bytes, the end not included. Reading fails where there are fewer. */
  readonly read: (start: number, end: number) => Readable;
  /** The same, to be looked at only: a chunk is what it is until the next is asked for. */
  readonly scan: (start: number, end: number) => AsyncIterable<Buffer> | Iterable<Buffer>;
  readonly close: () => Promise<void>;
}

/** A source of chunks that are in memory already. */
export function chunkSource(chunks: readonly Buffer[], size: number): Source {
  return {
    size,
    read: (start, end) => Readable.from(sliceChunks(chunks, start, end), { objectMode: false }),
    scan: (start, end) => sliceChunks(chunks, start, end),
    close: () => Promise.resolve(),
  };
}

function* sliceChunks(chunks: readonly Buffer[], start: number, end: number): Generator<Buffer> {
  let position = 0;
  for (const chunk of chunks) {
    const slice = chunk.subarray(Math.max(start - position, 0), Math.max(end - position, 0));
    if (slice.length > 0) yield slice;
    position += chunk.length;
  }
}

/** A file as it is opened now: one that takes its place later is not mixed with it. */
export interface FileSource extends Source {
  readonly path: string;
  /** When it was changed last, in milliseconds since 1970. */
  readonly modifiedAt: number;
  /** @throws TweedleError Invalid, where it has changed since it was opened: what was read may be of two minds */
  readonly assertUnchanged: () => Promise<void>;
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "it may not be read",
  ELOOP: "its symbolic links lead in a circle",
  ENAMETOOLONG: "its path is too long",
  ENOENT: "there is no such file",
  ENOTDIR: "a part of its path is no folder",
  ENXIO: "it is a socket, or a device without a driver",
  EPERM: "it may not be read",
};

/** Gives the reason for an error of the file system, which completes the sentence "<path> cannot be sent: …". */
export function reasonOf(error: unknown): string {
  const { code = "" } = error as NodeJS.ErrnoException;
  return REASONS[code] ?? (code || String(error));
}

/** Files that are open: fewer at once where the process has no more descriptors. */
const files = new Gate();

/** A file that is open, and counts as such until `leave` is called. */
interface Opened {
  readonly handle: FileHandle;
  readonly stat: Stats;
  readonly leave: Leave;
}

/** Opens a file, as soon as there are descriptors for it and for the requests that send it. */
async function openWhenPossible(
  name: string,
  openIt: () => Promise<FileHandle>,
  context: RetryContext,
): Promise<Opened> {
  const attempt = async () => {
    const leave = await files.enter(context.signal);
    let handle: FileHandle | undefined;
    try {
      handle = await openIt();
      const stat = await handle.stat();
      if (stat.isFile() && files.size > 1) assertSpareDescriptors();
      return { handle, stat, leave };
    } catch (error) {
      await handle?.close();
      leave(error);
      throw error;
    }
  };
  return await retry(`Opening ${name}`, attempt, context);
}

/**
 * Opens what is at a path: a file as a source; what can only be read once, and to an end that is not known before, as
 * a handle.
 *
 * @throws TweedleError Invalid, where there is no such file, or none that may be read
 */
export async function openFile(path: string, context: RetryContext = {}): Promise<FileSource | FileHandle> {
  let opened: Opened | undefined;
  try {
    opened = await openWhenPossible(path, () => open(path, "r"), context);
    const { handle, stat, leave } = opened;
    if (stat.isDirectory())
      throw new TweedleError("Invalid", `${path} is a folder. Send what is in it with -r.`);
    if (stat.isFile() && (await isAsLongAsItSays(path, opened))) return fileSource(path, opened);
    // A pipe or a device has no length that could be signed.
    leave();
    return handle;
  } catch (error) {
    await opened?.handle.close();
    opened?.leave();
    if (error instanceof TweedleError) throw error;
    throw new TweedleError("Invalid", `${path} cannot be sent: ${reasonOf(error)}.`, { cause: error });
  }
}

/** A file without a name, with bytes of a stream, that goes with its process. */
export async function spool(chunks: AsyncIterable<Buffer>, context: RetryContext): Promise<Source> {
  const { handle, leave } = await openWhenPossible("a temporary file", openUnnamed, context);
  try {
    await writeFile(handle, chunks);
    return fileSource("A temporary file", { handle, stat: await handle.stat(), leave });
  } catch (error) {
    await handle.close();
    leave();
    throw error;
  }
}

async function openUnnamed(): Promise<FileHandle> {
  const path = join(tmpdir(), `tweedle-part-${randomUUID()}`);
  const handle = await open(path, "wx+", 0o600);
  await rm(path);
  return handle;
}

/**
 * Tells whether a file's last byte is where its size says. Linux gives most files of /proc a size of 0, and those of /sys one
 * of 4,096: https://man7.org/linux/man-pages/man5/proc.5.html
 *
 * @throws TweedleError Invalid, where the file has changed since its size was asked for
 */
async function isAsLongAsItSays(path: string, { handle, stat }: Opened): Promise<boolean> {
  const last = Math.max(stat.size - 1, 0);
  const { bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, last);
  if (bytesRead === stat.size - last) return true;
  await assertUnchanged(path, handle, stat);
  return false;
}

/** @throws TweedleError Invalid */
async function assertUnchanged(path: string, handle: FileHandle, before: Stats): Promise<void> {
  const now = await handle.stat();
  // A program can set the first two back, but not the third.
  const isSame = now.size === before.size && now.mtimeMs === before.mtimeMs && now.ctimeMs === before.ctimeMs;
  if (!isSame) throw changed(path);
}

export const isSource = (opened: FileSource | FileHandle): opened is FileSource => "modifiedAt" in opened;

function fileSource(path: string, { handle, stat, leave }: Opened): FileSource {
  return {
    path,
    size: stat.size,
    modifiedAt: stat.mtimeMs,
    read: (start, end) =>
      Readable.from(
        readFile(handle, path, start, end, (bytes) => Buffer.allocUnsafe(bytes)),
        {
          objectMode: false,
          highWaterMark: READ_BYTES,
        },
      ),
    // Memory that is new for each chunk would cost more than the hashing: the collector looks for what is free.
    scan: (start, end) => {
      const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, end - start));
      return readFile(handle, path, start, end, () => buffer);
    },
    assertUnchanged: () => assertUnchanged(path, handle, stat),
    close: async () => {
      await handle.close();
      leave();
    },
  };
}

/** A file that is not, or no longer, what was read of it before. */
export class FileChangedError extends TweedleError {}

export const changed = (name: string, options?: ErrorOptions): FileChangedError =>
  new FileChangedError("Invalid", `${name} changed during the upload.`, options);

/** @throws TweedleError Invalid, where the file has become shorter */
async function* readFile(
  handle: FileHandle,
  path: string,
  start: number,
  end: number,
  bufferOf: (bytes: number) => Buffer,
): AsyncGenerator<Buffer> {
  for (let position = start; position < end;) {
    const length = Math.min(READ_BYTES, end - position);
    const { bytesRead, buffer } = await handle.read(bufferOf(length), 0, length, position);
    if (bytesRead === 0) throw changed(path);
    position += bytesRead;
    yield bytesRead === buffer.length ? buffer : buffer.subarray(0, bytesRead);
  }
}

/** The SHA-256 of some of a source's bytes. */
export async function digestOf(
  source: Source,
  start: number,
  end: number,
  signal?: AbortSignal,
): Promise<Buffer> {
  const hash = createHash("sha256");
  for await (const chunk of source.scan(start, end)) {
    if (signal?.aborted) break;
    hash.update(chunk);
  }
  return hash.digest();
}
