import { App } from "cdktf";
import type { Place } from "./stacks/arns";
import { ProducerConsumerStack } from "./stacks/producer-consumer-stack";
import { reportStages, runApp } from "./stacks/report";
import { boundaryArn } from "./stacks/rights";
import { type StageConfig, stackName, validateStages } from "./stacks/stage";

const ACCOUNT_ID = "123456789012"; // Yours: 12 digits. The provider refuses to touch any other account.
const REGION = "eu-central-1";
const GB = 1000 ** 3;

/** Where the stages live, and what `npm run bootstrap` makes for them. */
export const PLACE: Place = { accountId: ACCOUNT_ID, region: REGION };

/** What is deployed: one stack a stage, producer-consumer-<stage>. */
export const STAGES: readonly StageConfig[] = [
  {
    ...PLACE,
    stage: "dev",
    permissionsBoundary: boundaryArn(PLACE, "dev"),
    consumerAuthorization: "NONE",
    throttlingRateLimit: 50,
    throttlingBurstLimit: 100,
    forceDestroy: true,
  },
  {
    ...PLACE,
    stage: "test",
    permissionsBoundary: boundaryArn(PLACE, "test"),
    consumerAuthorization: "AWS_IAM",
    maxObjectBytes: 100 * GB,
    throttlingRateLimit: 50,
    throttlingBurstLimit: 100,
    apiLogs: true,
  },
  {
    ...PLACE,
    stage: "prod",
    permissionsBoundary: boundaryArn(PLACE, "prod"),
    consumerAuthorization: "AWS_IAM",
    maxObjectBytes: 100 * GB,
    throttlingRateLimit: 500,
    throttlingBurstLimit: 1000,
    reservedConcurrentExecutions: 100,
    apiLogs: true,
    alarmTopic: true,
  },
];

/** Nothing is synthesized by importing this file: the local chain and the tests make an app of their own. */
export function createApp(outdir?: string): App {
  validateStages(STAGES);
  const app = new App(outdir === undefined ? {} : { outdir });
  for (const config of STAGES) new ProducerConsumerStack(app, stackName(config.stage), config);
  return app;
}

if (require.main === module) {
  runApp(createApp);
  reportStages(STAGES);
}
