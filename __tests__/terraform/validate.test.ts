import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { STAGES, createApp } from "../../main";
import { describeWith } from "./describe-with";
import { run, stopProcesses } from "./processes";
import { terraformEnvironment } from "./tools";

describeWith(["terraform", "provider"], "Terraform and the AWS provider", ({ terraform, provider }) => {
  let folder: string;
  let environment: Record<string, string | undefined>;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "tweedle-validate-"));
    environment = terraformEnvironment(provider, folder);
    createApp(folder).synth();
  });

  afterAll(async () => {
    await stopProcesses();
    rmSync(folder, { recursive: true, force: true });
  });

  test.each(STAGES.map(({ stage }) => stage))(
    "find nothing to complain of in %s",
    async (stage) => {
      const options = { cwd: join(folder, "stacks", `producer-consumer-${stage}`), environment };
      await run(terraform, ["init", "-backend=false", "-input=false", "-no-color"], options);
      const verdict: unknown = JSON.parse(await run(terraform, ["validate", "-json"], options));
      expect(verdict).toMatchObject({ valid: true, error_count: 0, warning_count: 0, diagnostics: [] });
    },
    // Long enough to get the provider from the registry.
    300_000,
  );
});
