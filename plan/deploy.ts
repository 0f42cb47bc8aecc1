import { spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { UsageError } from "../client/cli/exit";
import { printable } from "../client/cli/terminal";
import { terraformBinary } from "../common/terraform-binary";
import { stackName } from "../stacks/stage";
import { runCommand } from "./command";
import { differences } from "./compare";
import { withPlan } from "./make";
import { readReview } from "./read-review";
import { digestOf, isEmpty } from "./review";
import { stackFolder } from "./synth";
import { toTerminal } from "./terminal";
import { PlanError, passSignals } from "./terraform";

const ROOT = join(__dirname, "..");

export interface DeployOptions {
  readonly stage: string;
  /** The file of the review that people have seen. */
  readonly reviewed: string;
  /** Where the stages were synthesized to. */
  readonly output: string;
  /** Where the outputs are written to. */
  readonly outputsFile: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly log: (line: string) => void;
}

/**
 * Plans a stage anew, with the state locked, and applies that very plan with cdktf where it is the reviewed one.
 *
 * @throws PlanError with the differences, where it is another
 */
export async function deploy(options: DeployOptions): Promise<void> {
  const { stage, output, environment, log } = options;
  const reviewed = readReview(options.reviewed, stage);
  await withPlan(
    { stage, folder: stackFolder(output, stage), environment, lock: true },
    async (now, planFile) => {
      log(toTerminal(now, { colour: false, text: false }));
      const lines = differences(reviewed, now);
      if (lines.length > 0) {
        throw new PlanError(
          `${stage} is not deployed: the plan is not the one that was reviewed. Run the deploy workflow by hand to see this one, and to deploy it.`,
          { output: lines.join("\n") },
        );
      }
      log(
        isEmpty(now)
          ? "There is nothing to do."
          : `The plan is the reviewed one (${digestOf(now).slice(0, 12)}).`,
      );
      await cdktfDeploy(options, planFile);
    },
  );
}

/** cdktf applies the plan that it is given. Where there is nothing to do, it still writes the outputs. */
async function cdktfDeploy(
  { stage, output, outputsFile, environment }: DeployOptions,
  planFile: string,
): Promise<void> {
  const what = ["deploy", stackName(stage), "--output", resolve(output), "--skip-synth", "--auto-approve"];
  // The providers are those that the plan was made with.
  const how = ["--skip-provider-lock", "--disable-plugin-cache-env", "--outputs-file", resolve(outputsFile)];
  const { child } = passSignals(() =>
    spawn(join(ROOT, "node_modules/.bin/cdktf"), [...what, ...how], {
      cwd: ROOT,
      env: {
        ...environment,
        TERRAFORM_BINARY_NAME: join(__dirname, "apply-saved.sh"),
        TWEEDLE_TERRAFORM: terraformBinary(environment),
        TWEEDLE_PLAN_FILE: planFile,
        CHECKPOINT_DISABLE: "1",
      },
      stdio: ["ignore", "inherit", "inherit"],
    }),
  );
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0)
    throw new PlanError(
      `cdktf deploy ended with ${code}. Run the deploy workflow by hand: it plans what is left, and goes on with that.`,
    );
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      stage: { type: "string" },
      reviewed: { type: "string" },
      output: { type: "string", default: process.env["CDKTF_OUTDIR"] ?? "cdktf.out" },
      "outputs-file": { type: "string", default: "outputs.json" },
    },
  });
  const { stage, reviewed, output } = values;
  if (stage === undefined || reviewed === undefined) {
    throw new UsageError(
      "Usage: plan/deploy.ts --stage STAGE --reviewed FILE [--output DIR] [--outputs-file FILE]",
    );
  }
  await deploy({
    stage,
    reviewed,
    output,
    outputsFile: values["outputs-file"],
    environment: process.env,
    log: (line) => console.log(line.split("\n").map(printable).join("\n")),
  });
}

if (require.main === module) void runCommand(main);
