import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { stackName } from "../stacks/stage";
import { PlanError } from "./terraform";

const ROOT = join(__dirname, "..");

/**
 * Synthesizes the stages as cdktf does, in a process of its own.
 *
 * @throws PlanError with what it said
 */
export function synthesize(output: string): void {
  const { status, stderr } = spawnSync(process.execPath, ["--import", "tsx", "main.ts"], {
    cwd: ROOT,
    env: { ...process.env, CDKTF_OUTDIR: resolve(output) },
    encoding: "utf8",
  });
  if (status === 0) return;
  const lines = stderr.trim().split("\n");
  const [message = ""] = lines;
  throw lines.length > 1
    ? new PlanError("The stages could not be synthesized.", { output: stderr })
    : new PlanError(message);
}

const folderOf = (output: string, stage: string) => resolve(output, "stacks", stackName(stage));

export const isSynthesized = (output: string, stage: string): boolean =>
  existsSync(join(folderOf(output, stage), "cdk.tf.json"));

/**
 * Where a stage's stack was synthesized to.
 *
 * @throws PlanError where it was not
 */
export function stackFolder(output: string, stage: string): string {
  const folder = folderOf(output, stage);
  if (!isSynthesized(output, stage)) {
    throw new PlanError(`There is no cdk.tf.json in ${folder}: synthesize first (npm run synth).`);
  }
  return folder;
}
