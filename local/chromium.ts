import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** As Debian, Ubuntu and Google call it. */
const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** The program of this name on the PATH; undefined where there is none. */
export function onPath(command: string): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders.map((folder) => join(folder, command)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A browser of this machine; undefined where there is none. */
export const findChromium = (): string | undefined => NAMES.map(onPath).find((path) => path !== undefined);

/** How such a browser is started: whoever runs as root, as in a container, has no sandbox to give. */
export const CHROMIUM_ARGS: readonly string[] = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
