import { parseArgs } from "node:util";
import { UsageError } from "../client/cli/exit";
import { STAGES } from "../main";
import { stackName } from "../stacks/stage";
import { runCommand } from "./command";
import { code } from "./escape";
import { type GitHub, gitHubOfWorkflow, runUrl, variable } from "./github";
import { toMarkdown } from "./markdown";
import { readGone, readMatrix, readReviews } from "./read-review";
import { readyStages } from "./stages";

/** Whose comments are ours: nobody else can have this name, and whoever can write a marker has another. */
const AUTHOR = "github-actions[bot]";

const markerOf = (page: number) => `<!-- tweedle-plan ${page} -->`;
const MARKER = /^<!-- tweedle-plan (\d+) -->\r?\n/;
/** What is said on top of a comment that is out of date. */
const STALE = /^(<!-- tweedle-plan \d+ -->)\r?\n(?:> \[!WARNING\]\r?\n> .*\r?\n\r?\n)?/;

interface Comment {
  readonly id: number;
  readonly body: string;
  readonly user: { readonly login: string } | null;
}

interface PullRequest {
  readonly head: { readonly sha: string };
}

/** Files that decide what a review says, so that a review says when they change. */
const REVIEWERS =
  /^(plan\/|deployment\/|\.github\/|client\/|common\/|contract\/|package(-lock)?\.json$|tsconfig\.json$|\.npmrc$|cdktf\.json$|\.terraform\.lock\.hcl$)/;
/** GitHub lists no more: https://docs.github.com/rest/pulls/pulls#list-pull-requests-files */
const MOST_LISTED = 3000;
/** Of those, so many are named. */
const MOST_FILES = 10;

/** Our comments on a pull request, by page. */
async function ownComments(github: GitHub, pullRequest: number): Promise<Comment[]> {
  const comments = await github.list<Comment>(`/issues/${pullRequest}/comments`);
  const pageOf = ({ body }: Comment) => Number(MARKER.exec(body)?.[1]);
  return comments
    .filter(({ body, user }) => user?.login === AUTHOR && MARKER.test(body))
    .toSorted((a, b) => pageOf(a) - pageOf(b));
}

/** Says on the comment that there is a newer commit, whose plan is being made. */
export async function markStale(github: GitHub, pullRequest: number, commit: string): Promise<void> {
  const [first] = await ownComments(github, pullRequest);
  if (first === undefined) return;
  const note = `> [!WARNING]\n> Out of date: ${code(commit.slice(0, 10))} has been pushed since, and is being planned.`;
  const body = first.body.replace(STALE, (_, marker: string) => `${marker}\n${note}\n\n`);
  await github.patch(`/issues/comments/${first.id}`, { body });
}

/**
 * Writes pages as comments: over those that are there, then further ones; those that are too many are deleted.
 *
 * @returns how many there are
 */
export async function writeComments(
  github: GitHub,
  pullRequest: number,
  pages: readonly string[],
): Promise<number> {
  const present = await ownComments(github, pullRequest);
  for (const [index, page] of pages.entries()) {
    const body = `${markerOf(index + 1)}\n${page}`;
    const comment = present[index];
    if (comment === undefined) await github.post(`/issues/${pullRequest}/comments`, { body });
    else await github.patch(`/issues/comments/${comment.id}`, { body });
  }
  for (const { id } of present.slice(pages.length)) await github.delete(`/issues/comments/${id}`);
  return pages.length;
}

/** What to read before the plan: whether the pull request changes what makes it, and what nothing will destroy. */
async function warningsOf(github: GitHub, pullRequest: number, gone: readonly string[]): Promise<string[]> {
  const files = await github.list<{ filename: string; previous_filename?: string }>(
    `/pulls/${pullRequest}/files`,
  );
  const reviewers = files
    .flatMap(({ filename, previous_filename: previous = filename }) => [...new Set([filename, previous])])
    .filter((name) => REVIEWERS.test(name));
  const more = reviewers.length - MOST_FILES;
  const named = reviewers.slice(0, MOST_FILES).map(code).join(", ") + (more > 0 ? ` and ${more} more` : "");
  return [
    ...(files.length >= MOST_LISTED
      ? ["**It changes more files than GitHub lists:** what makes its own plan may be among them."]
      : []),
    ...(reviewers.length > 0
      ? [`**This pull request changes what makes its own plan:** ${named}. Review that first.`]
      : []),
    ...gone.map(
      (stack) =>
        `**${code(stack)} is no longer in the code.** Nothing destroys what it has deployed: run \`cdktf destroy\` before.`,
    ),
  ];
}

const USAGE = "Usage: plan/comment.ts stale | write --reviews DIR";

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { reviews: { type: "string", default: "reviews" } },
    allowPositionals: true,
  });
  const github = gitHubOfWorkflow();
  const pullRequest = Number(variable("PULL_REQUEST", /^\d+$/));
  const commit = variable("COMMIT", /^[0-9a-f]{40}$/);
  const [command] = positionals;
  if (command === "stale") return await markStale(github, pullRequest, commit);
  if (command !== "write") throw new UsageError(USAGE);

  // A run that a newer push has overtaken has nothing to say any more.
  const { head } = await github.get<PullRequest>(`/pulls/${pullRequest}`);
  if (head.sha !== commit) {
    console.log(`${commit} is no longer the newest commit: nothing is written.`);
    return;
  }
  const gone = readGone(values.reviews);
  const known = readyStages(STAGES).map(({ stage }) => stage);
  const expected = known.filter((stage) => !gone.includes(stackName(stage)));
  const matrix = readMatrix(process.env["STAGES"] ?? "");
  const reviews = readReviews(values.reviews, [...expected, ...matrix]);
  if (reviews.length === 0) {
    console.log("No stage has an account yet: nothing is written.");
    return;
  }
  const warnings = await warningsOf(github, pullRequest, gone);
  const pages = toMarkdown(reviews, { title: "Terraform plan", commit, url: runUrl(), warnings });
  console.log(`Comments written: ${await writeComments(github, pullRequest, pages)}.`);
}

if (require.main === module) void runCommand(main);
