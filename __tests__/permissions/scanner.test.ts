import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { App } from "cdktf";
import { BOOTSTRAP, BOOTSTRAP_STACK, createBootstrap } from "../../bootstrap";
import { STAGES, createApp } from "../../main";
import { stackName } from "../../stacks/stage";
import { InspectionStack } from "../stacks/inspection-stack";
import { KEYED, SWITCHED } from "../stacks/switched";
import { SynthesizedStack, temporaryFolder } from "../stacks/tools";
import { describeWith } from "../terraform/describe-with";
import { run } from "../terraform/processes";

interface Report {
  readonly results: { readonly failed_checks: readonly { readonly check_id: string }[] };
}

/** Of an API that OpenAPI defines, checkov sees no method. */
const UNSEEN = ["CKV_AWS_59"];

const outdir = temporaryFolder();

/** Synthesizes all that is shipped, and stages with every option. @returns each stack's folder and name */
function synthesize(): (readonly [outdir: string, name: string])[] {
  createApp(outdir).synth();
  const bootstrap = join(outdir, "bootstrap");
  createBootstrap({ ...BOOTSTRAP, github: { repository: "alice/shop" } }, bootstrap).synth();
  const switched = new App({ outdir: join(outdir, "switched") });
  for (const config of [SWITCHED, KEYED]) new InspectionStack(switched, config.stage, config, 10);
  switched.synth();
  return [
    ...STAGES.map(({ stage }) => [outdir, stackName(stage)] as const),
    ...[SWITCHED, KEYED].map(({ stage }) => [switched.outdir, stage] as const),
    [bootstrap, BOOTSTRAP_STACK],
  ];
}

describeWith(["checkov"], "What checkov reports", ({ checkov }) => {
  test("is in SECURITY.md, each check by its id, and nothing else is", async () => {
    const folder = join(outdir, "scanned");
    for (const [from, name] of synthesize()) {
      // checkov cannot read cdktf's required_version.
      const {
        terraform: _,
        output: __,
        ...rest
      } = JSON.parse(new SynthesizedStack(from, name).json) as {
        readonly terraform: object;
        readonly output: object;
      };
      mkdirSync(join(folder, name), { recursive: true });
      writeFileSync(join(folder, name, "cdk.tf.json"), JSON.stringify(rest));
    }
    const args = ["--directory", folder, "--framework", "terraform_json", "--output", "json"];
    const quiet = ["--quiet", "--compact", "--soft-fail", "--skip-download"];
    const output = await run(checkov, [...args, ...quiet], { environment: process.env });
    const { failed_checks } = (JSON.parse(output) as Report).results;
    const security = readFileSync(join(__dirname, "../../SECURITY.md"), "utf8");
    const documented = security.match(/CKV2?_AWS_\d+/g) ?? [];
    expect(documented.toSorted()).toEqual(
      [...new Set(failed_checks.map(({ check_id }) => check_id)), ...UNSEEN].toSorted(),
    );
  }, 180_000);
});
