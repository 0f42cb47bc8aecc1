import { parseArgs } from "node:util";
import { STAGES } from "../main";
import type { StageConfig } from "../stacks/stage";
import { runCommand } from "./command";
import { PlanError } from "./terraform";

/** AWS's own example. Nobody deploys there, so a stage that has it has not been set up. */
const EXAMPLE_ACCOUNT = "123456789012";

export const readyStages = (stages: readonly StageConfig[]): StageConfig[] =>
  stages.filter(({ accountId }) => accountId !== EXAMPLE_ACCOUNT);

const placeOf = ({ stage, accountId, region }: StageConfig) => ({ stage, account: accountId, region });

/** A line for $GITHUB_OUTPUT: the stages of a workflow's matrix. */
export const matrixOf = (stages: readonly StageConfig[]): string =>
  `stages=${JSON.stringify(stages.map(placeOf))}`;

/** Lines for $GITHUB_OUTPUT: where a stage is. */
export function outputsOf(stages: readonly StageConfig[], stage: string): string {
  const config = stages.find((one) => one.stage === stage);
  if (config === undefined) {
    throw new PlanError(`There is no stage "${stage}" with an account of yours in main.ts.`);
  }
  return Object.entries(placeOf(config))
    .map(([name, value]) => `${name}=${value}`)
    .join("\n");
}

if (require.main === module) {
  void runCommand(() => {
    const { values } = parseArgs({ options: { stage: { type: "string" } } });
    const ready = readyStages(STAGES);
    console.log(values.stage === undefined ? matrixOf(ready) : outputsOf(ready, values.stage));
  });
}
