import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BOOTSTRAP } from "../../bootstrap";
import { STAGES, createApp } from "../../main";
import type { BootstrapConfig } from "../../stacks/bootstrap-config";
import { ProducerConsumerStack } from "../../stacks/producer-consumer-stack";
import { stackName } from "../../stacks/stage";
import { StateStack } from "../../stacks/state-stack";
import { KEYED, SWITCHED } from "../stacks/switched";
import { describeWith } from "./describe-with";
import { run, stopProcesses } from "./processes";
import { terraformEnvironment } from "./tools";

/** All switches, in stages of those that go together. */
const SWITCHES = [SWITCHED, KEYED];

const github = { repository: "alice/shop", ownerId: "123456", repositoryId: "456789" };
/** What is made before any stage, with roles for a repository and with what the account may have already. */
const BOOTSTRAPS: Readonly<Record<string, Partial<BootstrapConfig>>> = {
  bootstrap: { github },
  "bootstrap-beside-others": { github: { ...github, oidcProviderExists: true }, apiGatewayAccount: false },
};

const STACKS = [
  ...STAGES.map(({ stage }) => stackName(stage)),
  ...SWITCHES.map(({ stage }) => stage),
  ...Object.keys(BOOTSTRAPS),
];

/** The stages differ by values alone: one stands for them. */
const IN_HCL = STACKS.slice(STAGES.length - 1);

/** @param hcl whether as `cdktf synth --hcl` does it, which says so by a variable */
function synthesize(outdir: string, hcl: boolean): void {
  if (hcl) process.env["SYNTH_HCL_OUTPUT"] = "true";
  try {
    const app = createApp(outdir);
    for (const config of SWITCHES) new ProducerConsumerStack(app, config.stage, config);
    for (const [name, config] of Object.entries(BOOTSTRAPS))
      new StateStack(app, name, { ...BOOTSTRAP, ...config });
    app.synth();
  } finally {
    delete process.env["SYNTH_HCL_OUTPUT"];
  }
}

interface Verdict {
  readonly valid: boolean;
  readonly diagnostics: readonly { readonly severity: string; readonly summary: string }[];
}

describeWith(["terraform", "provider"], "Terraform and the AWS provider", ({ terraform, provider }) => {
  let folder: string;
  let environment: Record<string, string | undefined>;
  /** Where the provider was installed, once for all stacks. */
  let first: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "tweedle-validate-"));
    synthesize(join(folder, "json"), false);
    synthesize(join(folder, "hcl"), true);
    first = join(folder, "json/stacks", STACKS[0] ?? "");
    environment = { ...terraformEnvironment(provider, folder), TF_DATA_DIR: join(folder, "terraform") };
    await run(terraform, ["init", "-backend=false", "-input=false", "-no-color"], {
      cwd: first,
      environment,
    });
    // Long enough to get the provider from the registry.
  }, 300_000);

  afterAll(async () => {
    await stopProcesses();
    rmSync(folder, { recursive: true, force: true });
  });

  async function validate(language: "json" | "hcl", stack: string): Promise<Verdict> {
    const cwd = join(folder, language, "stacks", stack);
    const lock = ".terraform.lock.hcl";
    if (cwd !== first) copyFileSync(join(first, lock), join(cwd, lock));
    return JSON.parse(await run(terraform, ["validate", "-json"], { cwd, environment })) as Verdict;
  }

  test.each(STACKS)("find nothing to complain of in %s", async (stack) => {
    expect(await validate("json", stack)).toMatchObject({ valid: true, diagnostics: [] });
  });

  test.each(IN_HCL)(
    "take %s in HCL, too, and mind only cdktf's way to write what depends on what",
    async (stack) => {
      expect(existsSync(join(folder, "hcl/stacks", stack, "cdk.tf"))).toBe(true);
      const { valid, diagnostics } = await validate("hcl", stack);
      expect(valid).toBe(true);
      expect(new Set(diagnostics.map(({ severity, summary }) => `${severity}: ${summary}`))).toEqual(
        new Set(["warning: Quoted references are deprecated"]),
      );
    },
  );
});
