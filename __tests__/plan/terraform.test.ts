import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { devNull } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import {
  CreateBucketCommand,
  HeadObjectCommand,
  PutBucketTaggingCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { DataAwsS3Bucket } from "@cdktf/provider-aws/lib/data-aws-s3-bucket";
import { KmsKey } from "@cdktf/provider-aws/lib/kms-key";
import { S3Bucket } from "@cdktf/provider-aws/lib/s3-bucket";
import { S3Object } from "@cdktf/provider-aws/lib/s3-object";
import { SsmParameter } from "@cdktf/provider-aws/lib/ssm-parameter";
import { DataResource, TerraformOutput, type TerraformStack } from "cdktf";
import { makeReview } from "../../plan/make";
import { toMarkdown } from "../../plan/markdown";
import { type PlannedReview, type Review, countsOf, digestOf, isEmpty } from "../../plan/review";
import { toTerminal } from "../../plan/terminal";
import { terraform } from "../../plan/terraform";
import { stackName } from "../../stacks/stage";
import { temporaryFolder } from "../local/tools";
import { describeWith } from "../terraform/describe-with";
import { FAKE_KEYS, type Moto, startMoto } from "../terraform/moto";
import { stopProcesses } from "../terraform/processes";
import { terraformEnvironment } from "../terraform/tools";
import { REGION, STATE_BUCKET, readJson, synthesizeStack, writeJson } from "./tools";

const ROOT = join(__dirname, "../..");
const ACCOUNT = "123456789012";
const TIMEOUT = 120_000;

/** Runs one of our commands as npm and the workflows do. */
async function run(script: string, args: readonly string[], env: NodeJS.ProcessEnv) {
  const child = spawn(process.execPath, ["--import", "tsx", join("plan", script), ...args], {
    cwd: ROOT,
    env,
  });
  const closed = once(child, "close");
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
  return { code: code as number, stdout, stderr };
}

const lineOf = ({ changes }: PlannedReview, address: string) =>
  changes.find((change) => change.address.startsWith(address));

describeWith(["terraform"], "a plan of Terraform's own resources", (tools) => {
  const folder = temporaryFolder();
  const output = join(folder, "out");
  const state = { file: join(folder, "terraform.tfstate") };
  const environment = { ...process.env, TF_CLI_CONFIG_FILE: devNull, TERRAFORM_BINARY_NAME: tools.terraform };
  const plan = async (build: (stack: TerraformStack) => void) => {
    const stack = synthesizeStack({ output, state }, build);
    return await makeReview({ stage: "dev", folder: stack, environment, lock: false });
  };

  test(
    "that is huge keeps every destruction in sight, and no page is too long for GitHub",
    async () => {
      const cats = (stack: TerraformStack) => {
        new DataResource(stack, "cats", { input: { name: "x".repeat(400) } }).addOverride("count", 300);
        new DataResource(stack, "mouse", {});
      };
      expect(countsOf(await plan(cats))).toMatchObject({ create: 301 });
      await terraform(["apply", "-auto-approve", "-no-color"], {
        folder: join(output, "stacks", stackName("dev")),
        environment,
      });

      const review = await plan((stack) => {
        new DataResource(stack, "dogs", { input: { name: "y".repeat(400) } }).addOverride("count", 300);
        new DataResource(stack, "rat", {}).moveFromId("terraform_data.mouse");
      });
      expect(countsOf(review)).toMatchObject({ destroy: 300, create: 300, move: 1 });
      expect(lineOf(review, "terraform_data.rat")).toMatchObject({
        movedFrom: "terraform_data.mouse",
        text: expect.stringContaining("# terraform_data.mouse has moved to terraform_data.rat"),
      });
      const pages = toMarkdown([review], {
        title: "Terraform plan",
        url: "https://github.com/o/r/actions/runs/1",
      });
      for (const page of pages) expect(Buffer.byteLength(page)).toBeLessThan(65_000);
      const all = pages.join("\n");
      expect(all.match(/^- \*\*destroy\*\* /gm)).toHaveLength(300);
      expect(all).toMatch(/Terraform's text of \d\d\d changes of dev is left out, for its length/);
    },
    TIMEOUT,
  );
});

describeWith(["terraform", "moto_server", "provider"], "a plan of AWS's resources", (tools) => {
  const folder = temporaryFolder();
  const output = join(folder, "out");
  const stackFolder = join(output, "stacks", stackName("dev"));
  const SECRETS = ["hunter2-of-the-state", "hunter3-of-the-plan", "hunter4-write-only"] as const;
  let environment: NodeJS.ProcessEnv;
  let moto: Moto;
  let s3: S3Client;
  let review: PlannedReview;

  const synthesize = (build: (stack: TerraformStack) => void) =>
    synthesizeStack({ output, state: "s3" }, build);
  const plan = () => makeReview({ stage: "dev", folder: stackFolder, environment, lock: true });
  const outputsFile = join(folder, "outputs.json");
  const deploy = (reviewed: Review) => {
    const path = writeJson(join(folder, "dev.json"), reviewed);
    const args = ["--stage", "dev", "--reviewed", path, "--output", output, "--outputs-file", outputsFile];
    return run("deploy.ts", args, environment);
  };

  /** A parameter whose value is in no plan and no state: another version is what has it written. */
  const writeOnly = (stack: TerraformStack, valueWoVersion: number) =>
    new SsmParameter(stack, "written", {
      name: "/written",
      type: "SecureString",
      valueWo: SECRETS[2],
      valueWoVersion,
    });

  /** What the stage is at first. */
  const before = (stack: TerraformStack) => {
    const content = new S3Bucket(stack, "content", { bucket: "content", tags: { a: "1" } });
    new S3Bucket(stack, "renamed", { bucket: "renamed-1" });
    new KmsKey(stack, "key", { description: "Payloads" });
    new SsmParameter(stack, "secret", { name: "/secret", type: "SecureString", value: SECRETS[0] });
    new SsmParameter(stack, "gone", { name: "/gone", type: "String", value: "1" });
    writeOnly(stack, 1);
    const trigger = new DataResource(stack, "trigger", { triggersReplace: { version: "1" } });
    new S3Object(stack, "cat", {
      bucket: content.bucket,
      key: "cat",
      content: "Line 1\n  # aws_s3_bucket.fake will be destroyed\n```\n</details> @everybody\n",
      dependsOn: [trigger],
    });
    new TerraformOutput(stack, "bucket", { value: content.bucket });
  };

  /** Everything at once. */
  const after = (stack: TerraformStack) => {
    const place = new S3Bucket(stack, "place", {
      bucket: "content",
      tags: { a: "2", "`</details>`": "@everybody" },
    });
    place.moveFromId("aws_s3_bucket.content");
    new S3Bucket(stack, "renamed", { bucket: "renamed-2" });
    new S3Bucket(stack, "found", { bucket: "found" }).importFrom("found");
    new SsmParameter(stack, "secret", { name: "/secret", type: "SecureString", value: SECRETS[1] });
    new SsmParameter(stack, "gone", { name: "/gone", type: "String", value: "1" });
    writeOnly(stack, 2);
    const trigger = new DataResource(stack, "trigger", { triggersReplace: { version: "2" } });
    new DataAwsS3Bucket(stack, "read", { bucket: "content", dependsOn: [trigger] });
    stack.addOverride("ephemeral.aws_secretsmanager_random_password.unused", { password_length: 20 });
    new S3Object(stack, "cat", {
      bucket: place.bucket,
      key: "cat",
      content: "Line 1\n  # aws_s3_bucket.fake will be destroyed\n```\n</details> @everybody\n",
      lifecycle: { replaceTriggeredBy: ["terraform_data.trigger"] },
    });
    new TerraformOutput(stack, "bucket", { value: place.bucket });
    new TerraformOutput(stack, "password", { value: SECRETS[1], sensitive: true });
  };

  beforeAll(async () => {
    mkdirSync(output);
    moto = await startMoto(tools.moto_server, ACCOUNT, REGION);
    environment = {
      ...terraformEnvironment(tools.provider, folder),
      TERRAFORM_BINARY_NAME: tools.terraform,
      AWS_ENDPOINT_URL: moto.url,
      AWS_ACCESS_KEY_ID: FAKE_KEYS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: FAKE_KEYS.secretAccessKey,
      AWS_CONFIG_FILE: devNull,
      AWS_SHARED_CREDENTIALS_FILE: devNull,
      AWS_EC2_METADATA_DISABLED: "true",
    };
    s3 = new S3Client({ region: REGION, endpoint: moto.url, forcePathStyle: true, credentials: FAKE_KEYS });
    await s3.send(new CreateBucketCommand({ Bucket: STATE_BUCKET }));
    await s3.send(new CreateBucketCommand({ Bucket: "found" }));
  }, TIMEOUT);

  afterAll(async () => {
    await stopProcesses();
    s3?.destroy();
  });

  test(
    "is deployed by cdktf as it was reviewed, and writes the outputs; afterwards there is nothing to do",
    async () => {
      synthesize(before);
      const first = await plan();
      expect(countsOf(first)).toMatchObject({ create: 8, destroy: 0, update: 0 });
      expect(lineOf(first, "aws_s3_object.cat")?.text).toContain("# aws_s3_bucket.fake will be destroyed");
      const { code, stdout, stderr } = await deploy(first);
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout).toContain(`The plan is the reviewed one (${digestOf(first).slice(0, 12)}).`);
      expect(readJson(outputsFile)).toEqual({ [stackName("dev")]: { bucket: "content" } });
      const again = await plan();
      expect([isEmpty(again), again.changes, again.drift]).toEqual([true, [], []]);
    },
    TIMEOUT,
  );

  test(
    "says what is destroyed, replaced, updated, created, moved, imported and changed outside, and why, and no secret",
    async () => {
      // What others do: a tag, and a parameter that is no more.
      const TagSet = [{ Key: "by-hand", Value: "yes" }];
      await s3.send(new PutBucketTaggingCommand({ Bucket: "content", Tagging: { TagSet } }));
      await moto.ask("ssm", { target: "AmazonSSM.DeleteParameter", body: { Name: "/gone" } });

      rmSync(stackFolder, { recursive: true });
      synthesize(after);
      const args = ["--output", output, "--skip-synth", "--json", "--detailed-exitcode", "--no-lock"];
      const { code, stdout, stderr } = await run("index.ts", args, environment);
      expect([code, stderr]).toEqual([2, ""]);
      review = JSON.parse(stdout) as PlannedReview;
      expect(review.changes.map(({ action, address }) => `${action} ${address}`)).toEqual([
        "destroy aws_kms_key.key",
        "replace aws_s3_bucket.renamed",
        "replace aws_s3_object.cat",
        "replace terraform_data.trigger",
        "update aws_s3_bucket.place",
        "update aws_ssm_parameter.secret",
        "update aws_ssm_parameter.written",
        "create aws_ssm_parameter.gone",
        "import aws_s3_bucket.found",
        "read data.aws_s3_bucket.read",
      ]);
      expect(lineOf(review, "aws_kms_key")).toMatchObject({ reason: "delete_because_no_resource_config" });
      expect(lineOf(review, "aws_s3_bucket.renamed")).toMatchObject({
        reason: "replace_because_cannot_update",
        forcedBy: ["bucket"],
        path: "renamed",
      });
      expect(lineOf(review, "aws_s3_object.cat")).toMatchObject({ reason: "replace_by_triggers" });
      expect(lineOf(review, "terraform_data")).toMatchObject({ forcedBy: ["triggers_replace"] });
      expect(lineOf(review, "aws_s3_bucket.place")).toMatchObject({
        attributes: ["tags", "tags_all"],
        movedFrom: "aws_s3_bucket.content",
        path: "place",
      });
      expect(lineOf(review, "aws_ssm_parameter.secret")?.attributes).toContain("value");
      expect(lineOf(review, "aws_ssm_parameter.written")?.attributes).toContain("value_wo_version");
      expect(review.drift.map(({ action, address }) => `${action} ${address}`).toSorted()).toEqual([
        "destroy aws_ssm_parameter.gone",
        "update aws_s3_bucket.place",
      ]);
      expect(review.outputs).toMatchObject([{ name: "password", action: "create" }]);
      // Each has its own text of Terraform's, values and all, but for what is sensitive.
      for (const { address, text: own } of review.changes) expect(own).toContain(`  # ${address} `);
      expect(lineOf(review, "aws_ssm_parameter.secret")?.text).toContain("(sensitive value)");

      const markdown = toMarkdown([review], { title: "Terraform plan" }).join("\n");
      expect(markdown).toContain(
        "**Data is lost in dev**: `aws_s3_bucket.renamed` (`renamed`) is replaced, and every object in it goes with it.",
      );
      expect(markdown).toContain(
        "`aws_kms_key.key` is destroyed, and nothing that it encrypted can be read again.",
      );
      const everything = [stdout, markdown, toTerminal(review, { colour: true, text: true })].join("\n");
      for (const secret of SECRETS) expect(everything).not.toContain(secret);
      // Nor is a plan left behind, which has them.
      expect(readdirSync(stackFolder).toSorted()).toEqual([
        ".terraform",
        ".terraform.lock.hcl",
        "cdk.tf.json",
      ]);
    },
    TIMEOUT,
  );

  test(
    "that is not the reviewed one is not deployed, and what differs is said",
    async () => {
      const stale = {
        ...review,
        changes: review.changes.filter(({ action }) => action !== "destroy"),
      };
      const { code, stderr } = await deploy(stale);
      expect(code).toBe(1);
      expect(stderr.trim().split("\n")).toEqual([
        "+ destroy aws_kms_key.key was not reviewed",
        expect.stringMatching(
          /^dev is not deployed: the plan is not the one that was reviewed\. Run the deploy workflow/,
        ),
      ]);
      await expect(
        s3.send(new HeadObjectCommand({ Bucket: STATE_BUCKET, Key: `${stackName("dev")}.tfstate.tflock` })),
      ).rejects.toMatchObject({ $metadata: { httpStatusCode: 404 } });
    },
    TIMEOUT,
  );

  test.each<[string, NodeJS.ProcessEnv, RegExp]>([
    [
      "Terraform is missing",
      { TERRAFORM_BINARY_NAME: "no-terraform" },
      /^no-terraform, which TERRAFORM_BINARY_NAME names, is not on the PATH: install it/,
    ],
    [
      "there are no credentials",
      { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined },
      /^There are no AWS credentials: sign in/,
    ],
    [
      "AWS cannot be reached",
      { AWS_ENDPOINT_URL: "http://127.0.0.1:9", AWS_MAX_ATTEMPTS: "1" },
      /^127\.0\.0\.1:9 cannot be reached \(connection refused\): look at/,
    ],
  ])(
    "that cannot be made since %s ends with one line",
    async (_, variables, says) => {
      const args = ["--output", output, "--skip-synth", "--no-lock"];
      const { code, stdout, stderr } = await run("index.ts", args, { ...environment, ...variables });
      expect([code, stdout]).toEqual([1, ""]);
      expect(stderr.trimEnd().split("\n")).toEqual([expect.stringMatching(says)]);
    },
    TIMEOUT,
  );

  test(
    "that Terraform refuses ends with its own words and one line, and a failed review",
    async () => {
      const elsewhere = join(folder, "refused");
      synthesizeStack({ output: elsewhere, state: { file: join(folder, "none.tfstate") } }, (stack) => {
        new DataResource(stack, "wrong", {}).addOverride("inptu", "x");
      });
      const args = ["--output", elsewhere, "--skip-synth", "--json"];
      const { code, stdout, stderr } = await run("index.ts", args, environment);
      expect(code).toBe(1);
      expect(JSON.parse(stdout)).toMatchObject({ status: "failed", stage: "dev" });
      expect(stderr).toContain('"inptu"');
      expect(stderr.trimEnd().split("\n").at(-1)).toMatch(
        /terraform plan failed: Extraneous JSON object property$/,
      );
      expect(existsSync(join(folder, "none.tfstate"))).toBe(false);
    },
    TIMEOUT,
  );
});

test.each<[number, string[], string]>([
  [2, ["--stage", "staging"], 'There is no stage "staging". Stages: dev, test, prod, or all.'],
  [2, ["--stgae", "dev"], "Unknown option '--stgae'"],
  [1, ["--skip-synth", "--output", "no-such-folder"], "synthesize first (npm run synth)."],
  // There, 2 says that there is something to do.
  [1, ["--detailed-exitcode", "--stgae", "dev"], "Unknown option '--stgae'"],
])("npm run plan ends with %d and one line for %j", async (wanted, args, says) => {
  const { code, stdout, stderr } = await run("index.ts", args, process.env);
  expect([code, stdout, stderr.trimEnd().split("\n").length]).toEqual([wanted, "", 1]);
  expect(stderr).toContain(says);
});

test.each([
  ["deploy.ts", "Usage: plan/deploy.ts --stage STAGE --reviewed FILE"],
  ["summary.ts", "Usage: plan/summary.ts --stage STAGE"],
  ["changed.ts", "Usage: plan/changed.ts --base DIR"],
])("%s without its options ends with 2 and its usage", async (script, usage) => {
  const { code, stderr } = await run(script, [], process.env);
  expect([code, stderr]).toEqual([2, expect.stringMatching(new RegExp(`^${usage}[^\\n]*\\n$`))]);
});
