import { createHash, randomUUID } from "node:crypto";
import { mkdir, readFile, realpath, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
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
  /** When it was about to become an object, in milliseconds since 1970: it may be one. */
  readonly completingAt?: number;
}

/** Where journals are kept: https://specifications.freedesktop.org/basedir-spec/latest/ */
export const defaultStateDirectory = (): string =>
  join(process.env["XDG_STATE_HOME"] || join(homedir(), ".local", "state"), "tweedle");

/** The notes on one file's upload, so that another process can go on with it. They hold no URL and no credential. */
export class Journal {
  private constructor(
    readonly path: string,
    private readonly file: string,
  ) {}

  static async of(stateDirectory: string, apiUrl: string, path: string): Promise<Journal> {
    await mkdir(stateDirectory, { recursive: true, mode: 0o700 });
    const real = await realpath(path);
    const name = createHash("sha256").update(`${apiUrl}\0${real}`).digest("hex").slice(0, 32);
    return new Journal(real, join(stateDirectory, `upload-${name}.json`));
  }

  /** What an earlier process has noted; nothing where it did not, or where it cannot be read. */
  async read(): Promise<JournalEntry | undefined> {
    try {
      return JSON.parse(await readFile(this.file, "utf8")) as JournalEntry;
    } catch {
      return undefined;
    }
  }

  async write(entry: JournalEntry): Promise<void> {
    const partial = `${this.file}.${randomUUID()}`;
    await writeFile(partial, JSON.stringify(entry), { mode: 0o600 });
    await rename(partial, this.file);
  }

  async remove(): Promise<void> {
    await rm(this.file, { force: true });
  }
}
