import { existsSync } from "node:fs";
import { readFile, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { createFolder } from "../../common/create-folder";
import { StartError } from "../server";
import type { ObjectRecord } from "./store";
import { UPLOAD_RECORD, Upload } from "./upload";

/** What is being written has this ending until it is whole. */
export const PARTIAL = ".partial";

/**
 * Removes from a bucket what a process that was killed did not finish: files that are not whole, and bodies that no
 * object names. An upload that had become an object is one no more; the others wait for their parts.
 *
 * @throws StartError for objects that another version of this store has written
 */
export async function dropLeftovers(bucket: string, bodies: string): Promise<void> {
  await createFolder(bodies);
  const named = new Set<string>();
  // One after the other: a folder may hold more objects than a process may open files.
  for (const name of await readdir(bucket, { recursive: true })) {
    const path = join(bucket, name);
    const isObject = name.endsWith("._S3rver_object");
    // A key may have a folder of such a name.
    if (!(isObject || name.endsWith(PARTIAL)) || !(await stat(path)).isFile()) continue;
    if (isObject) named.add(await bodyOf(path));
    else await rm(path);
  }
  for (const entry of await readdir(bodies, { withFileTypes: true })) {
    const path = join(bodies, entry.name);
    const isUpload = entry.isDirectory() && existsSync(join(path, UPLOAD_RECORD));
    if (isUpload && named.has(entry.name)) await Upload.end(path);
    if (!isUpload && !named.has(entry.name)) await rm(path, { recursive: true, force: true });
  }
}

async function bodyOf(path: string): Promise<string> {
  try {
    return (JSON.parse(await readFile(path, "utf8")) as ObjectRecord).body;
  } catch (error) {
    throw new StartError(
      `${path} was written by another version of the local S3. Remove it, or choose another folder with --data.`,
      { cause: error },
    );
  }
}
