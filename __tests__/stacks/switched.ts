import type { StageConfig } from "../../stacks/stage";
import { SIGNING } from "./inspection-stack";

/** A stage with every switch on that may be on together. */
export const SWITCHED: StageConfig = {
  ...SIGNING,
  stage: "switched",
  producerAuthorization: "AWS_IAM",
  wafRateLimit: 1000,
  customerManagedKey: true,
  denyOverwrites: true,
  eventBridge: true,
  permissionsBoundary: `arn:aws:iam::${SIGNING.accountId}:policy/boundary`,
  reservedConcurrentExecutions: 1,
  sourceIps: ["203.0.113.0/24"],
  sourceVpces: ["vpce-1a2b3c4d"],
  apiLogs: true,
  alarmTopic: true,
  alarmEmail: "alice@example.com",
};

/** And one with what cannot be on together with that. */
const { producerAuthorization: _, ...WITHOUT_SIGNATURES } = SWITCHED;
export const KEYED: StageConfig = {
  ...WITHOUT_SIGNATURES,
  stage: "keyed",
  producerApiKeys: ["shop", "mail"],
};
