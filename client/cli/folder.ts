import { createHash, randomUUID } from "node:crypto";
import { createReadStream, existsSync, rmSync } from "node:fs";
import { type FileHandle, link, open, readdir, rename, rm, rmdir, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, extname, join, resolve } from "node:path";
import { StringDecoder } from "node:string_decoder";
import { createFolder } from "../../common/create-folder";
import type { Payload } from "../consume/payload";
import { TweedleError } from "../errors";
import { isAlive } from "../processes";
import { UsageError, atExit } from "./exit";

/** Most file systems take 255 bytes a name; ours get none longer. */
const MAX_NAME_BYTES = 200;
/** So many segments of a key are folders; a folder costs an inode, and a wait for the disk. */
const MAX_FOLDERS = 16;
/** What is not whole yet lies here. */
const PARTIAL = ".partial";
/** Nothing that is still being written rests for so long, in milliseconds: a connection that says nothing is broken off before. */
const MAX_REST_MS = 3_600_000;

/** What a file system says that has no links, or none to this. */
const NO_LINKS = ["EACCES", "EMLINK", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "EPERM", "EXDEV"];

/** Whose a file is that is not whole: machines may share a folder, and number their processes alike. */
const OWNER = createHash("sha256").update(hostname()).digest("hex").slice(0, 12);
const partialName = () => `${OWNER}-${process.pid}-${randomUUID()}`;

/**
 * A folder that payloads are written to: each appears whole and at once, under a path of its own, and one that is
 * delivered twice is the same file twice.
 */
export class Folder {
  private constructor(
    private readonly path: string,
    private readonly partial: string,
    private readonly linkTo: typeof link,
  ) {}

  /**
   * Opens a folder, and removes what processes that were killed did not finish there.
   *
   * @param linkTo gives a file a further name, unless something has it
   * @throws UsageError where it is something else; TweedleError Unavailable, where it cannot be written to
   */
  static async open(given: string, linkTo = link): Promise<Folder> {
    const path = resolve(given);
    const partial = join(path, PARTIAL);
    try {
      await createFolder(partial);
      for (const name of await readdir(partial)) {
        if (await isLeft(join(partial, name), name)) await rm(join(partial, name), { force: true });
      }
    } catch (error) {
      const { code = "" } = error as NodeJS.ErrnoException;
      const sentence = `--out ${given} must be a folder that may be written: ${code}.`;
      if (["EEXIST", "ENOTDIR"].includes(code)) throw new UsageError(sentence, { cause: error });
      throw new TweedleError("Unavailable", sentence, { cause: error });
    }
    return new Folder(path, partial, linkTo);
  }

  /**
   * Writes a payload, and its name only once its bytes are on the disk.
   *
   * @returns DIR/<UUID>/<name>; where other bytes have that name already, one that tells them apart
   */
  async save({ id, key, body }: Payload): Promise<string> {
    const wanted = join(this.path, ...pathOf(key));
    const digest = createHash("sha256");
    const partial = join(this.partial, partialName());
    const isOver = atExit(() => rmSync(partial, { force: true }));
    try {
      const file = await this.#create(partial);
      try {
        for await (const chunk of body as AsyncIterable<Buffer>) {
          digest.update(chunk);
          await writeAll(file, chunk);
        }
        await file.sync();
      } finally {
        await file.close();
      }
      const created = await createFolder(dirname(wanted));
      const path = await this.#publish(partial, wanted, digest.digest(), digestOf(id));
      // A name is in its folder, which is a file, too, and where it is new has its name in another.
      const last = created === undefined ? dirname(path) : dirname(created);
      for (let folder = dirname(path); ; folder = dirname(folder)) {
        await syncFolder(folder);
        if (folder.length <= last.length) return path;
      }
    } finally {
      await rm(partial, { force: true });
      isOver();
    }
  }

  /** Leaves no folder of ours behind that is empty. */
  async close(): Promise<void> {
    await rmdir(this.partial).catch(() => undefined);
  }

  /**
   * Gives a file its name. Where something has that, the same bytes are there already; others are another version: a
   * producer may write over his own payload, each is a message, and they may come at once.
   *
   * @param tag tells versions apart
   */
  async #publish(partial: string, wanted: string, digest: Buffer, tag: string): Promise<string> {
    for (let path = wanted; ; path += `.${tag}`) {
      if (await this.#isNamed(partial, path)) return path;
      if ((await digestAt(path))?.equals(digest)) return path;
    }
  }

  /** @returns whether a file has got a name: not, where something has it */
  async #isNamed(partial: string, path: string): Promise<boolean> {
    try {
      await this.linkTo(partial, path);
      return true;
    } catch (error) {
      const { code = "" } = error as NodeJS.ErrnoException;
      if (code === "EEXIST") return false;
      if (!NO_LINKS.includes(code)) throw error;
    }
    // A rename takes the place of what is there: with no links, that can be looked for only beforehand.
    if (existsSync(path)) return false;
    await rename(partial, path);
    return true;
  }

  async #create(partial: string): Promise<FileHandle> {
    try {
      return await open(partial, "wx");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      // Another process has ended, and found nothing in it.
      await createFolder(this.partial);
      return await open(partial, "wx");
    }
  }
}

/** The digest of a file; undefined where somebody has taken it away. */
async function digestAt(path: string): Promise<Buffer | undefined> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) hash.update(chunk);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  return hash.digest();
}

const digestOf = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 8);

/** Whether nobody writes to a file any more that is not whole. */
async function isLeft(path: string, name: string): Promise<boolean> {
  const [owner, pid] = name.split("-");
  // In a container every process may have the same number; one that begins writes nothing yet.
  if (owner === OWNER && (Number(pid) === process.pid || !isAlive(Number(pid)))) return true;
  const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Infinity }));
  return Date.now() - mtimeMs > MAX_REST_MS;
}

async function writeAll(file: FileHandle, chunk: Buffer): Promise<void> {
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

/** Where a key's payload lies: its segments but for input/ are folders, the last of very many one file. */
function pathOf(key: string): string[] {
  const segments = key.split("/").slice(1);
  const rest = segments.slice(MAX_FOLDERS).join("/");
  return [...segments.slice(0, MAX_FOLDERS), ...(rest === "" ? [] : [rest])].map(fileName);
}

/** A segment of a key, or several, as a file's name: what is long is cut, and told from others by its digest. */
function fileName(text: string): string {
  if (Buffer.byteLength(text) <= MAX_NAME_BYTES && !text.includes("/")) return text;
  const extension = extname(text);
  const bytes = Buffer.from(text.slice(0, text.length - extension.length).replaceAll("/", "~"));
  // Cut within a character, it would end in one that stands for what is broken.
  const stem = new StringDecoder("utf8").write(bytes.subarray(0, MAX_NAME_BYTES - 60));
  return `${stem}~${digestOf(text)}${extension.slice(0, 16)}`;
}
