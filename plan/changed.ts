import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { UsageError } from "../client/cli/exit";
import { createFolderSync } from "../common/create-folder";
import { STAGES } from "../main";
import { type StageConfig, stackName } from "../stacks/stage";
import { runCommand } from "./command";
import { GONE, reviewFile } from "./read-review";
import type { SameReview } from "./review";
import { matrixOf, readyStages } from "./stages";
import { isSynthesized } from "./synth";

/** All that Terraform reads of a stack: functions are in the JSON by their digests. */
const FILES = ["cdk.tf.json", ".terraform.lock.hcl"] as const;

const read = (path: string) => (existsSync(path) ? readFileSync(path, "utf8") : undefined);

/** Whether a stage was synthesized to the same, byte for byte, in both folders. */
export function isSame(base: string, head: string, stage: string): boolean {
  const stack = join("stacks", stackName(stage));
  return (
    isSynthesized(base, stage) &&
    FILES.every((file) => read(join(base, stack, file)) === read(join(head, stack, file)))
  );
}

/** The stacks that are in the first folder only: nothing destroys what they have deployed. */
export function goneStacks(base: string, head: string): string[] {
  const stacks = (folder: string) =>
    existsSync(join(folder, "stacks")) ? readdirSync(join(folder, "stacks")) : [];
  return stacks(base).filter((stack) => !stacks(head).includes(stack));
}

export interface Synthesized {
  /** Where the base was synthesized to; where it could not be, nothing is there. */
  readonly base: string;
  /** Where the pull request was synthesized to. */
  readonly head: string;
  /** Where reviews are left. */
  readonly reviews: string;
}

/**
 * Compares what two commits are synthesized to. Leaves a review of each stage that stays as it is, and the names of
 * stacks that are gone.
 *
 * @returns the stages that are to be planned
 */
export function changedStages(
  stages: readonly StageConfig[],
  { base, head, reviews }: Synthesized,
): StageConfig[] {
  const same = stages.filter(({ stage }) => isSame(base, head, stage));
  createFolderSync(reviews);
  for (const { stage } of same) {
    const review: SameReview = { status: "same", stage };
    writeFileSync(reviewFile(reviews, stage), JSON.stringify(review));
  }
  writeFileSync(join(reviews, GONE), JSON.stringify(goneStacks(base, head)));
  return stages.filter((config) => !same.includes(config));
}

function main(): void {
  const { values } = parseArgs({
    options: { base: { type: "string" }, head: { type: "string" }, reviews: { type: "string" } },
  });
  const { base, head, reviews } = values;
  if (base === undefined || head === undefined || reviews === undefined) {
    throw new UsageError("Usage: plan/changed.ts --base DIR --head DIR --reviews DIR");
  }
  console.log(matrixOf(changedStages(readyStages(STAGES), { base, head, reviews })));
}

if (require.main === module) void runCommand(main);
