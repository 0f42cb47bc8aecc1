import { inspect } from "node:util";
import { Command, CommanderError } from "commander";
import { failOnLostOutput } from "../../common/output";
import { version } from "../../package.json";
import { consume } from "./consume";
import { dlq } from "./dlq";
import { EXIT_CODES, EXIT_HELP, codeOf } from "./exit";
import { produce } from "./produce";
import { reconcile } from "./reconcile";
import { sentenceOf } from "./sentence";
import { printable, printableLines } from "./terminal";

/** All of the command: each subcommand is data in a file of its own, and loads what it needs once it runs. */
export const tweedle = new Command("tweedle")
  .description("Messages of any size through SQS: sends payloads, receives them, looks after dead letters.")
  .version(version)
  .addCommand(produce)
  .addCommand(consume)
  .addCommand(dlq)
  .addCommand(reconcile)
  .addHelpText(
    "after",
    `
Settings come from flags, with --stage from Terraform's outputs, or else from the
environment: TWEEDLE_API_URL, TWEEDLE_QUEUE_URL, TWEEDLE_DEAD_LETTER_QUEUE_URL,
TWEEDLE_BUCKET_NAME, TWEEDLE_API_KEY. AWS credentials and regions are the AWS SDK's
own; a producer needs none, unless a stage makes producers sign. Proxies are those
of HTTPS_PROXY, HTTP_PROXY and NO_PROXY.
${EXIT_HELP}`,
  );

/** tweedle dlq list */
const pathOf = (command: Command): string =>
  command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name();

/** What commander says goes on one line, too. */
function overrideAll(command: Command): void {
  const says = (text: string) =>
    `tweedle: ${text
      .replace(/^error: /, "")
      .trim()
      .replaceAll("\n", " ")} (${pathOf(command)} --help says more)`;
  command
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(`${printable(says(text))}\n`) });
  for (const subcommand of command.commands) overrideAll(subcommand);
}

const say = (sentence: string) => console.error(`tweedle: ${printable(sentence)}`);

/** Fails where the process would end before its work: Node does so, with 0, once nothing is left that it could wait for. */
function failUnfinished(): void {
  say("It came to a standstill before all was done: a request has been lost. Try again.");
  process.exitCode = EXIT_CODES.failed;
}

/** Runs the command: a user's mistake is one line, ours a stack trace. Only this decides how the process ends. */
export async function main(argv: readonly string[]): Promise<void> {
  // The SDK tells every user of Node 20 when its support ends; that is for us to act on.
  process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] ??= "true";
  failOnLostOutput(say);
  overrideAll(tweedle);
  process.once("beforeExit", failUnfinished);
  try {
    await tweedle.parseAsync(argv);
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode !== 0) process.exitCode = EXIT_CODES.usage;
      return;
    }
    const sentence = sentenceOf(error);
    // What we did not expect may hold what somebody else wrote, too.
    if (sentence === undefined) console.error(printableLines(inspect(error)));
    else say(sentence);
    process.exitCode = codeOf(error);
  } finally {
    process.off("beforeExit", failUnfinished);
  }
}

if (require.main === module) void main(process.argv);
