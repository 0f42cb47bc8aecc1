import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readEnvironment } from "./environment";
import { createHandler } from "./handler";
import type { Page } from "./page";

/** The Lambda's entry point: the environment is read here, once. The stack puts page.json beside the bundle. */
export const handler = createHandler(
  readEnvironment(process.env),
  JSON.parse(readFileSync(join(__dirname, "page.json"), "utf8")) as Page,
  { log: (line) => process.stdout.write(line) },
);
