import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { makeReview } from "../../plan/make";
import { temporaryFolder } from "../local/tools";

const folder = temporaryFolder();
const stack = join(folder, "out/stacks/producer-consumer-dev");

/** A program in Terraform's place. */
function program(name: string, script: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/bash\n${script}\n`, { mode: 0o755 });
  return path;
}

beforeAll(() => {
  mkdirSync(stack, { recursive: true });
  writeFileSync(join(stack, "cdk.tf.json"), "{}");
});

/** As Terraform frames what it says. */
const framed = (message: string) => ["╷", ...message.split("\n").map((line) => `│ ${line}`), "╵"].join("\n");

test.each<[string, string, string]>([
  [
    "a lock that another holds",
    "Error: Error acquiring the state lock\n\nError message: operation error S3: PutObject\nLock Info:\n  ID:        1\n  Path:      state\n  Operation: OperationTypeApply\n  Who:       alice@laptop\n",
    "alice@laptop is changing the state just now: wait for it to end, or plan with --no-lock.",
  ],
  [
    "credentials that have ended",
    "Error: Retrieving AWS account details: operation error STS: GetCallerIdentity, https response error\nStatusCode: 403, api error ExpiredToken: The security token included in the\nrequest is expired",
    "AWS refuses the credentials (ExpiredToken): sign in again.",
  ],
  [
    "credentials of another account",
    "Error: AWS account ID not allowed: 111122223333",
    "The credentials are those of account 111122223333, and the stage's accountId in main.ts is another: use the other, or change main.ts.",
  ],
  [
    "a state's bucket that there is not",
    'Error: Failed to get existing workspaces: S3 bucket "tweedle-state-1-eu" does not\nexist.\n\nThe referenced S3 bucket must have been previously created.',
    "The bucket of Terraform's state, tweedle-state-1-eu, does not exist: npm run bootstrap makes it, for main.ts's account and region.",
  ],
  [
    "a right that is missing",
    "Error: reading SQS Queue: AccessDenied: User: arn:aws:sts::1:assumed-role/x is not authorized to\nperform: sqs:GetQueueAttributes on resource: arn:aws:sqs:x",
    "The credentials may not sqs:GetQueueAttributes: use those of tweedle-plan, or of an administrator.",
  ],
  [
    "a name that nobody knows",
    'Error: Get "https://s3.eu-central-9.amazonaws.com/": dial tcp: lookup s3.eu-central-9.amazonaws.com: no such host',
    "s3.eu-central-9.amazonaws.com cannot be reached (no such host): look at the network, the region and AWS_ENDPOINT_URL.",
  ],
  [
    "what it has no better words for",
    "Error: Unsupported argument\n\n  on x",
    " failed: Unsupported argument",
  ],
  ["several errors", "Error: One\n\nError: Two\n\nError: Three", " failed: One (and 2 more)"],
  ["nothing", "", " failed: it said nothing"],
])("Terraform that fails by %s is told in one line", async (_, message, says) => {
  writeFileSync(join(folder, "said"), message === "" ? "" : framed(message));
  const TERRAFORM_BINARY_NAME = program("fails", `cat "${join(folder, "said")}" >&2; exit 1`);
  const environment = { ...process.env, TERRAFORM_BINARY_NAME };
  const failure = makeReview({ stage: "dev", folder: stack, environment, lock: true });
  await expect(failure).rejects.toMatchObject({
    name: "PlanError",
    message: expect.stringMatching(new RegExp(`${says.replace(/[.()]/g, "\\$&")}$`)),
  });
});

test.each([
  ["is killed", "kill -9 $$", " init failed: it said nothing"],
  [
    "plans what has no word here",
    `case "$1" in plan) exit 2;; show) echo '{}';; esac`,
    "The plan has changes that the review does not understand.",
  ],
])("Terraform that %s has not planned nothing", async (name, script, says) => {
  const environment = { ...process.env, TERRAFORM_BINARY_NAME: program(name.replaceAll(" ", "-"), script) };
  const failure = makeReview({ stage: "dev", folder: stack, environment, lock: true });
  await expect(failure).rejects.toMatchObject({
    name: "PlanError",
    message: expect.stringMatching(`${says}$`),
  });
});

test("errors of Terraform's -json output are told as those of its text", async () => {
  const lines = [
    { "@level": "info", "@message": "Terraform 1.11.4", type: "version" },
    { type: "diagnostic", diagnostic: { severity: "warning", summary: "Deprecated" } },
    {
      type: "diagnostic",
      diagnostic: {
        severity: "error",
        summary: "Error acquiring the state lock",
        detail: "Lock Info:\n  ID:        1\n  Who:       alice@laptop\n",
      },
    },
  ];
  writeFileSync(join(folder, "lines"), lines.map((line) => JSON.stringify(line)).join("\n"));
  const script = `[ "$1" = init ] || { cat "${join(folder, "lines")}"; exit 1; }`;
  const environment = { ...process.env, TERRAFORM_BINARY_NAME: program("fails-in-json", script) };
  await expect(makeReview({ stage: "dev", folder: stack, environment, lock: true })).rejects.toThrow(
    "alice@laptop is changing the state just now: wait for it to end, or plan with --no-lock.",
  );
});

test.each(["SIGINT", "SIGTERM"] as const)("%s leaves no plan behind, which holds secrets", async (signal) => {
  const temporary = join(folder, signal);
  mkdirSync(temporary);
  // It writes its plan, says so, and ends once it is asked to, as Terraform does. A terminal would ask it by itself.
  const hangs = program(
    "hangs",
    `[ "$1" = init ] && exit 0
for argument; do case $argument in -out=*) echo secret > "\${argument#-out=}";; esac; done
trap 'exit 1' TERM INT
echo $$ > "${join(temporary, "pid")}"
while :; do read -t 1 <> <(:); done`,
  );
  const args = ["--import", "tsx", "plan/index.ts", "--skip-synth", "--output", join(folder, "out")];
  const child = spawn(process.execPath, args, {
    cwd: join(__dirname, "../.."),
    env: { ...process.env, TERRAFORM_BINARY_NAME: hangs, TMPDIR: temporary },
    detached: true,
  });
  const said = text(child.stderr);
  const closed = once(child, "close");
  const plans = () => readdirSync(temporary).filter((name) => name.startsWith("tweedle-plan-"));
  while (!readdirSync(temporary).includes("pid")) await new Promise((done) => setImmediate(done));
  expect(plans()).toHaveLength(1);
  // A terminal tells all of the group.
  process.kill(signal === "SIGINT" ? -(child.pid ?? 0) : (child.pid ?? 0), signal);
  expect([(await closed)[0], await said]).toEqual([1, "Interrupted.\n"]);
  expect(plans()).toEqual([]);
});
