import { parseArgs } from "node:util";
import { STAGES } from "../main";
import { runCommand } from "./command";
import { type GitHub, gitHubOfWorkflow, runUrl, variable } from "./github";
import { toMarkdown } from "./markdown";
import { readMatrix, readReviews } from "./read-review";
import { type Review, isEmpty } from "./review";
import { stackName } from "../stacks/stage";

const AUTHOR = "github-actions[bot]";

interface Issue {
  readonly number: number;
  readonly body: string | null;
  readonly user: { readonly login: string } | null;
  readonly pull_request?: object;
}

const markerOf = (stage: string) => `<!-- tweedle-drift ${stage} -->`;

/** Whether people have to look at it: what is deployed is not what the code says, or nobody knows. */
const isAmiss = (review: Review) =>
  review.status === "failed" || (review.status === "planned" && !isEmpty(review));

/**
 * Keeps one issue a stage: opened where what is deployed differs from the code, updated while it does, closed once it
 * does not.
 *
 * @returns what was done, in a sentence
 */
export async function reportDrift(
  github: GitHub,
  review: Review,
  { commit, url }: { readonly commit: string; readonly url: string },
): Promise<string> {
  const { stage } = review;
  const issues = await github.list<Issue>("/issues?state=open");
  const open = issues.find(
    ({ body, user, pull_request }) =>
      user?.login === AUTHOR && pull_request === undefined && body?.startsWith(markerOf(stage)) === true,
  );
  if (!isAmiss(review)) {
    if (open === undefined) return `${stage}: as the code says.`;
    await github.post(`/issues/${open.number}/comments`, {
      body: `It is as the code says again: [the run](${url}).`,
    });
    await github.patch(`/issues/${open.number}`, { state: "closed", state_reason: "completed" });
    return `${stage}: as the code says again, issue ${open.number} is closed.`;
  }
  const [page = "", ...further] = toMarkdown([review], {
    title: "What a deployment would change",
    commit,
    url,
  });
  const rest = further.length > 0 ? `\n\nThis is not all of it: [the run](${url}) has the rest.` : "";
  const issue = {
    title: `${stackName(stage)} differs from the code`,
    body: `${markerOf(stage)}\n${INTRODUCTION}\n\n${page}${rest}`,
  };
  if (open === undefined) {
    const { number } = await github.post<{ number: number }>("/issues", issue);
    return `${stage}: differs, issue ${number} is opened.`;
  }
  await github.patch(`/issues/${open.number}`, issue);
  return `${stage}: still differs, issue ${open.number} is updated.`;
}

const INTRODUCTION =
  "What is deployed and what the code says differ. Somebody has changed it by hand, which is then also listed as " +
  "changed outside of Terraform, or a deployment has not been made or not been approved. To deploy the code over it, " +
  "run the deploy workflow; to keep what was done by hand, write it into the code. This issue is kept up to date, " +
  "and closed once they are the same.";

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { reviews: { type: "string", default: "reviews" } } });
  const github = gitHubOfWorkflow();
  const about = { commit: variable("COMMIT", /^[0-9a-f]{40}$/), url: runUrl() };
  const stages = readMatrix(process.env["STAGES"] ?? "");
  const order = STAGES.map(({ stage }) => stage).filter((stage) => stages.includes(stage));
  for (const review of readReviews(values.reviews, order))
    console.log(await reportDrift(github, review, about));
}

if (require.main === module) void runCommand(main);
