import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Command } from "commander";
import { stackName } from "../../stacks/stage";
import { TweedleError } from "../errors";

/** Where a stage's parts are, by the names of the stack's outputs. */
const SETTINGS = {
  apiUrl: { flag: "--api-url <url>", env: "TWEEDLE_API_URL", output: "api_url", what: "the API" },
  queueUrl: { flag: "--queue-url <url>", env: "TWEEDLE_QUEUE_URL", output: "queue_url", what: "the queue" },
  deadLetterQueueUrl: {
    flag: "--dead-letter-queue-url <url>",
    env: "TWEEDLE_DEAD_LETTER_QUEUE_URL",
    output: "dead_letter_queue_url",
    what: "the dead-letter queue",
  },
  bucketName: {
    flag: "--bucket-name <name>",
    env: "TWEEDLE_BUCKET_NAME",
    output: "bucket_name",
    what: "the content bucket",
  },
} as const;

export type Setting = keyof typeof SETTINGS;

/** Lets a command be told where the parts of a stage are that it needs. */
export function addSettings(command: Command, needed: readonly Setting[]): Command {
  for (const setting of needed) {
    const { flag, env, what } = SETTINGS[setting];
    command.option(flag, `${what} (environment: ${env})`);
  }
  return command.option("--stage <stage>", "take these from Terraform's outputs of a deployed stage");
}

/**
 * What was given by flag, by a stage's outputs, or by environment, in this order: a stage that is named is meant,
 * whatever the shell still holds.
 *
 * @throws TweedleError Invalid, which says how to give what is missing
 */
export async function settingsOf<Needed extends Setting>(
  options: Readonly<Record<string, unknown>>,
  needed: readonly Needed[],
): Promise<Record<Needed, string>> {
  const { stage } = options as { stage?: string };
  const missing = needed.filter((setting) => !options[setting]);
  const outputs = stage !== undefined && missing.length > 0 ? await outputsOf(stage, missing) : undefined;
  const entries = needed.map((setting) => {
    const { flag, env, output, what } = SETTINGS[setting];
    const value = options[setting] ?? (outputs ? outputs[output] : process.env[env]);
    if (typeof value === "string" && value !== "") return [setting, value] as const;
    // What the environment says may be another stage's.
    const why = outputs ? `The stage ${stage} has no output ${output}. ` : "";
    const others = outputs ? "" : `, ${env}, or --stage STAGE`;
    throw new TweedleError("Invalid", `${why}Say where ${what} is: ${flag}${others}.`);
  });
  return Object.fromEntries(entries) as Record<Needed, string>;
}

async function outputsOf(
  stage: string,
  missing: readonly Setting[],
): Promise<Readonly<Record<string, unknown>>> {
  const folder = join("cdktf.out", "stacks", stackName(stage));
  if (!existsSync(folder)) {
    throw new TweedleError(
      "Invalid",
      `There is no ${folder} here: run this where the stage ${stage} was deployed from, or say ${missing.map((setting) => SETTINGS[setting].flag).join(" and ")}.`,
    );
  }
  try {
    const { stdout } = await promisify(execFile)(
      "terraform",
      [`-chdir=${folder}`, "output", "-json", "-no-color"],
      { env: { ...process.env, CHECKPOINT_DISABLE: "1" } },
    );
    const outputs = JSON.parse(stdout) as Record<string, { value: unknown }>;
    if (Object.keys(outputs).length === 0) {
      throw new TweedleError("Invalid", `The stage ${stage} has no outputs: deploy it first.`);
    }
    return Object.fromEntries(Object.entries(outputs).map(([name, { value }]) => [name, value]));
  } catch (error) {
    if (error instanceof TweedleError) throw error;
    const { code, stderr = "" } = error as NodeJS.ErrnoException & { stderr?: string };
    const why =
      code === "ENOENT" ? "there is no terraform here" : (stderr.match(/Error: (.*)/)?.[1] ?? String(error));
    throw new TweedleError("Invalid", `Terraform's outputs of ${stage} cannot be read: ${why}.`, {
      cause: error,
    });
  }
}
