import { execFile } from "node:child_process";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { App } from "cdktf";
import { CREDENTIALS, type Chain, start } from "../../local/chain";
import { firstMessage, limitsOf, sendFirstMessage } from "../../local/first-message";
import { describe as describeChain, instructions } from "../../local/instructions";
import { ProducerConsumerStack } from "../../stacks/producer-consumer-stack";
import type { StageConfig } from "../../stacks/stage";
import { InspectionStack, OPEN } from "../stacks/inspection-stack";
import { Consumer, ask, temporaryFolder } from "./tools";

const OPTIONS = {
  keys: { producerApiKeys: ["shop"] },
  signing: { producerAuthorization: "AWS_IAM", consumerAuthorization: "AWS_IAM" },
  images: { contentTypes: ["image/*"] },
  small: { maxObjectBytes: 100_000 },
  tiny: { maxObjectBytes: 10, contentTypes: ["image/*", "application/pdf"] },
} satisfies Record<string, Partial<StageConfig>>;

const outdir = temporaryFolder();
const app = new App({ outdir });
for (const [name, options] of Object.entries(OPTIONS)) {
  new ProducerConsumerStack(app, name, { ...OPEN, ...options });
}
new ProducerConsumerStack(app, "open", OPEN);
new InspectionStack(app, "failing", OPEN, 60);
app.synth();

/** Has the function of the stack refuse every message, as one of another bucket. */
function breakConsumer(): void {
  const file = join(outdir, "stacks", "failing", "cdk.tf.json");
  const json = JSON.parse(readFileSync(file, "utf8")) as {
    resource: {
      aws_lambda_function: Record<
        string,
        { function_name: string; environment?: { variables: Record<string, string> } }
      >;
    };
  };
  for (const { function_name: name, environment } of Object.values(json.resource.aws_lambda_function)) {
    if (name.endsWith("inspector") && environment) environment.variables["BUCKET_NAME"] = "another";
  }
  writeFileSync(file, JSON.stringify(json));
}

/** Starts a chain, sends its first message, and does something with it. */
async function withFirstMessage(
  name: string,
  use: (chain: Chain, lines: string[]) => void | Promise<void>,
  before: (chain: Chain) => void = () => undefined,
): Promise<void> {
  const chain = await start({ stack: join(outdir, "stacks", name) });
  const lines: string[] = [];
  try {
    before(chain);
    await sendFirstMessage(chain, { line: (text) => lines.push(text), progress: () => undefined });
    await use(chain, lines);
    expect((await fetch(`${chain.apiUrl}/openapi.json`)).status).toBe(200);
  } finally {
    await chain.stop();
  }
}

const sent = ({ stack }: Chain) => basename(firstMessage(limitsOf(stack)) ?? "");
/** A file as curl puts it, in the words that the instructions print. */
const curlOf = (text: string) => /^ {2}(curl -T .*)$/m.exec(text)?.[1] ?? "";

test.each<[keyof typeof OPTIONS | "open", string]>([
  ["open", "package-lock.json"],
  ["keys", "package-lock.json"],
  ["signing", "package-lock.json"],
  ["images", "upload-form.png"],
  ["small", "package.json"],
])("a stage with the option %s delivers a first message that it accepts: %s", async (name, file) => {
  await withFirstMessage(name, async (chain, lines) => {
    expect(sent(chain)).toBe(file);
    expect(lines.at(-1)).toMatch(/^Delivered in .* The message and its payload are deleted\.$/);
    // What is printed next works as it is.
    const consumer = new Consumer(chain);
    const { stderr } = await promisify(execFile)("bash", ["-c", `${curlOf(instructions(chain))} -sSf`], {
      cwd: join(__dirname, "../.."),
    });
    expect(stderr).toBe("");
    expect((await consumer.announced()).key).toMatch(new RegExp(`/${file}$`));
  });
});

test("a stage that accepts no file of ours says so, and stays up", async () => {
  await withFirstMessage("tiny", (_, lines) => {
    expect(lines).toEqual([
      "No first message is sent: this stage accepts at most 10 B and types image/*, application/pdf.",
    ]);
  });
});

test("a function of the stack that fails is named, and the chain stays up", async () => {
  breakConsumer();
  const errors = jest.spyOn(console, "error").mockImplementation(() => undefined);
  const log = jest.spyOn(process.stderr, "write").mockImplementation(() => true);
  await withFirstMessage("failing", (_, lines) => {
    expect(lines.at(-1)).toMatch(
      /^The first message is not delivered: .*inspector failed, and gets the message again\.$/,
    );
  });
  errors.mockRestore();
  log.mockRestore();
});

test("a first message that another consumer receives is not waited for", async () => {
  await withFirstMessage(
    "open",
    (_, lines) => {
      expect(lines.at(-1)).toBe("Another consumer has received the message, and has it now.");
    },
    (chain) => {
      const sqs = new SQSClient({
        endpoint: chain.sqsEndpoint,
        region: chain.stack.region,
        credentials: CREDENTIALS,
      });
      const poll = async (): Promise<void> => {
        const { Messages: [message] = [] } = await sqs.send(
          new ReceiveMessageCommand({ QueueUrl: chain.queueUrl, WaitTimeSeconds: 20 }),
        );
        if (!message?.Body?.includes("package-lock.json")) await poll();
      };
      // It waits before the first message is sent, so that it is served first.
      void poll().finally(() => sqs.destroy());
    },
  );
});

test("messages of an earlier run are left alone: none is sent before them", async () => {
  const dataDirectory = join(outdir, "data");
  const stack = join(outdir, "stacks", "open");
  const before = await start({ stack, dataDirectory });
  await ask(before, "/sendMessage", { object_key: "inline", body: "YQ==" });
  await before.stop();
  const chain = await start({ stack, dataDirectory });
  const lines: string[] = [];
  await sendFirstMessage(chain, { line: (text) => lines.push(text), progress: () => undefined });
  expect(lines).toEqual(["No first message is sent: 2 messages wait from an earlier run."]);
  await chain.stop();
});

test("an API key is printed by its value, for programs and for people", async () => {
  const chain = await start({ stack: join(outdir, "stacks", "keys") });
  const { api_key: value = "" } = describeChain(chain);
  const text = instructions(chain);
  await chain.stop();
  expect(value).toMatch(/^[0-9a-f]{40}$/);
  expect(text).toContain(`export TWEEDLE_BUCKET_NAME=${chain.bucketName} TWEEDLE_API_KEY=${value}`);
  expect(text).toContain(`-H 'x-api-key: ${value}'`);
});

test("the command that is printed is the one that npm ci has built", async () => {
  const chain = await start({ stack: join(outdir, "stacks", "open") });
  const [, command = ""] =
    /alias tweedle="node '(.+)'"\n {2}tweedle produce /.exec(instructions(chain)) ?? [];
  await chain.stop();
  expect(statSync(command).isFile()).toBe(true);
});

test("the environment that is printed is one that the AWS CLI and boto3 read, too", async () => {
  const chain = await start({ stack: join(outdir, "stacks", "open") });
  const names = [...instructions(chain).matchAll(/(\w+)=\S+/g)].map(([, name]) => name);
  await chain.stop();
  for (const name of [
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_SQS",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
  ]) {
    expect(names).toContain(name);
  }
});
