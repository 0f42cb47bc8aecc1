import { join } from "node:path";
import { GetQueueAttributesCommand, SQSClient, SendMessageCommand } from "@aws-sdk/client-sqs";
import { App } from "cdktf";
import { buildCommand } from "../../client/build";
import { CREDENTIALS, type Chain, start } from "../../local/chain";
import type { Policy } from "../../local/iam";
import { LOCAL_API_ID, resolver } from "../../local/stack/references";
import { bucketArn, executeApiArn, queueArn } from "../../stacks/arns";
import { ProducerConsumerStack } from "../../stacks/producer-consumer-stack";
import type { StageConfig } from "../../stacks/stage";
import { run } from "../command/tools";
import { SIGNING } from "../stacks/inspection-stack";
import { SynthesizedStack, temporaryFolder } from "../stacks/tools";
import { type IamRequest, isAuthorized } from "./judge";
import { type Incoming, startJudgingProxy } from "./judging-proxy";

/*
 * The commands run with the policies that a stage hands out for them, behind a judge that refuses each request as AWS would by
 * its Service Authorization Reference.
 */

/** Producers and consumers sign, so that all three policies say something of the API. */
const STAGE: StageConfig = { ...SIGNING, producerAuthorization: "AWS_IAM" };
const PLACE = { accountId: STAGE.accountId, region: STAGE.region };
const STACK = "signing";

const folder = temporaryFolder();
const bin = join(folder, "tweedle.js");
const app = new App({ outdir: folder });
new ProducerConsumerStack(app, STACK, STAGE);
app.synth();
const stack = new SynthesizedStack(folder, STACK);
const resources = stack.resources.map(({ attributes, ...rest }) => ({ ...rest, settings: attributes }));
const resolve = resolver(resources, PLACE);

/** An SQS request. SQS authorises a batch as what it is a batch of. */
function ofSqs({ headers, body }: Incoming): IamRequest[] {
  const [, operation = ""] = /^AmazonSQS\.(\w+?)(?:Batch)?$/.exec(String(headers["x-amz-target"])) ?? [];
  const { QueueUrl, SourceArn, DestinationArn } = JSON.parse(body) as Readonly<
    Record<string, string | undefined>
  >;
  const resource = SourceArn ?? queueArn(PLACE, QueueUrl?.split("/").at(-1) ?? "");
  const requests = [{ action: `sqs:${operation}`, resource, context: {} }];
  if (operation !== "StartMessageMoveTask") return requests;
  // https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html
  const moved = ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes"].map((name) => ({
    action: `sqs:${name}`,
    resource,
    context: {},
  }));
  return [...requests, ...moved, { action: "sqs:SendMessage", resource: DestinationArn ?? "", context: {} }];
}

/** The commands ask S3 itself for lists alone. */
function ofS3({ method, url }: Incoming): IamRequest[] {
  const isList = method === "GET" && url.searchParams.get("list-type") === "2";
  const context = { "s3:prefix": url.searchParams.get("prefix") ?? "" };
  const resource = bucketArn(url.pathname.split("/")[1] ?? "");
  return [{ action: isList ? "s3:ListBucket" : "s3:GetObject", resource, context }];
}

/** A request to the API, which is authorised where it is signed: /signing/putObject. */
function ofApi({ method, url, headers }: Incoming): IamRequest[] {
  if (headers.authorization === undefined) return [];
  const [, stage, ...path] = url.pathname.split("/");
  const resource = executeApiArn(PLACE, LOCAL_API_ID, `${stage}/${method}/${path.join("/")}`);
  return [{ action: "execute-api:Invoke", resource, context: {} }];
}

let chain: Chain;
let sqs: SQSClient;
let env: Record<string, string>;
let proxies: Awaited<ReturnType<typeof startJudgingProxy>>[];
let policy: Policy;
let asked: IamRequest[] = [];

const isRefused = (request: IamRequest) => !isAuthorized([policy], request, PLACE.accountId);

beforeAll(async () => {
  buildCommand(bin);
  chain = await start({ stack: join(folder, "stacks", STACK) });
  sqs = new SQSClient({ endpoint: chain.sqsEndpoint, region: PLACE.region, credentials: CREDENTIALS });
  const judging = (upstream: string, translate: (incoming: Incoming) => IamRequest[]) =>
    startJudgingProxy(upstream, (incoming) => {
      const requests = translate(incoming);
      asked.push(...requests);
      return !requests.some(isRefused);
    });
  const [queues, objects, api] = await Promise.all([
    judging(chain.sqsEndpoint, ofSqs),
    judging(chain.s3Endpoint, ofS3),
    judging(new URL(chain.apiUrl).origin, ofApi),
  ]);
  proxies = [queues, objects, api];
  env = {
    TWEEDLE_API_URL: api.through(chain.apiUrl),
    TWEEDLE_QUEUE_URL: queues.through(chain.queueUrl),
    TWEEDLE_DEAD_LETTER_QUEUE_URL: queues.through(chain.deadLetterQueueUrl),
    TWEEDLE_BUCKET_NAME: chain.bucketName,
    AWS_ENDPOINT_URL_S3: objects.through(chain.s3Endpoint),
    AWS_REGION: PLACE.region,
    AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
    XDG_STATE_HOME: join(folder, "state"),
  };
});

afterAll(async () => {
  for (const proxy of proxies) await proxy.stop();
  sqs.destroy();
  await chain.stop();
});

/** The actions that were asked for by each policy, by the output that it is. */
const used: Record<string, Set<string>> = {};
const policyOf = (output: string) => JSON.parse(String(resolve(stack.outputs[output]))) as Policy;

/** Runs the command by a policy of the stage, and expects that nothing is refused. */
async function tweedle(output: string, args: readonly string[], exitCode = 0): Promise<string> {
  policy = policyOf(output);
  asked = [];
  const { code, stdout } = await run(process.execPath, [bin, ...args], { env, cwd: folder }).ended;
  expect([asked.filter(isRefused), code]).toEqual([[], exitCode]);
  for (const { action } of asked) (used[output] ??= new Set()).add(action);
  return stdout;
}
const producer = (...args: string[]) => tweedle("producer_policy_json", ["produce", ...args]);
const operator = (...args: string[]) => tweedle("operator_policy_json", args);

/** Makes a dead letter of a payload in the bucket. @returns its message's id */
async function deadLetter(): Promise<string> {
  const produced = await producer(bin, "--name", "a.bin", "--inline-threshold", "0", "--json");
  const { key } = JSON.parse(produced) as { readonly key: string };
  const record = {
    eventName: "ObjectCreated:Put",
    s3: { bucket: { name: chain.bucketName }, object: { key: encodeURIComponent(key) } },
  };
  const { MessageId = "" } = await sqs.send(
    new SendMessageCommand({
      QueueUrl: chain.deadLetterQueueUrl,
      MessageBody: JSON.stringify({ Records: [record] }),
    }),
  );
  return MessageId;
}

async function count(QueueUrl: string): Promise<number> {
  const { Attributes = {} } = await sqs.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["ApproximateNumberOfMessages"] }),
  );
  return Number(Attributes["ApproximateNumberOfMessages"]);
}

test("a producer may put payloads, in the queue and in the bucket, in parts and not", async () => {
  await producer(join(folder, "manifest.json"));
  await producer(bin, "--inline-threshold", "0");
  await producer(bin, "--inline-threshold", "0", "--multipart-threshold", "0");
  expect(used["producer_policy_json"]).toEqual(new Set(["execute-api:Invoke"]));
});

test("a consumer may have one that fails wait, and fetch and delete them", async () => {
  const failing = ["consume", "--exec", "false", "--retry-delay", "0s", "--max", "1"];
  await tweedle("consumer_policy_json", failing, 1);
  const fetching = ["consume", "--out", join(folder, "received"), "--max", "3"];
  await tweedle("consumer_policy_json", fetching);
  expect(await count(chain.queueUrl)).toBe(0);
});

test("an operator may look at dead letters, which are there for others at once", async () => {
  const id = await deadLetter();
  expect(await operator("dlq", "list")).toContain("a.bin");
  expect(await count(chain.deadLetterQueueUrl)).toBe(1);
  expect(await operator("dlq", "show", id)).toContain(id);
  expect(await count(chain.deadLetterQueueUrl)).toBe(1);
});

test("an operator may send one back, and all", async () => {
  const id = await deadLetter();
  await operator("dlq", "redrive", id);
  expect(await count(chain.deadLetterQueueUrl)).toBe(1);
  await operator("dlq", "redrive", "--all");
  expect(await count(chain.deadLetterQueueUrl)).toBe(0);
});

test("an operator may drop one with its payload", async () => {
  const id = await deadLetter();
  await operator("dlq", "drop", id);
  expect(await count(chain.deadLetterQueueUrl)).toBe(0);
});

test("an operator may announce again what is left in the bucket", async () => {
  const before = await count(chain.queueUrl);
  await operator("reconcile", "--older-than", "0s", "--announce");
  expect(await count(chain.queueUrl)).toBeGreaterThan(before);
});

test.each([
  ["consumer_policy_json", []],
  ["producer_policy_json", []],
  // A person stops what `dlq redrive --all` began, with AWS's own tools.
  ["operator_policy_json", ["sqs:CancelMessageMoveTask"]],
])("%s allows nothing that no command asks for, but %j", (output, byHand) => {
  const allowed = policyOf(output).Statement.flatMap(({ Action }) => Action);
  expect(new Set(allowed)).toEqual(new Set([...(used[output] ?? []), ...byHand]));
});
