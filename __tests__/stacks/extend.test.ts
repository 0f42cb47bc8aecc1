import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SQSHandler } from "aws-lambda";
import { App } from "cdktf";
import { BundledFunction } from "../../stacks/constructs/bundled-function";
import { ProducerConsumerStack } from "../../stacks/producer-consumer-stack";
import { InspectionStack, OPEN, SIGNING, code } from "./inspection-stack";
import { SynthesizedStack, statements, temporaryFolder, text } from "./tools";

const outdir = temporaryFolder();
const app = new App({ outdir });
for (const config of [OPEN, SIGNING]) {
  new ProducerConsumerStack(app, `plain-${config.stage}`, config);
  new InspectionStack(app, `inspection-${config.stage}`, config, 60);
}
app.synth();

describe.each([OPEN, SIGNING])("A stack that extends a stage ($stage) by a consumer", ({ stage }) => {
  const stack = new SynthesizedStack(outdir, `inspection-${stage}`);
  const consumersSign = stage === "signing";
  const added = stack.resources.filter(({ path }) => /^(alarms\/)?inspector[/-]/.test(path));
  const inspector = stack.at("inspector/function");
  const restApi = stack.at("api/api");
  const apiStage = stack.at("api/stage");

  it("adds these resources, and changes none of those that were there", () => {
    expect(added.map(({ path, type }) => `${path}: ${type}`).toSorted()).toEqual([
      "alarms/inspector-errors: aws_cloudwatch_metric_alarm",
      "alarms/inspector-throttles: aws_cloudwatch_metric_alarm",
      ...(consumersSign ? ["inspector/ask-for-urls: aws_iam_role_policy"] : []),
      "inspector/consume-queue: aws_iam_role_policy",
      "inspector/function: aws_lambda_function",
      "inspector/logs: aws_cloudwatch_log_group",
      "inspector/queue: aws_lambda_event_source_mapping",
      "inspector/role: aws_iam_role",
      "inspector/write-logs: aws_iam_role_policy",
    ]);
    expect(stack.resources.filter((resource) => !added.includes(resource))).toEqual(
      new SynthesizedStack(outdir, `plain-${stage}`).resources,
    );
  });

  it("hands the queue's messages to the function, which says which of them failed", () => {
    const mapping = stack.only("aws_lambda_event_source_mapping");
    expect(mapping.attributes).toMatchObject({
      event_source_arn: `\${${stack.at("queue/queue").address}.arn}`,
      function_name: `\${${inspector.address}.function_name}`,
      batch_size: 10,
      function_response_types: ["ReportBatchItemFailures"],
    });
    expect(stack.follows(mapping, stack.at("inspector/consume-queue"))).toBe(true);
  });

  it.each([
    ["errors", "Errors"],
    ["throttles", "Throttles"],
  ])("watches the function as its own: %s", (alarm, metric) => {
    expect(stack.at(`alarms/inspector-${alarm}`).attributes).toMatchObject({
      alarm_name: `tweedle-${stage}-alarm-inspector-${alarm}`,
      namespace: "AWS/Lambda",
      metric_name: metric,
      dimensions: { FunctionName: text(inspector, "function_name") },
    });
  });

  it("tells the function its bucket and the API's address", () => {
    expect(inspector.attributes["environment"]).toEqual({
      variables: {
        API_URL: `\${${apiStage.address}.invoke_url}`,
        BUCKET_NAME: text(stack.at("content/bucket"), "bucket"),
      },
    });
  });

  it(`allows the function its log, the queue${consumersSign ? " and the URLs that consumers sign for" : ""}, and nothing else`, () => {
    const urls = ["getObject", "headObject", "deleteObject"].map(
      (action) => `\${${restApi.address}.execution_arn}/\${${apiStage.address}.stage_name}/POST/${action}`,
    );
    const policies = stack.referringTo(stack.at("inspector/role"), "role", "aws_iam_role_policy");
    const allowed = policies.flatMap((policy) => statements(text(policy, "policy")));
    expect(allowed.map(({ Effect, Action, Resource }) => ({ Effect, Action, Resource }))).toEqual([
      ...(consumersSign ? [{ Effect: "Allow", Action: "execute-api:Invoke", Resource: urls }] : []),
      {
        Effect: "Allow",
        Action: [
          "sqs:ReceiveMessage",
          "sqs:DeleteMessage",
          "sqs:ChangeMessageVisibility",
          "sqs:GetQueueAttributes",
        ],
        Resource: `arn:aws:sqs:eu-central-1:123456789012:tweedle-${stage}-queue`,
      },
      {
        Effect: "Allow",
        Action: ["logs:CreateLogStream", "logs:PutLogEvents"],
        Resource: `arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/tweedle-${stage}-inspector:*`,
      },
    ]);
  });
});

it("A function that may outlast a sixth of the visibility timeout is no consumer", () => {
  expect(() => new InspectionStack(new App({ outdir }), "slow", OPEN, 61)).toThrow(
    "The visibility timeout must be at least 6 times the consumer's timeout: tweedle-open-inspector may take 61 s, so 366 s, not 360 s.",
  );
});

it("A batch is of 1 to 10 messages", () => {
  const stack = new InspectionStack(new App({ outdir }), "batch", OPEN, 60);
  const [consumer] = stack.node.children.filter((child) => child instanceof BundledFunction).slice(-1);
  for (const batchSize of [0, 11, 1.5]) {
    expect(() => stack.queue.addConsumer(consumer as BundledFunction, { batchSize })).toThrow(
      `tweedle-open-inspector: batchSize must be from 1 to 10, not ${batchSize}.`,
    );
  }
});

it("The bundle is the consumer: a message that it cannot read fails alone", async () => {
  const file = join(outdir, "index.js");
  writeFileSync(file, code.code);
  const { handler } = (await import(file)) as { handler: SQSHandler };
  const Records = ['{"Event": "s3:TestEvent"}', "no JSON"].map((body, index) => ({
    messageId: `m${index}`,
    body,
  }));
  const answer = await handler(
    { Records } as Parameters<SQSHandler>[0],
    {} as Parameters<SQSHandler>[1],
    () => {},
  );
  expect(answer).toEqual({ batchItemFailures: [{ itemIdentifier: "m1" }] });
});
