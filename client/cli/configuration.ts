import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Command } from "commander";
import { quote } from "../../common/quote";
import { missingTerraform, terraformBinary } from "../../common/terraform-binary";
import { stackName } from "../../contract/stack-name";
import { TweedleError } from "../errors";
import { UsageError } from "./exit";

const QUEUE_URL = "https://sqs.REGION.amazonaws.com/ACCOUNT/QUEUE";

/** Where a stage's parts are, by the names of the stack's outputs. */
const SETTINGS = {
  apiUrl: {
    flag: "--api-url <url>",
    env: "TWEEDLE_API_URL",
    output: "api_url",
    what: "the API",
    url: "https://ID.execute-api.REGION.amazonaws.com/STAGE",
  },
  queueUrl: {
    flag: "--queue-url <url>",
    env: "TWEEDLE_QUEUE_URL",
    output: "queue_url",
    what: "the queue",
    url: QUEUE_URL,
  },
  deadLetterQueueUrl: {
    flag: "--dead-letter-queue-url <url>",
    env: "TWEEDLE_DEAD_LETTER_QUEUE_URL",
    output: "dead_letter_queue_url",
    what: "the dead-letter queue",
    url: QUEUE_URL,
  },
  bucketName: {
    flag: "--bucket-name <name>",
    env: "TWEEDLE_BUCKET_NAME",
    output: "bucket_name",
    what: "the content bucket",
    url: undefined,
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
 * @throws UsageError that says how to give what is missing, or what a URL has to be; TweedleError Unavailable, where
 *   the outputs of a stage cannot be read
 */
export async function settingsOf<Needed extends Setting>(
  options: Readonly<Record<string, unknown>>,
  needed: readonly Needed[],
): Promise<Record<Needed, string>> {
  const { stage } = options as { stage?: string };
  const missing = needed.filter((setting) => !options[setting]);
  const outputs = stage !== undefined && missing.length > 0 ? await outputsOf(stage, missing) : undefined;
  const entries = needed.map((setting) => {
    const { flag, env, output, what, url } = SETTINGS[setting];
    const value = options[setting] ?? (outputs ? outputs[output] : process.env[env]);
    if (typeof value === "string" && value !== "") {
      if (url === undefined || isUrl(value)) return [setting, value] as const;
      throw new UsageError(`${quote(value)} is not a URL of ${what}: it must be like ${url}.`);
    }
    // What the environment says may be another stage's.
    const why = outputs ? `The stage ${stage} has no output ${output}. ` : "";
    const others = outputs ? "" : `, ${env}, or --stage STAGE`;
    throw new UsageError(`${why}Say where ${what} is: ${flag}${others}.`);
  });
  return Object.fromEntries(entries) as Record<Needed, string>;
}

function isUrl(text: string): boolean {
  try {
    return ["http:", "https:"].includes(new URL(text).protocol);
  } catch {
    return false;
  }
}

async function outputsOf(
  stage: string,
  missing: readonly Setting[],
): Promise<Readonly<Record<string, unknown>>> {
  const folder = join("cdktf.out", "stacks", stackName(stage));
  if (!existsSync(folder)) {
    throw new UsageError(
      `There is no ${folder} here: run this where the stage ${stage} was deployed from, or say ${missing.map((setting) => SETTINGS[setting].flag).join(" and ")}.`,
    );
  }
  const binary = terraformBinary(process.env);
  const unreadable = (why: string, cause?: unknown) =>
    new TweedleError("Unavailable", `Terraform's outputs of ${stage} cannot be read: ${why}`, { cause });
  const { stdout } = await promisify(execFile)(binary, [`-chdir=${folder}`, "output", "-json", "-no-color"], {
    env: { ...process.env, CHECKPOINT_DISABLE: "1" },
  }).catch((error: NodeJS.ErrnoException & { stderr?: string }) => {
    if (error.code === "ENOENT") throw unreadable(missingTerraform(binary), error);
    throw unreadable(`${/Error: (.*)/.exec(error.stderr ?? "")?.[1] ?? error.message}.`, error);
  });
  const outputs = parseOutputs(stdout);
  if (outputs === undefined) throw unreadable(`${binary} printed ${quote(stdout)}, which is not JSON.`);
  if (Object.keys(outputs).length === 0) {
    throw new TweedleError("Unavailable", `The stage ${stage} has no outputs: deploy it first.`);
  }
  return Object.fromEntries(Object.entries(outputs).map(([name, output]) => [name, output?.value]));
}

/** https://developer.hashicorp.com/terraform/cli/commands/output#json */
type Outputs = Readonly<Record<string, { readonly value: unknown } | null>>;

function parseOutputs(json: string): Outputs | undefined {
  try {
    const outputs: unknown = JSON.parse(json);
    return typeof outputs === "object" && outputs !== null ? (outputs as Outputs) : undefined;
  } catch {
    return undefined;
  }
}
