import { createInterface } from "node:readline/promises";
import { parseArgs } from "node:util";
import { BOOTSTRAP, BOOTSTRAP_OUTDIR } from "../bootstrap";
import { OptionError, run } from "../local/command";
import type { BootstrapConfig } from "../stacks/bootstrap-config";
import { DeploymentError } from "./errors";
import { bootstrap } from "./run-bootstrap";

const HELP = `Usage: npm run bootstrap -- [options]

Makes, once an account, what the stages need before they are: the bucket of Terraform's state, the policies that
bound the stages' roles, and, as bootstrap.ts says, GitHub's roles. Shows a plan and asks. Run it again after a change of
bootstrap.ts, or if it was interrupted: it carries on.

  --dry-run       show what would be changed, and change nothing
  --yes           do not ask
  --help          show this

Exit codes: 0 all was done, 1 it failed, 2 a mistake in the options.

It needs Terraform 1.10 or later and an administrator's credentials of the account in main.ts.`;

/** Bootstraps as the command line says. @param outdir where it is synthesized */
export async function command(
  config: BootstrapConfig,
  outdir: string,
  args: readonly string[],
): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      "dry-run": { type: "boolean", default: false },
      yes: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  if (!values.yes && !values["dry-run"] && !process.stdin.isTTY) {
    throw new OptionError("Not a terminal: pass --yes to apply, or --dry-run to preview.");
  }
  // Terraform gets it too, ends what it is at, and frees the lock; then so do we.
  let interrupted = false;
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => (interrupted = true));
  const outputs = await bootstrap({
    config,
    outdir,
    dryRun: values["dry-run"],
    colour: process.stdout.isTTY,
    confirm: async () => values.yes || (await ask("\nApply this? Only yes is a yes: ")),
    say: (line) => console.log(line),
  }).catch((error: unknown) => {
    throw interrupted
      ? new DeploymentError("Interrupted. Run it again: it carries on.", { cause: error })
      : error;
  });
  if (!outputs) {
    console.log("\nNothing was changed.");
    return;
  }
  console.log("");
  for (const [name, value] of Object.entries(outputs)) {
    console.log(`${name.padEnd(26)}${typeof value === "string" ? value : JSON.stringify(value)}`);
  }
  console.log(
    config.github
      ? `\nThe stages can be deployed, by hand and by workflows of ${config.github.repository}.`
      : "\nThe stages can be deployed by hand. For workflows, say in bootstrap.ts whose they are: github.",
  );
}

async function ask(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return (await terminal.question(question)).trim() === "yes";
  } finally {
    terminal.close();
  }
}

if (require.main === module) {
  void run(() => command(BOOTSTRAP, BOOTSTRAP_OUTDIR, process.argv.slice(2)));
}
