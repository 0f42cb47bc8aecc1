import { readEnvironment } from "./environment";
import { createHandler } from "./handler";

/** The Lambda's entry point: the environment is read here, once. */
export const handler = createHandler(readEnvironment(process.env), {
  log: (line) => process.stdout.write(line),
});
