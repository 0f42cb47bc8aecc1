import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AwsProvider } from "@cdktf/provider-aws/lib/provider";
import { App, LocalBackend, S3Backend, TerraformStack } from "cdktf";
import type { Change, PlannedReview } from "../../plan/review";
import { stackName } from "../../stacks/stage";

export const REGION = "eu-central-1";
export const STATE_BUCKET = "state";

export interface StackOptions {
  /** Where to synthesize to. */
  readonly output: string;
  readonly stage?: string;
  /** Where the state is: in moto's S3, with AWS's provider, or in a file, with Terraform's own resources alone. */
  readonly state: "s3" | { readonly file: string };
}

/** Synthesizes a small stack under a stage's name, as cdktf does, with what only an emulator needs. */
export function synthesizeStack(
  { output, stage = "dev", state }: StackOptions,
  build: (stack: TerraformStack) => void,
): string {
  const app = new App({ outdir: output });
  const stack = new TerraformStack(app, stackName(stage));
  const emulator = { skipCredentialsValidation: true, skipMetadataApiCheck: "true" };
  if (state === "s3") {
    new S3Backend(stack, {
      bucket: STATE_BUCKET,
      key: `${stackName(stage)}.tfstate`,
      region: REGION,
      usePathStyle: true,
      maxRetries: 1,
      skipCredentialsValidation: true,
      skipMetadataApiCheck: true,
      skipRequestingAccountId: true,
    }).addOverride("use_lockfile", true);
    new AwsProvider(stack, "aws", { region: REGION, s3UsePathStyle: true, maxRetries: 2, ...emulator });
    stack.addOverride("terraform.required_providers.aws.version", ">= 5.100.0, < 7.0.0");
  } else new LocalBackend(stack, { path: state.file });
  build(stack);
  mkdirSync(output, { recursive: true });
  app.synth();
  return join(output, "stacks", stackName(stage));
}

/** A change with nothing remarkable about it, but for what is given. */
export const change = (given: Partial<Change> = {}): Change => ({
  address: "aws_s3_object.cat",
  type: "aws_s3_object",
  action: "update",
  forcedBy: [],
  attributes: [],
  digest: "",
  text: "",
  ...given,
});

export const planned = (given: Partial<PlannedReview> = {}): PlannedReview => ({
  status: "planned",
  stage: "dev",
  changes: [],
  drift: [],
  outputs: [],
  outputsText: "",
  warnings: [],
  ...given,
});

export const readJson = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"));

export function writeJson(path: string, value: unknown): string {
  writeFileSync(path, JSON.stringify(value));
  return path;
}
