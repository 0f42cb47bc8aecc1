import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { STAGES, createApp } from "../../main";
import { ProducerConsumerStack } from "../../stacks/producer-consumer-stack";
import { type StageConfig, stackName } from "../../stacks/stage";
import { describeWith } from "./describe-with";
import { run, stopProcesses } from "./processes";
import { terraformEnvironment } from "./tools";

/** All switches, in stacks of those that go together. */
const SWITCHED: Readonly<Record<string, Partial<StageConfig>>> = {
  "all-switches": {
    producerApiKeys: ["shop"],
    wafRateLimit: 1000,
    apiLogs: true,
    customerManagedKey: true,
    denyOverwrites: true,
    sourceIps: ["203.0.113.0/24"],
    sourceVpces: ["vpce-1a2b3c4d"],
    eventBridge: true,
    permissionsBoundary: "arn:aws:iam::aws:policy/PowerUserAccess",
    reservedConcurrentExecutions: 1,
    alarmTopic: true,
    alarmEmail: "alice@example.com",
  },
  "signing-producers": { producerAuthorization: "AWS_IAM", consumerAuthorization: "AWS_IAM" },
};

describeWith(["terraform", "provider"], "Terraform and the AWS provider", ({ terraform, provider }) => {
  let folder: string;
  let environment: Record<string, string | undefined>;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "tweedle-validate-"));
    environment = terraformEnvironment(provider, folder);
    const app = createApp(folder);
    for (const [name, switches] of Object.entries(SWITCHED)) {
      new ProducerConsumerStack(app, name, { ...(STAGES[0] as StageConfig), ...switches });
    }
    app.synth();
  });

  afterAll(async () => {
    await stopProcesses();
    rmSync(folder, { recursive: true, force: true });
  });

  test.each([...STAGES.map(({ stage }) => stackName(stage)), ...Object.keys(SWITCHED)])(
    "find nothing to complain of in %s",
    async (stack) => {
      const options = { cwd: join(folder, "stacks", stack), environment };
      await run(terraform, ["init", "-backend=false", "-input=false", "-no-color"], options);
      const verdict: unknown = JSON.parse(await run(terraform, ["validate", "-json"], options));
      expect(verdict).toMatchObject({ valid: true, error_count: 0, warning_count: 0, diagnostics: [] });
    },
    // Long enough to get the provider from the registry.
    300_000,
  );
});
