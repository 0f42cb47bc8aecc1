import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { App } from "cdktf";
import { createFolderSync } from "../../common/create-folder";
import { CREDENTIALS, start } from "../../local/chain";
import { ProducerConsumerStack } from "../../stacks/producer-consumer-stack";
import { type StageConfig, stackName } from "../../stacks/stage";
import { clear } from "./clients";
import type { Endpoints } from "./contender";

const STAGE: StageConfig = {
  stage: "bench",
  accountId: "123456789012",
  region: "eu-central-1",
  consumerAuthorization: "NONE",
  // What an account has: a stage's own limits are there to slow callers down.
  throttlingRateLimit: 10_000,
  throttlingBurstLimit: 5000,
};

/**
 * Runs in a process of its own: the local chain of a stage that is the bench's, until its stdin ends.
 *
 * @param folder temporary: removed at the end, with all that others have put there
 */
async function main(folder: string): Promise<void> {
  createFolderSync(folder);
  const app = new App({ outdir: join(folder, "cdktf.out") });
  const stack = new ProducerConsumerStack(app, stackName(STAGE.stage), STAGE);
  app.synth();
  const chain = await start({
    stack: join(app.outdir, "stacks", stack.node.id),
    dataDirectory: join(folder, "data"),
  });
  const { apiUrl, queueUrl, bucketName, s3Endpoint } = chain;
  const endpoints: Endpoints = {
    apiUrl,
    queueUrl,
    bucketName,
    s3Endpoint,
    sqsEndpoint: chain.sqsEndpoint,
    region: STAGE.region,
    credentials: CREDENTIALS,
  };
  // Of S3's own test message.
  await clear(endpoints);
  console.log(JSON.stringify(endpoints));
  // Ctrl-C is for all processes of a terminal: this one ends with the bench, and leaves none of its gigabytes.
  process.on("SIGINT", () => undefined);
  await once(process.stdin.resume(), "end");
  await chain.stop();
  rmSync(folder, { recursive: true, force: true });
}

void main(process.argv[2] ?? "");
