import { Command } from "commander";
import { type Setting, addSettings } from "./configuration";
import { whole } from "./values";

export interface DlqFlags {
  readonly limit?: number;
  readonly all?: boolean;
  readonly keep?: boolean;
  readonly json?: boolean;
}

const subcommand = (name: string, description: string, settings: readonly Setting[]) =>
  addSettings(new Command(name), settings).description(description).option("--json", "print JSON");

const LIMIT = ["--limit <n>", "look at so many letters at most", whole(1, 100_000), 1000] as const;

const list = subcommand(
  "list",
  "List dead letters: how often received, how old, whether the payload is still there",
  ["deadLetterQueueUrl", "bucketName"],
)
  .option(...LIMIT)
  .action(async (flags: DlqFlags) => {
    const { runList } = await import("./run-dlq");
    await runList(flags);
  });

const show = subcommand("show", "Show one dead letter", ["deadLetterQueueUrl", "bucketName"])
  .argument("<id>", "its message id, or how that begins")
  .option(...LIMIT)
  .action(async (id: string, flags: DlqFlags) => {
    const { runShow } = await import("./run-dlq");
    await runShow(id, flags);
  });

const redrive = subcommand("redrive", "Send dead letters back to the queue", [
  "deadLetterQueueUrl",
  "queueUrl",
])
  .argument("[id...]", "message ids, or how they begin")
  .option("--all", "all of them, moved by SQS itself")
  .option(...LIMIT)
  .action(async (ids: string[], flags: DlqFlags) => {
    const { runRedrive } = await import("./run-dlq");
    await runRedrive(ids, flags);
  });

const drop = subcommand("drop", "Delete dead letters for good, and their payloads", [
  "deadLetterQueueUrl",
  "apiUrl",
])
  .argument("<id...>", "message ids, or how they begin")
  .option("--keep", "leave the payloads in the bucket, where `tweedle reconcile` finds them")
  .option(...LIMIT)
  .action(async (ids: string[], flags: DlqFlags) => {
    const { runDrop } = await import("./run-dlq");
    await runDrop(ids, flags);
  });

export const dlq = new Command("dlq")
  .description("Look at dead letters, send them back, or drop them")
  .addCommand(list)
  .addCommand(show)
  .addCommand(redrive)
  .addCommand(drop);
