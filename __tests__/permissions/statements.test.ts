import { join } from "node:path";
import { App } from "cdktf";
import { STAGES, createApp } from "../../main";
import { ProducerConsumerStack } from "../../stacks/producer-consumer-stack";
import { stackName } from "../../stacks/stage";
import { KEYED, SWITCHED } from "../stacks/switched";
import { SynthesizedStack, temporaryFolder } from "../stacks/tools";
import { faultsOfPolicy } from "./statements";

/* (What hangs on the stacks' own resources is judged by the rule policy-effective.) */

const outdir = temporaryFolder();
createApp(outdir).synth();
const switched = new App({ outdir: join(outdir, "switched") });
for (const config of [SWITCHED, KEYED]) new ProducerConsumerStack(switched, config.stage, config);
switched.synth();

describe.each([
  ...STAGES.map((config) => [config.stage, outdir, stackName(config.stage), config] as const),
  ...[SWITCHED, KEYED].map((config) => [config.stage, switched.outdir, config.stage, config] as const),
])("The policies that %s hands out", (_, folder, name, { accountId, producerAuthorization }) => {
  const stack = new SynthesizedStack(folder, name);
  const policies = Object.entries(stack.outputs).filter(([output]) => output.endsWith("_policy_json"));

  it("are those of its callers", () => {
    expect(policies.map(([output]) => output)).toEqual([
      "consumer_policy_json",
      "operator_policy_json",
      ...(producerAuthorization === "AWS_IAM" ? ["producer_policy_json"] : []),
    ]);
  });

  it.each(policies)("%s: every statement is one that AWS applies", (_output, policy) => {
    expect(faultsOfPolicy(policy, stack, accountId)).toEqual([]);
  });
});
