import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { App } from "cdktf";
import { buildCommand } from "../../client/build";
import { CREDENTIALS, type Chain, start } from "../../local/chain";
import { ProducerConsumerStack } from "../../stacks/producer-consumer-stack";
import { OPEN } from "../stacks/inspection-stack";
import { temporaryFolder } from "../local/tools";
import { linesOf, run } from "./tools";

/** A stage whose producers and consumers sign. */
const folder = temporaryFolder();
const bin = join(folder, "tweedle.js");
const runs = join(folder, "runs");
let chain: Chain;

beforeAll(async () => {
  buildCommand(bin);
  const app = new App({ outdir: join(folder, "out") });
  const signed = { producerAuthorization: "AWS_IAM", consumerAuthorization: "AWS_IAM" } as const;
  new ProducerConsumerStack(app, "signed", { ...OPEN, ...signed });
  app.synth();
  chain = await start({ stack: join(folder, "out/stacks/signed") });
  const { accessKeyId, secretAccessKey } = CREDENTIALS;
  const answer = { Version: 1, AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey };
  writeFileSync(join(folder, "answer.json"), JSON.stringify(answer));
  writeFileSync(join(folder, "look-up"), `#!/bin/sh\necho run >> ${runs}\ncat ${folder}/answer.json\n`, {
    mode: 0o755,
  });
  writeFileSync(
    join(folder, "config"),
    `[profile looked-up]\ncredential_process = ${folder}/look-up\nregion = ${chain.stack.region}\n`,
  );
}, 60_000);
afterAll(() => chain.stop());
beforeEach(() => rmSync(runs, { force: true }));

const tweedle = (args: readonly string[], env: Record<string, string | undefined> = {}) =>
  run(process.execPath, [bin, ...args], {
    cwd: folder,
    env: {
      AWS_ACCESS_KEY_ID: undefined,
      AWS_SECRET_ACCESS_KEY: undefined,
      AWS_REGION: undefined,
      AWS_PROFILE: "looked-up",
      AWS_CONFIG_FILE: join(folder, "config"),
      AWS_SHARED_CREDENTIALS_FILE: join(folder, "none"),
      AWS_EC2_METADATA_DISABLED: "true",
      AWS_ENDPOINT_URL_S3: chain.s3Endpoint,
      TWEEDLE_API_URL: chain.apiUrl,
      TWEEDLE_QUEUE_URL: chain.queueUrl,
      TWEEDLE_DEAD_LETTER_QUEUE_URL: chain.deadLetterQueueUrl,
      TWEEDLE_BUCKET_NAME: chain.bucketName,
      ...env,
    },
  }).ended;
const timesRun = () => readFileSync(runs, "utf8").trim().split("\n").length;

test("credential_process runs once for 50 files, once for a consumer of them, and its profile's region is taken", async () => {
  const files = join(folder, "files");
  mkdirSync(files);
  for (let index = 0; index < 50; index += 1) writeFileSync(join(files, `${index}.txt`), String(index));
  const sent = await tweedle(["produce", "-r", files, "--json", "--inline-threshold", "1"]);
  expect([sent.code, sent.stderr, sent.stdout.trim().split("\n").length]).toEqual([0, "", 50]);
  expect(timesRun()).toBe(1);

  rmSync(runs);
  const received = await tweedle(["consume", "--out", "received", "--max", "50", "--json"]);
  expect([received.code, received.stdout.match(/"handled"/g)?.length]).toEqual([0, 50]);
  expect(timesRun()).toBe(1);
});

test("credential_process runs once for a command that asks S3 and SQS", async () => {
  await tweedle(["produce", "config", "--inline-threshold", "0"]);
  rmSync(runs);
  const left = await tweedle(["reconcile", "--older-than", "0", "--announce"]);
  expect([left.code, left.stderr, timesRun()]).toEqual([0, "", 1]);
});

/** NODE_OPTIONS of a process whose clock is an hour ahead. */
const AHEAD = `--import=data:text/javascript,${encodeURIComponent(`
  const { now } = Date;
  globalThis.Date = class extends Date {
    constructor(...parts) { parts.length === 0 ? super(now() + 3_600_000) : super(...parts); }
    static now() { return now() + 3_600_000; }
  };
`)}`;

test("a machine whose clock is an hour ahead sends and receives, and no receive is used up", async () => {
  const env = { NODE_OPTIONS: AHEAD };
  const sent = await tweedle(["produce", "answer.json", "--inline-threshold", "0"], env);
  expect([sent.code, sent.stderr]).toEqual([0, ""]);
  const received = await tweedle(["consume", "--out", "received", "--max", "1", "--json"], env);
  const handled = linesOf(received.stdout).filter(({ event }) => event === "handled");
  expect([received.code, handled.map(({ receive_count }) => receive_count)]).toEqual([0, [1]]);
});

test("what is missing is told in a sentence", async () => {
  const noCredentials = await tweedle(["produce", "config"], {
    AWS_PROFILE: undefined,
    AWS_REGION: "eu-central-1",
  });
  expect([noCredentials.code, noCredentials.stderr]).toEqual([
    1,
    expect.stringMatching(/^config: There are no AWS credentials: sign in .+\.\n$/),
  ]);
  const noRegion = await tweedle(["produce", "config"], {
    AWS_PROFILE: undefined,
    AWS_ACCESS_KEY_ID: "a",
    AWS_SECRET_ACCESS_KEY: "b",
  });
  expect([noRegion.code, noRegion.stderr]).toEqual([
    1,
    expect.stringMatching(/^config: The region is missing: set AWS_REGION, .+\.\n$/),
  ]);
});
