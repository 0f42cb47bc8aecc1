import { appendFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { UsageError } from "../client/cli/exit";
import { runCommand } from "./command";
import { variable } from "./github";
import { toMarkdown } from "./markdown";
import { readReview, reviewFile } from "./read-review";
import { type Review, isEmpty } from "./review";
import { PlanError } from "./terraform";

/** GitHub's own is 1 MiB a step. https://docs.github.com/actions/reference/workflow-commands-for-github-actions#step-isolation-and-limits */
const SUMMARY_BYTES = 1_000_000;

/** Whether there is anything to deploy. */
export const isDue = (review: Review): boolean => review.status === "planned" && !isEmpty(review);

/**
 * Writes a review to the page of the workflow's run, for who approves the deployment, and prints whether there is
 * anything to deploy.
 */
function main(): void {
  const { values } = parseArgs({
    options: { stage: { type: "string" }, reviews: { type: "string", default: "reviews" } },
  });
  const { stage, reviews } = values;
  if (stage === undefined) throw new UsageError("Usage: plan/summary.ts --stage STAGE [--reviews DIR]");
  const review = readReview(reviewFile(reviews, stage), stage);
  const commit = variable("COMMIT", /^[0-9a-f]{40}$/);
  const [page = "", ...more] = toMarkdown([review], { title: "Terraform plan", commit }, SUMMARY_BYTES);
  const rest = `**This is not all of it:** ${more.length} further ${more.length === 1 ? "page stands" : "pages stand"} in the run's artifact of the review.`;
  appendFileSync(variable("GITHUB_STEP_SUMMARY", /./), `${more.length > 0 ? `${rest}\n\n` : ""}${page}\n`);
  if (review.status === "failed") throw new PlanError(`${stage} could not be planned: ${review.error}`);
  console.log(`deploy=${isDue(review)}`);
}

if (require.main === module) void runCommand(main);
