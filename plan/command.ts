import { TweedleError, HttpError } from "../client/errors";
import { printable, printableLines } from "../client/cli/terminal";
import { ConfigurationError } from "../stacks/stage";
import { PlanError } from "./terraform";

/** What a user can mend. */
const isMistake = (error: unknown): error is Error =>
  [PlanError, ConfigurationError, TweedleError, HttpError].some((kind) => error instanceof kind) ||
  (error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS"));

/** Says a failure: a user's mistake in one line, after Terraform's own words where there are none better; ours with its stack. */
export function complain(error: unknown): void {
  if (!isMistake(error)) {
    console.error(error);
    return;
  }
  if (error instanceof PlanError && error.output !== undefined) {
    console.error(printableLines(error.output.trim()));
  }
  console.error(printable(error.message));
}

/** Runs a command, which ends with 1 where it fails. */
export async function runCommand(command: () => Promise<void> | void): Promise<void> {
  try {
    await command();
  } catch (error) {
    complain(error);
    process.exitCode = 1;
  }
}
