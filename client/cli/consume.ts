import { Command, Option } from "commander";
import { addSettings } from "./configuration";
import { seconds, whole } from "./values";

export interface ConsumeFlags {
  readonly out?: string;
  readonly exec?: string;
  readonly concurrency?: number;
  readonly max?: number;
  readonly once?: boolean;
  readonly keep?: boolean;
  readonly visibilityTimeout?: number;
  readonly retryDelay?: number;
  readonly grace?: number;
  readonly retryFor?: number;
  readonly json?: boolean;
}

export const consume = addSettings(new Command("consume"), ["apiUrl", "queueUrl"])
  .description("Receive payloads: into files, or into a command")
  .option("--out <dir>", "write each payload to DIR/<UUID>/<name>, as its key has it: whole, or not at all")
  .option(
    "--exec <command>",
    "run a shell command for each payload, which is on its stdin (TWEEDLE_SIZE says how many bytes to expect, should tweedle be killed); exit code 0 says that it is handled",
  )
  .addOption(new Option("--concurrency <n>", "messages at once").argParser(whole(1, 1000)).default(4))
  .option("--max <n>", "stop after so many messages with payloads", whole(1, Number.MAX_SAFE_INTEGER))
  .option("--once", "stop when the queue stays empty for a long poll of 20 s")
  .option("--keep", "leave payloads in the bucket once they are handled")
  .option(
    "--visibility-timeout <time>",
    "how long a message stays hidden if this process dies; default the queue's own",
    seconds("1s", "12h"),
  )
  .option(
    "--retry-delay <time>",
    "how soon a message that failed comes again; default 30s, doubling",
    seconds("0s", "11h"),
  )
  .option(
    "--grace <time>",
    "how long to wait for what is being handled when asked to stop; default 30s",
    seconds("0s", "12h"),
  )
  .option(
    "--retry-for <time>",
    "how long to retry a request to the API or S3 after its first failure, 0s for never; default 5m",
    seconds("0s", "7d"),
  )
  .option("--json", "print a line of JSON for what happens to each message")
  .addHelpText(
    "after",
    `
A command run by --exec finds in its environment TWEEDLE_ID, TWEEDLE_KEY,
TWEEDLE_NAME, TWEEDLE_SIZE, TWEEDLE_CONTENT_TYPE, TWEEDLE_METADATA (JSON),
TWEEDLE_MESSAGE_ID and TWEEDLE_RECEIVE_COUNT. Any other exit code than 0 sends
the message back to the queue, from where it comes again. What it prints goes to
stdout, and what tweedle says to stderr; with --json the other way round.

Ctrl-C, or SIGTERM, receives no more, waits for what is being handled, and ends
with 0; a second one sends the messages back at once, and ends with 130 or 143.
With --max and --once the exit code is 1 where a message failed and was not
handled afterwards. An API that refuses every request ends it with 1.`,
  )
  .action(async (flags: ConsumeFlags) => {
    const { runConsume } = await import("./run-consume");
    await runConsume(flags);
  });
