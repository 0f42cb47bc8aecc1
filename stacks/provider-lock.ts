import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { createFolderSync } from "../common/create-folder";

/** Terraform's name for the file that says which provider is installed, by version and digest, on every platform. */
export const PROVIDER_LOCK = ".terraform.lock.hcl";

/** The one of this repository: `npm run lock` makes it. */
export const ROOT_LOCK = join(__dirname, "..", PROVIDER_LOCK);

/**
 * Puts a lock where Terraform looks for it. Without one, Terraform chooses the newest provider that the stack allows.
 *
 * @param lock the file that is copied, if it is there
 * @param stackFolder where the stack is synthesized
 */
export function copyLock(lock: string, stackFolder: string): void {
  if (!existsSync(lock)) return;
  createFolderSync(stackFolder);
  copyFileSync(lock, join(stackFolder, PROVIDER_LOCK));
}
