import { Command } from "commander";
import { addSettings } from "./configuration";
import { seconds } from "./values";

export interface ReconcileFlags {
  readonly olderThan?: number;
  readonly announce?: boolean;
  readonly json?: boolean;
}

export const reconcile = addSettings(new Command("reconcile"), ["bucketName", "queueUrl"])
  .description("List payloads that nobody has fetched for a while, and announce them again")
  .option(
    "--older-than <time>",
    "how long they have been there: a younger one may be on its way; default 24h",
    seconds("0s", "3650d"),
  )
  .option("--announce", "announce them; without it they are only listed")
  .option("--json", "print a line of JSON for each")
  .action(async (flags: ReconcileFlags) => {
    const { runReconcile } = await import("./run-reconcile");
    await runReconcile(flags);
  });
