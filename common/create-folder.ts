import { mkdirSync, statSync } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Creates a folder, and those above it that are missing. The `recursive` option of Node's `mkdir` tries for ever where
 * a file system takes no new names, such as /proc: it reads ENOENT as a missing parent.
 *
 * @param mode the permissions of what is created; default 0o777, less the process's umask
 * @returns the uppermost folder that was created; undefined where all were there
 * @throws the file system's own error, where the folder cannot be created or is something else
 */
export async function createFolder(path: string, mode?: number): Promise<string | undefined> {
  try {
    await mkdir(path, { mode });
    return path;
  } catch (error) {
    if (await isFolder(path)) return undefined;
    if (!lacksParent(error, path)) throw error;
  }
  const first = await createFolder(dirname(path), mode);
  try {
    await mkdir(path, { mode });
    return first ?? path;
  } catch (error) {
    // Another process may have created it since.
    if (await isFolder(path)) return first;
    throw error;
  }
}

/** Does what {@link createFolder} does, synchronously. */
export function createFolderSync(path: string): void {
  try {
    mkdirSync(path);
    return;
  } catch (error) {
    if (isFolderSync(path)) return;
    if (!lacksParent(error, path)) throw error;
  }
  createFolderSync(dirname(path));
  try {
    mkdirSync(path);
  } catch (error) {
    if (!isFolderSync(path)) throw error;
  }
}

const lacksParent = (error: unknown, path: string): boolean =>
  (error as NodeJS.ErrnoException).code === "ENOENT" && dirname(path) !== path;

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );

function isFolderSync(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
