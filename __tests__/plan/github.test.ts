import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { markStale, writeComments } from "../../plan/comment";
import { reportDrift } from "../../plan/drift";
import { GitHub } from "../../plan/github";
import { reviewedRun } from "../../plan/reviewed";
import { temporaryFolder } from "../local/tools";
import { BOT, GitHubServer, REPOSITORY } from "./github-server";
import { change, planned, writeJson } from "./tools";

const SHA = "0123456789".repeat(4);
const NEWER = "f".repeat(40);
const folder = temporaryFolder();
let server: GitHubServer;
let github: GitHub;
let apiUrl: string;

beforeEach(async () => {
  server = new GitHubServer();
  apiUrl = await server.start();
  github = new GitHub({ token: "token", repository: REPOSITORY, apiUrl, retry: { baseDelayMs: 1 } });
});

afterEach(() => server.stop());

/** Runs one of our commands as a workflow does. */
async function run(script: string, args: readonly string[], variables: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, ["--import", "tsx", join("plan", script), ...args], {
    cwd: join(__dirname, "../.."),
    env: {
      ...process.env,
      GITHUB_TOKEN: "token",
      GITHUB_REPOSITORY: REPOSITORY,
      GITHUB_API_URL: apiUrl,
      GITHUB_SERVER_URL: "https://github.com",
      GITHUB_RUN_ID: "42",
      PULL_REQUEST: "7",
      COMMIT: SHA,
      ...variables,
    },
  });
  const closed = once(child, "close");
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
  return { code: code as number, stdout, stderr };
}

const bodies = () => server.comments.map(({ body }) => body);

describe("The comment on a pull request", () => {
  test("is one, and is written anew each time", async () => {
    await writeComments(github, 7, ["first"]);
    await writeComments(github, 7, ["second"]);
    expect(bodies()).toEqual(["<!-- tweedle-plan 1 -->\nsecond"]);
  });

  test("is continued where it is too long, and what is too much goes once it is shorter", async () => {
    await writeComments(github, 7, ["a", "b", "c"]);
    await writeComments(github, 7, ["d", "e"]);
    expect(bodies()).toEqual(["<!-- tweedle-plan 1 -->\nd", "<!-- tweedle-plan 2 -->\ne"]);
  });

  test("leaves alone what others have written, although it has our marker, and ours that has it further down", async () => {
    const others = [
      server.thread("<!-- tweedle-plan 1 -->\nmine", "mallory"),
      server.thread("<!-- tweedle-plan 1 -->\nmine", "github-actions"),
      server.thread("A quote: <!-- tweedle-plan 1 -->\n", BOT),
    ];
    server.comments.push(...others.map((one) => ({ ...one })));
    await markStale(github, 7, NEWER);
    await writeComments(github, 7, ["ours"]);
    await markStale(github, 7, NEWER);
    expect(server.comments.slice(0, 3)).toEqual(others);
    expect(server.comments).toHaveLength(4);
  });

  test("is found among hundreds", async () => {
    server.comments.push(...Array.from({ length: 250 }, (_, index) => server.thread(`${index}`, "alice")));
    await writeComments(github, 7, ["first"]);
    await writeComments(github, 7, ["second"]);
    expect(server.comments).toHaveLength(251);
  });

  test("says that it is out of date from a push until it is written anew, once, and only its first page", async () => {
    await markStale(github, 7, NEWER);
    expect(server.comments).toEqual([]);
    await writeComments(github, 7, ["a\n\nb", "c"]);
    await markStale(github, 7, SHA);
    await markStale(github, 7, NEWER);
    expect(bodies()).toEqual([
      "<!-- tweedle-plan 1 -->\n> [!WARNING]\n> Out of date: `ffffffffff` has been pushed since, and is being planned.\n\na\n\nb",
      "<!-- tweedle-plan 2 -->\nc",
    ]);
    await writeComments(github, 7, ["d"]);
    expect(bodies()).toEqual(["<!-- tweedle-plan 1 -->\nd"]);
  });

  test("is written although GitHub has its troubles, and not where it refuses", async () => {
    server.troubles = [{ status: 502 }, { status: 403, retryAfter: 0 }, { status: 500 }];
    await writeComments(github, 7, ["a"]);
    expect(bodies()).toHaveLength(1);
    server.troubles = [{ status: 403 }];
    await expect(writeComments(github, 7, ["a"])).rejects.toThrow(
      "GitHub's GET /issues/7/comments?per_page=100&page=1 was answered 403",
    );
  });
});

describe("plan/comment.ts", () => {
  let reviews: string;

  beforeEach(() => {
    reviews = join(folder, "reviews");
    rmSync(reviews, { recursive: true, force: true });
    mkdirSync(reviews);
    server.pullRequest = { head: { sha: SHA } };
  });

  const write = (stages: readonly string[]) =>
    run("comment.ts", ["write", "--reviews", reviews], {
      STAGES: JSON.stringify(stages.map((stage) => ({ stage }))),
    });

  test("writes what the artifacts say, with the commit, the run, what changes its own code and what is gone", async () => {
    writeJson(join(reviews, "dev.json"), planned({ changes: [change()] }));
    writeJson(join(reviews, "prod.json"), { status: "same", stage: "prod" });
    writeJson(join(reviews, "gone.json"), ["producer-consumer-`old`"]);
    server.files = [
      "README.md",
      "plan/markdown.ts",
      "`.ts",
      "docs/plan/x",
      ".github/workflows/plan.yml",
      "common/quote.ts",
    ];
    const { code, stdout, stderr } = await write(["dev"]);
    expect([code, stdout, stderr]).toEqual([0, "Comments written: 1.\n", ""]);
    const [body = ""] = bodies();
    expect(body).toContain("<!-- tweedle-plan 1 -->\n## Terraform plan of `0123456789`\n");
    expect(body).toContain("[The run](https://github.com/owner/name/actions/runs/42) has all of it");
    expect(body).toContain(
      "**This pull request changes what makes its own plan:** `plan/markdown.ts`, `.github/workflows/plan.yml`, `common/quote.ts`.",
    );
    expect(body).toContain("**`` producer-consumer-`old` `` is no longer in the code.** Nothing destroys");
    expect(body).toContain("- **update** `aws_s3_object.cat`");
    expect(body).toContain("| prod |  | no infrastructure change |");
  });

  test("says of a stage that left no review that it failed, and of an artifact that is none, too", async () => {
    writeFileSync(join(reviews, "dev.json"), "<script>");
    writeJson(join(reviews, "test.json"), { ...planned({ stage: "test" }), extra: "x" });
    writeJson(join(reviews, "..json"), planned());
    const { code } = await write(["dev", "prod"]);
    expect(code).toBe(0);
    const [body = ""] = bodies();
    expect(body).toContain("| dev | failed |\n| prod | failed |\n| test | failed |");
    expect(body).toMatch(
      /\*\*dev could not be planned\.\*\* `.*dev\.json is no review of dev: it is no JSON\.`/,
    );
    expect(body).toContain("**prod could not be planned.** `It left no review: see the run.`");
    expect(body).toMatch(/`.*test\.json is no review of test: it has another form\.`/);
  });

  test("writes nothing of a commit that another has overtaken", async () => {
    writeJson(join(reviews, "dev.json"), planned());
    server.pullRequest = { head: { sha: NEWER } };
    const { code, stdout } = await write(["dev"]);
    expect([code, stdout]).toEqual([0, `${SHA} is no longer the newest commit: nothing is written.\n`]);
    expect(server.requests).toEqual(["GET /pulls/7"]);
  });

  test("writes nothing before a stage has an account", async () => {
    const { code, stdout } = await write([]);
    expect([code, stdout, bodies()]).toEqual([0, "No stage has an account yet: nothing is written.\n", []]);
  });

  test.each([
    [["stale"], { PULL_REQUEST: "7; rm -rf /" }, "The variable PULL_REQUEST must match"],
    [["stale"], { COMMIT: "main" }, "The variable COMMIT must match"],
    [["stale"], { GITHUB_TOKEN: "" }, "The variable GITHUB_TOKEN must match"],
    [["stale"], { GITHUB_TOKEN: "wrong" }, "was answered 401"],
  ])("%j with %j ends with 1 and one line", async (args, variables, says) => {
    const { code, stdout, stderr } = await run("comment.ts", args, variables);
    expect([code, stdout, stderr.trimEnd().split("\n").length]).toEqual([1, "", 1]);
    expect(stderr).toContain(says);
  });

  test("without a command ends with 2 and its usage", async () => {
    expect(await run("comment.ts", [])).toEqual({
      code: 2,
      stdout: "",
      stderr: "Usage: plan/comment.ts stale | write --reviews DIR\n",
    });
  });
});

describe("The plan that was reviewed", () => {
  const own = { full_name: REPOSITORY };
  const HEAD = "a".repeat(40);
  const merged = {
    number: 7,
    merged_at: "2026-01-01T00:00:00Z",
    merge_commit_sha: SHA,
    head: { sha: HEAD, repo: own },
    base: { ref: "main", repo: own },
  };
  const planOf = (given: object = {}) => ({
    id: 1,
    event: "pull_request",
    conclusion: "success",
    head_sha: HEAD,
    head_repository: own,
    ...given,
  });

  test("is that of the newest run of the merged pull request's last commit", async () => {
    server.pullsOfCommit = [{ ...merged, merge_commit_sha: NEWER }, merged];
    server.runs = [planOf({ id: 3, conclusion: "failure" }), planOf({ id: 2 }), planOf()];
    expect(await reviewedRun(github, SHA, "main")).toBe(2);
  });

  test.each<[string, object[], object[], string]>([
    ["a commit that was pushed", [], [planOf()], "came by no pull request"],
    [
      "one that went elsewhere",
      [{ ...merged, base: { ref: "other", repo: own } }],
      [planOf()],
      "Pull request 7 went into other, and main is deployed.",
    ],
    [
      "one of a pull request that is still open",
      [{ ...merged, merged_at: null }],
      [planOf()],
      "came by no pull request",
    ],
    [
      "a fork's pull request",
      [{ ...merged, head: { sha: HEAD, repo: { full_name: "mallory/name" } } }],
      [planOf()],
      "came from a fork, and was not planned",
    ],
    ["a fork that is gone", [{ ...merged, head: { sha: HEAD, repo: null } }], [planOf()], "came from a fork"],
    [
      "a run in a fork",
      [merged],
      [planOf({ head_repository: { full_name: "mallory/name" } })],
      "has no plan",
    ],
    ["a run by hand", [merged], [planOf({ event: "workflow_dispatch" })], "has no plan"],
    ["another commit's run", [merged], [planOf({ head_sha: NEWER })], "has no plan"],
    ["a plan that failed", [merged], [planOf({ conclusion: "failure" })], "has no plan"],
  ])("is none for %s, and the sentence says what to do", async (_, pulls, runs, says) => {
    server.pullsOfCommit = pulls;
    server.runs = runs;
    await expect(reviewedRun(github, SHA, "main")).rejects.toThrow(says);
    await expect(reviewedRun(github, SHA, "main")).rejects.toThrow("Run the deploy workflow by hand");
  });

  test("is told to the workflow by its number alone", async () => {
    server.pullsOfCommit = [merged];
    server.runs = [planOf({ id: 2 })];
    expect(await run("reviewed.ts", [], { GITHUB_REF_NAME: "main" })).toEqual({
      code: 0,
      stdout: "run_id=2\n",
      stderr: "",
    });
  });
});

describe("The issue of a stage that differs from the code", () => {
  const about = { commit: SHA, url: "https://github.com/owner/name/actions/runs/42" };
  const differs = planned({
    changes: [change()],
    drift: [{ address: "aws_s3_bucket.b", type: "aws_s3_bucket", action: "update", attributes: ["tags"] }],
  });

  test("is opened, updated while it does, and closed once it does not; the next time it is a new one", async () => {
    expect(await reportDrift(github, planned(), about)).toBe("dev: as the code says.");
    expect(await reportDrift(github, differs, about)).toBe("dev: differs, issue 101 is opened.");
    expect(await reportDrift(github, differs, about)).toBe("dev: still differs, issue 101 is updated.");
    expect(server.issues).toHaveLength(1);
    expect(server.issues[0]).toMatchObject({
      title: "producer-consumer-dev differs from the code",
      state: "open",
    });
    expect(server.issues[0]?.body).toContain("- `aws_s3_bucket.b`: `tags`");
    expect(await reportDrift(github, planned(), about)).toBe(
      "dev: as the code says again, issue 101 is closed.",
    );
    expect(server.issues[0]?.state).toBe("closed");
    expect(server.issueComments).toEqual([
      { issue: 101, body: `It is as the code says again: [the run](${about.url}).` },
    ]);
    await reportDrift(github, differs, about);
    expect(server.issues.map(({ state }) => state)).toEqual(["closed", "open"]);
  });

  test("is one a stage, also of one that cannot be planned", async () => {
    await reportDrift(github, differs, about);
    await reportDrift(
      github,
      { status: "failed", stage: "prod", error: "AWS refuses the credentials." },
      about,
    );
    expect(server.issues.map(({ title }) => title)).toEqual([
      "producer-consumer-dev differs from the code",
      "producer-consumer-prod differs from the code",
    ]);
    expect(server.issues[1]?.body).toContain("`AWS refuses the credentials.`");
  });

  test("is not another's that has its marker, nor a pull request", async () => {
    server.issues = [
      server.thread("<!-- tweedle-drift dev -->\n", "mallory"),
      { ...server.thread("<!-- tweedle-drift dev -->\n"), pull_request: {} } as never,
    ];
    const before = structuredClone(server.issues);
    await reportDrift(github, planned(), about);
    expect(server.issues).toEqual(before);
    await reportDrift(github, differs, about);
    expect(server.issues).toHaveLength(3);
  });

  test("comes of what the workflow's jobs have left", async () => {
    const reviews = join(folder, "drift");
    mkdirSync(reviews);
    writeJson(join(reviews, "dev.json"), planned());
    const variables = { STAGES: '[{"stage":"dev"},{"stage":"prod"}]' };
    const { code, stdout, stderr } = await run("drift.ts", ["--reviews", reviews], variables);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toBe("dev: as the code says.\nprod: differs, issue 101 is opened.\n");
    expect(server.issues[0]?.body).toContain("It left no review");
  });
});
