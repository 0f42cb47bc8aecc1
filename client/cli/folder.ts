import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, readdir, rename, rm, rmdir } from "node:fs/promises";
import { dirname, extname, join } from "node:path";
import { StringDecoder } from "node:string_decoder";
import type { Payload } from "../consume/payload";
import { TweedleError } from "../errors";

/** Most file systems take 255 bytes a name; ours get none longer. */
const MAX_NAME_BYTES = 200;
/** What is not whole yet lies here, in a file that begins with its process's id. */
const PARTIAL = ".partial";

/**
 * A folder that payloads are written to: each appears whole and at once, under a path of its own, and one that is
 * delivered twice is the same file twice.
 */
export class Folder {
  private constructor(
    private readonly path: string,
    private readonly partial: string,
  ) {}

  /** @throws TweedleError Invalid, where it cannot be written to */
  static async open(path: string): Promise<Folder> {
    const partial = join(path, PARTIAL);
    try {
      await mkdir(partial, { recursive: true });
      for (const name of await readdir(partial)) {
        if (!isAlive(Number(name.split("-")[0]))) await rm(join(partial, name), { force: true });
      }
    } catch (error) {
      throw new TweedleError(
        "Invalid",
        `--out ${path} must be a folder that may be written: ${(error as NodeJS.ErrnoException).code}.`,
        {
          cause: error,
        },
      );
    }
    return new Folder(path, partial);
  }

  /**
   * Writes a payload, and its name only once its bytes are on the disk.
   *
   * @returns DIR/<UUID>/<name>
   */
  async save({ key, body }: Payload): Promise<string> {
    const path = join(this.path, ...key.split("/").slice(1).map(fileName));
    const partial = join(this.partial, `${process.pid}-${randomUUID()}`);
    try {
      const file = await open(partial, "wx");
      try {
        for await (const chunk of body as AsyncIterable<Buffer>) await writeAll(file, chunk);
        await file.sync();
      } finally {
        await file.close();
      }
      await mkdir(dirname(path), { recursive: true });
      await rename(partial, path);
      // The name is in its folder, which is a file, too.
      await syncFolder(dirname(path));
      await syncFolder(this.path);
    } finally {
      await rm(partial, { force: true });
    }
    return path;
  }

  /** Leaves no folder of ours behind that is empty. */
  async close(): Promise<void> {
    await rmdir(this.partial).catch(() => undefined);
  }
}

async function writeAll(file: Awaited<ReturnType<typeof open>>, chunk: Buffer): Promise<void> {
  for (let written = 0; written < chunk.length;) {
    written += (await file.write(chunk, written, chunk.length - written)).bytesWritten;
  }
}

async function syncFolder(path: string): Promise<void> {
  // Windows has no such thing.
  const folder = await open(path, "r").catch(() => undefined);
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}

/** A segment of a key as a file's name: a long one is cut, and told from others by its digest. */
function fileName(segment: string): string {
  if (Buffer.byteLength(segment) <= MAX_NAME_BYTES) return segment;
  const extension = extname(segment).slice(0, 16);
  const digest = createHash("sha256").update(segment).digest("hex").slice(0, 8);
  // Cut within a character, it would end in one that stands for what is broken.
  const stem = new StringDecoder("utf8").write(Buffer.from(segment).subarray(0, MAX_NAME_BYTES - 60));
  return `${stem}~${digest}${extension}`;
}

/** Whether a process is there, whoever's it is. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
