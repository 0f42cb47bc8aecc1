import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readEnvironment } from "./environment";
import { createHandler } from "./handler";

/** The Lambda's entry point: the environment is read here, once. The stack puts openapi.json beside the bundle. */
export const handler = createHandler(readEnvironment(process.env), {
  openApi: () => readFileSync(join(__dirname, "openapi.json"), "utf8"),
  log: (line) => process.stdout.write(line),
});
