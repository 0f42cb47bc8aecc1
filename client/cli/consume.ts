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
  readonly json?: boolean;
}

export const consume = addSettings(new Command("consume"), ["apiUrl", "queueUrl"])
  .description("Receive payloads: into files, or into a command")
  .option("--out <dir>", "write each payload to DIR/<UUID>/<name>: whole, or not at all")
  .option(
    "--exec <command>",
    "run a shell command for each payload: the payload on its stdin, TWEEDLE_KEY, …_NAME, …_SIZE and others in its environment; exit code 0 says that it is handled",
  )
  .addOption(new Option("--concurrency <n>", "messages at once").argParser(whole(1, 1000)).default(4))
  .option("--max <n>", "stop after so many messages", whole(1, Number.MAX_SAFE_INTEGER))
  .option("--once", "stop when the queue stays empty for a long poll of 20 s")
  .option("--keep", "leave payloads in the bucket once they are handled")
  .option(
    "--visibility-timeout <time>",
    "how long a message stays hidden if this process dies; default the queue's own",
    seconds,
  )
  .option(
    "--retry-delay <time>",
    "how soon a message that failed comes again; default 30s, doubling",
    seconds,
  )
  .option(
    "--grace <time>",
    "how long to wait for what is being handled when asked to stop; default 30s",
    seconds,
  )
  .option("--json", "print a line of JSON for each message")
  .action(async (flags: ConsumeFlags) => {
    const { runConsume } = await import("./run-consume");
    await runConsume(flags);
  });
