import type { Construct } from "constructs";
import { bundle } from "../../stacks/constructs/bundle";
import { BundledFunction } from "../../stacks/constructs/bundled-function";
import { ProducerConsumerStack } from "../../stacks/producer-consumer-stack";
import type { StageConfig } from "../../stacks/stage";

/** The consumer's code. */
export const code = bundle("__tests__/stacks/inspect.ts");

/** A third stack, as somebody might write it who has a stage of Tweedle and wants a consumer in it. */
export class InspectionStack extends ProducerConsumerStack {
  constructor(scope: Construct, id: string, config: StageConfig, timeoutSeconds: number) {
    super(scope, id, config);
    const inspector = new BundledFunction(this, "inspector", {
      functionName: this.name("inspector"),
      place: this.place,
      bundle: code,
      environment: { API_URL: this.api.url, BUCKET_NAME: this.bucket.bucketName },
      timeoutSeconds,
    });
    if (config.consumerAuthorization === "AWS_IAM") {
      inspector.grant("ask-for-urls", [this.api.invokeStatement(["consumer"])]);
    }
    this.queue.addConsumer(inspector);
  }
}

export const OPEN: StageConfig = {
  stage: "open",
  accountId: "123456789012",
  region: "eu-central-1",
  consumerAuthorization: "NONE",
  throttlingRateLimit: 50,
  throttlingBurstLimit: 100,
};
/** The same, with consumers who sign. */
export const SIGNING: StageConfig = { ...OPEN, stage: "signing", consumerAuthorization: "AWS_IAM" };
