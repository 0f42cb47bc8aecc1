import { createHash, randomUUID } from "node:crypto";
import { readFile, realpath, rename, rm, writeFile } from "node:fs/promises";
import { homedir, hostname } from "node:os";
import { join } from "node:path";
import { createFolder } from "../../common/create-folder";
import { TweedleError } from "../errors";
import { isAlive } from "../processes";
import { type RetryContext, isExhausted, retry } from "../retry";
import type { Upload } from "./multipart";

/** What is known of an upload that may be interrupted. */
export interface JournalEntry extends Upload {
  /** Which file it was, and which bytes: another size or time is another payload. */
  readonly path: string;
  readonly size: number;
  readonly modifiedAt: number;
  /** How it is cut into parts. */
  readonly layout: string;
  /** What else was asked of it: type, name and metadata stay those of the beginning. */
  readonly asked: string;
  /** Whether it was about to become an object: it may be one. */
  readonly completing: boolean;
}

/** The journals that this process holds: its own number says nothing of itself. */
const held = new Set<string>();

/** Where journals are kept: https://specifications.freedesktop.org/basedir-spec/latest/ */
export const defaultStateDirectory = (): string =>
  join(process.env["XDG_STATE_HOME"] || join(homedir(), ".local", "state"), "tweedle");

/** The notes on one file's upload, so that another process can go on with it. They hold no URL and no credential. */
export class Journal {
  private constructor(
    readonly path: string,
    private readonly file: string,
    private readonly context: RetryContext,
  ) {}

  /** @throws TweedleError Invalid, where notes cannot be kept */
  static async of(
    stateDirectory: string,
    apiUrl: string,
    path: string,
    context: RetryContext = {},
  ): Promise<Journal> {
    await createStateDirectory(stateDirectory);
    const real = await realpath(path);
    const name = createHash("sha256").update(`${apiUrl}\0${real}`).digest("hex").slice(0, 32);
    return new Journal(real, join(stateDirectory, `upload-${name}.json`), context);
  }

  /** What an earlier process has noted; nothing where it did not, or where it cannot be read. */
  async read(): Promise<JournalEntry | undefined> {
    return await this.#access(async () => {
      try {
        return JSON.parse(await readFile(this.file, "utf8")) as JournalEntry;
      } catch (error) {
        if (isExhausted(error)) throw error;
        return undefined;
      }
    });
  }

  /**
   * Keeps other processes from the same file: one would take what the other does to an upload for what S3 did.
   *
   * @returns what lets them again
   * @throws TweedleError Invalid, where another one is at it
   */
  async lock(): Promise<() => Promise<void>> {
    return await this.#access(() => this.#lock());
  }

  async #lock(): Promise<() => Promise<void>> {
    const lock = `${this.file}.lock`;
    for (;;) {
      try {
        await writeFile(lock, JSON.stringify({ host: hostname(), pid: process.pid }), {
          flag: "wx",
          mode: 0o600,
        });
        held.add(lock);
        return async () => {
          held.delete(lock);
          await rm(lock, { force: true });
        };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
        if (held.has(lock) || (await isHeld(lock))) {
          throw new TweedleError(
            "Invalid",
            `${this.path} is being sent already. (If it is not: remove ${lock}.)`,
          );
        }
        await rm(lock, { force: true });
      }
    }
  }

  async write(entry: JournalEntry): Promise<void> {
    const partial = `${this.file}.${randomUUID()}`;
    await this.#access(() => writeFile(partial, JSON.stringify(entry), { mode: 0o600 }));
    await rename(partial, this.file);
  }

  async remove(): Promise<void> {
    await rm(this.file, { force: true });
  }

  /** Accesses files as soon as there is a descriptor for them. */
  async #access<T>(task: () => Promise<T>): Promise<T> {
    return await retry(`Accessing ${this.file}`, task, this.context);
  }
}

/** @throws TweedleError Invalid, where it cannot be created */
async function createStateDirectory(path: string): Promise<void> {
  try {
    await createFolder(path, 0o700);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new TweedleError(
      "Invalid",
      `The folder for notes on uploads, ${path}, cannot be created (${code}): set XDG_STATE_HOME, or stateDirectory, to one that may be written.`,
      { cause: error },
    );
  }
}

/** Whether whoever made a lock is still there; of another machine, that cannot be seen. */
async function isHeld(lock: string): Promise<boolean> {
  try {
    const { host, pid } = JSON.parse(await readFile(lock, "utf8")) as { host: string; pid: number };
    // In a container every process may have the same number.
    return host !== hostname() || (pid !== process.pid && isAlive(pid));
  } catch (error) {
    if (isExhausted(error)) throw error;
    return false;
  }
}
