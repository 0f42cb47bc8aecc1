import { runCommand } from "./command";
import { type GitHub, gitHubOfWorkflow, variable } from "./github";
import { PlanError } from "./terraform";

const WORKFLOW = "plan.yml";

interface MergedPullRequest {
  readonly number: number;
  readonly merged_at: string | null;
  readonly merge_commit_sha: string | null;
  readonly head: { readonly sha: string; readonly repo: { readonly full_name: string } | null };
  readonly base: { readonly ref: string; readonly repo: { readonly full_name: string } };
}

interface Run {
  readonly id: number;
  readonly event: string;
  readonly conclusion: string | null;
  readonly head_sha: string;
  readonly path: string;
  readonly head_repository: { readonly full_name: string } | null;
}

const BY_HAND = "Run the deploy workflow by hand: it plans, shows its plan, and deploys that.";

/**
 * The run whose plan was reviewed before a commit was merged. A run of another repository's branch is none: its
 * workflow, and so what it has left, is that repository's.
 *
 * @param branch what is deployed: a plan for another one was made by that one's code
 * @throws PlanError that says why there is none
 */
export async function reviewedRun(github: GitHub, commit: string, branch: string): Promise<number> {
  const pullRequests = await github.list<MergedPullRequest>(`/commits/${commit}/pulls`);
  const pullRequest = pullRequests.find(
    ({ merged_at, merge_commit_sha }) => merged_at !== null && merge_commit_sha === commit,
  );
  if (pullRequest === undefined) {
    throw new PlanError(`${commit} came by no pull request, so nobody has reviewed its plan. ${BY_HAND}`);
  }
  const { number, head, base } = pullRequest;
  const own = base.repo.full_name;
  if (head.repo?.full_name !== own) {
    throw new PlanError(`Pull request ${number} came from a fork, and was not planned. ${BY_HAND}`);
  }
  if (base.ref !== branch) {
    throw new PlanError(
      `Pull request ${number} went into ${base.ref}, and ${branch} is deployed. ${BY_HAND}`,
    );
  }
  const runs = await github.list<Run>(
    `/actions/workflows/${WORKFLOW}/runs?event=pull_request&head_sha=${head.sha}`,
    "workflow_runs",
  );
  // The newest is first.
  const run = runs.find(
    ({ event, head_sha, head_repository, conclusion }) =>
      event === "pull_request" &&
      head_sha === head.sha &&
      head_repository?.full_name === own &&
      conclusion === "success",
  );
  if (run === undefined) {
    throw new PlanError(`Pull request ${number} has no plan of ${head.sha} that succeeded. ${BY_HAND}`);
  }
  return run.id;
}

async function main(): Promise<void> {
  const commit = variable("COMMIT", /^[0-9a-f]{40}$/);
  const branch = variable("GITHUB_REF_NAME", /./);
  console.log(`run_id=${await reviewedRun(gitHubOfWorkflow(), commit, branch)}`);
}

if (require.main === module) void runCommand(main);
