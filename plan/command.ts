import { EXIT_CODES, UsageError } from "../client/cli/exit";
import { TweedleError, HttpError } from "../client/errors";
import { printable, printableLines } from "../client/cli/terminal";
import { failOnLostOutput } from "../common/output";
import { ConfigurationError } from "../stacks/stage";
import { PlanError } from "./terraform";

/** Whether the options are mistaken, by our rules or by those of parseArgs. */
const isUsage = (error: unknown): error is Error =>
  error instanceof UsageError ||
  (error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS"));

/** What a user can mend. */
const isMistake = (error: unknown): error is Error =>
  [PlanError, ConfigurationError, TweedleError, HttpError].some((kind) => error instanceof kind) ||
  isUsage(error);

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

/**
 * Runs a command, and sets the code that it ends with where it fails.
 *
 * @param usageCode the code of a mistake in the options
 */
export async function runCommand(
  command: () => Promise<void> | void,
  usageCode: number = EXIT_CODES.usage,
): Promise<void> {
  failOnLostOutput(console.error);
  try {
    await command();
  } catch (error) {
    complain(error);
    process.exitCode = isUsage(error) ? usageCode : EXIT_CODES.failed;
  }
}
