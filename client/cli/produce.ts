import { Command, Option } from "commander";
import { addSettings } from "./configuration";
import { bytes, mediaType, pair, seconds, whole } from "./values";

export interface ProduceFlags {
  readonly recursive?: boolean;
  readonly followLinks?: boolean;
  readonly exec?: string;
  readonly allowEmpty?: boolean;
  readonly name?: string;
  readonly contentType?: string;
  readonly metadata?: Record<string, string>;
  readonly concurrency?: number;
  readonly inlineThreshold?: number;
  readonly multipartThreshold?: number;
  readonly partSize?: number;
  readonly expectedSize?: number;
  readonly resume?: boolean;
  readonly retryFor?: number;
  readonly json?: boolean;
}

export const produce = addSettings(new Command("produce"), ["apiUrl"])
  .description("Send files, folders, standard input or what a command prints")
  .argument("[file...]", "files to send; - is standard input")
  .option("-r, --recursive", "send the files in folders, too, named as they lie there")
  .option("--follow-links", "with -r, send what symbolic links lead to; without it, each is reported")
  .option(
    "--exec <command>",
    "send what a shell command prints, and nothing if it fails: if it ends with another exit code than 0, or is killed",
  )
  .option("--allow-empty", "send an empty payload where standard input, or a pipe, has nothing in it")
  .option("--name <name>", "what the payload is called; default the file's name")
  .option("--content-type <type>", "the media type; default by the name's ending", mediaType)
  .option("--metadata <name=value>", "stored with each payload, 2,016 bytes in all; may be repeated", pair)
  .addOption(
    new Option("--concurrency <n>", "parts, or small files, at once").argParser(whole(1, 64)).default(4),
  )
  .option(
    "--inline-threshold <size>",
    "up to this, payloads travel in the message itself; 0 for never; default 256KiB",
    bytes("0", "5GiB"),
  )
  .option(
    "--multipart-threshold <size>",
    "above this, payloads go up in parts; default 64MiB",
    bytes("0", "5GiB"),
  )
  .option(
    "--part-size <size>",
    "the size of a part; default 32MiB, of standard input 8MiB",
    bytes("5MiB", "5GiB"),
  )
  .option(
    "--expected-size <size>",
    "how much standard input will give at most, where it is over 8 TB: the size of parts goes by it, and it is no check",
    bytes("0", "50TB"),
  )
  .option(
    "--resume",
    "go on with an interrupted upload of the same file, and let this one be gone on with; without it, an upload that is interrupted is given up",
  )
  .option(
    "--retry-for <time>",
    "how long to retry a request to the API or S3 after its first failure, 0s for never; default 5m",
    seconds("0s", "7d"),
  )
  .option("--json", "print a line of JSON for each payload, sent or not")
  .addHelpText(
    "after",
    `
What cannot be sent is reported, on stderr and with --json on stdout, too; all
else is sent, and the exit code is 1.

A command of --exec reads tweedle's standard input. A pipeline fails only with
its last command: --exec "bash -c 'set -o pipefail; a | b'" fails with any. An
empty standard input is refused: it looks the same after a command that failed.`,
  )
  .action(async (files: string[], flags: ProduceFlags) => {
    const { runProduce } = await import("./run-produce");
    await runProduce(files, flags);
  });
