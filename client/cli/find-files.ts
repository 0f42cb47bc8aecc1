import { isUtf8 } from "node:buffer";
import type { BigIntStats } from "node:fs";
import { lstat, readdir, stat } from "node:fs/promises";
import { basename } from "node:path";
import { reasonOf } from "../produce/source";

/** A file to send. */
export interface FoundFile {
  readonly path: string;
  /** Name of the payload, unless the user gives another: the path from the folder that was named, with that. */
  readonly name: string;
  /** In bytes; NaN of a pipe or a device, which can be read once only. */
  readonly size: number;
  readonly isPipe: boolean;
}

/** An entry that is not sent. */
export interface SkippedEntry {
  /** With bytes that are no UTF-8 as \xFF. */
  readonly path: string;
  /** Completes the sentence "<path>: …." */
  readonly reason: string;
}

export interface FindOptions {
  /** Whether to look for files in folders. */
  readonly recursive?: boolean | undefined;
  /** Whether to follow symbolic links in folders, of files and of folders. One that is named itself is followed. */
  readonly followLinks?: boolean | undefined;
}

const SEND_FROM_STDIN = "send it by produce - --name NAME < FILE";

/**
 * Finds the files at a path that was given on the command line. Names are read as bytes: one that is not UTF-8 cannot be
 * a payload's name, and decoded it might be another file's.
 */
export async function* findFiles(
  path: string,
  options: FindOptions,
): AsyncGenerator<FoundFile | SkippedEntry> {
  // Node decodes arguments, and replaces what is not UTF-8 by this character.
  if (path.includes("\uFFFD")) {
    yield {
      path,
      reason: `its name is not UTF-8, or holds U+FFFD, which stands for that: ${SEND_FROM_STDIN}`,
    };
    return;
  }
  const called = basename(path);
  let found: BigIntStats;
  try {
    found = await stat(path, { bigint: true });
  } catch (error) {
    yield { path, reason: reasonOf(error) };
    return;
  }
  if (!found.isDirectory()) yield fileAt(path, called, found);
  else if (!options.recursive) yield { path, reason: "it is a folder: -r sends the files in it" };
  else {
    // As cp -r has it: a folder that has no name here gives what is in it.
    const name = [".", ".."].includes(called) ? "" : called;
    yield* filesIn({ path: path.replace(/\/+$/, ""), name, above: [idOf(found)] }, options);
  }
}

interface Folder {
  readonly path: string;
  readonly name: string;
  /** It and those that it is in, by device and inode: a link may lead back to one. */
  readonly above: readonly string[];
}

const idOf = ({ dev, ino }: BigIntStats): string => `${dev} ${ino}`;

async function* filesIn(folder: Folder, options: FindOptions): AsyncGenerator<FoundFile | SkippedEntry> {
  const path = folder.path || "/";
  let names: Buffer[];
  try {
    names = await readdir(path, { encoding: "buffer" });
  } catch (error) {
    yield { path, reason: reasonOf(error) };
    return;
  }
  for (const name of names.toSorted((a, b) => a.compare(b))) {
    if (isUtf8(name)) yield* entryOf(folder, name.toString(), options);
    else {
      const reason = `its name is not UTF-8, as a payload's has to be: ${SEND_FROM_STDIN}`;
      yield { path: `${folder.path}/${escapeBytes(name)}`, reason };
    }
  }
}

/** Finds the files at an entry of a folder. */
async function* entryOf(
  folder: Folder,
  entry: string,
  options: FindOptions,
): AsyncGenerator<FoundFile | SkippedEntry> {
  const path = `${folder.path}/${entry}`;
  const name = folder.name === "" ? entry : `${folder.name}/${entry}`;
  let found: BigIntStats;
  try {
    found = await (options.followLinks ? stat : lstat)(path, { bigint: true });
  } catch (error) {
    const leadsNowhere = options.followLinks && (error as NodeJS.ErrnoException).code === "ENOENT";
    yield { path, reason: leadsNowhere ? "it is a symbolic link that leads nowhere" : reasonOf(error) };
    return;
  }
  if (found.isFile()) yield fileAt(path, name, found);
  else if (!found.isDirectory()) yield { path, reason: skipped(found) };
  else if (folder.above.includes(idOf(found)))
    yield { path, reason: "it leads back to a folder that it is in" };
  else yield* filesIn({ path, name, above: [...folder.above, idOf(found)] }, options);
}

function fileAt(path: string, name: string, found: BigIntStats): FoundFile {
  return { path, name, size: found.isFile() ? Number(found.size) : NaN, isPipe: found.isFIFO() };
}

/** Gives the reason for which an entry that is neither a file nor a folder is not sent: reading it may never end. */
function skipped(found: BigIntStats): string {
  if (found.isSymbolicLink()) return "it is a symbolic link: --follow-links sends what it leads to";
  if (found.isSocket()) return "it is a socket";
  return `it is a ${found.isFIFO() ? "pipe" : "device"}, which is sent only where it is named itself`;
}

const escapeBytes = (bytes: Buffer): string =>
  bytes.toString("latin1").replace(/[\x80-\xff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`);
