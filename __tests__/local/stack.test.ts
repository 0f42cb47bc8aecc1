import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ACTIONS, hasUrl } from "../../functions/sign-url/actions";
import { start } from "../../local/chain";
import { listen } from "../../local/server";
import { ask, synthesize, temporaryFolder } from "./tools";

const stackOf = synthesize();
const folder = temporaryFolder();

type Settings = Record<string, unknown>;
type Stack = { resource: Record<string, Record<string, Settings>> };

let copies = 0;

/** Starts the chain of a dev stack in which something was changed. */
async function startChanged(change: (stack: Stack) => void): Promise<void> {
  copies += 1;
  const copy = join(folder, String(copies));
  cpSync(stackOf("dev"), copy, { recursive: true });
  const file = join(copy, "cdk.tf.json");
  const stack = JSON.parse(readFileSync(file, "utf8")) as Stack;
  change(stack);
  writeFileSync(file, JSON.stringify(stack));
  const chain = await start({ stack: copy });
  await chain.stop();
}

/** The first resource of a type, or the one whose setting holds a text. */
function find(stack: Stack, type: string, setting = "", text = ""): Settings {
  const found = Object.values(stack.resource[type] ?? {}).find((settings) =>
    setting ? String(settings[setting]).includes(text) : true,
  );
  if (!found) throw new Error(`There is no ${type}.`);
  return found;
}

const edit = (settings: Settings, setting: string, from: string, to: string) => {
  const before = String(settings[setting]);
  if (!before.includes(from)) throw new Error(`${setting} does not hold ${from}.`);
  settings[setting] = before.replaceAll(from, to);
};

/** Mistakes in a stack that would break it at AWS, and what the chain says of them. */
const MISTAKES: [what: string, change: (stack: Stack) => void, says: RegExp][] = [
  [
    "a resource that it does not know",
    (stack) => {
      stack.resource["aws_dynamodb_table"] = { table: { name: "x" } };
    },
    /does not know aws_dynamodb_table/,
  ],
  [
    "a setting that it does not know",
    (stack) => {
      find(stack, "aws_sqs_queue")["delay_seconds"] = 5;
    },
    /setting delay_seconds of aws_sqs_queue/,
  ],
  [
    "a queue that S3 may not send to",
    (stack) =>
      edit(
        find(stack, "aws_sqs_queue", "name", "dev-queue"),
        "policy",
        "s3.amazonaws.com",
        "sns.amazonaws.com",
      ),
    /does not let the bucket .*content.* send/,
  ],
  [
    "a queue that takes another bucket's messages",
    (stack) =>
      edit(find(stack, "aws_sqs_queue", "redrive_policy", "arn"), "policy", "dev-content-", "prod-content-"),
    /does not let the bucket .*content.* send/,
  ],
  [
    "a condition operator that it does not know",
    (stack) =>
      edit(
        find(stack, "aws_s3_bucket_policy", "policy", "DenyOldSignatures"),
        "policy",
        "NumericGreaterThan",
        "DateGreaterThan",
      ),
    /condition operator DateGreaterThan/,
  ],
  [
    "a condition key that it does not know",
    (stack) =>
      edit(
        find(stack, "aws_s3_bucket_policy", "policy", "DenyOldSignatures"),
        "policy",
        "s3:signatureAge",
        "s3:delimiter",
      ),
    /condition key s3:delimiter/,
  ],
  [
    "a notification to another stack's queue",
    (stack) => {
      const [queue] = find(stack, "aws_s3_bucket_notification")["queue"] as [Settings];
      edit(queue, "queue_arn", "dev-queue", "prod-queue");
    },
    /announces to .*prod-queue/,
  ],
  [
    "two notifications of one bucket",
    (stack) => {
      const notifications = stack.resource["aws_s3_bucket_notification"] ?? {};
      notifications["second"] = { ...find(stack, "aws_s3_bucket_notification") };
    },
    /two notifications/,
  ],
  [
    "a bucket that is open to the public",
    (stack) => {
      find(stack, "aws_s3_bucket_public_access_block")["restrict_public_buckets"] = false;
    },
    /must have restrict_public_buckets/,
  ],
  [
    "a function that API Gateway may not invoke",
    (stack) =>
      edit(
        find(stack, "aws_lambda_permission", "source_arn", "/POST/getObject"),
        "source_arn",
        "POST",
        "PUT",
      ),
    /may not invoke tweedle-dev-signer for POST \/getObject/,
  ],
  [
    "a function of another runtime",
    (stack) => {
      find(stack, "aws_lambda_function")["runtime"] = "python3.13";
    },
    /cannot run python3\.13/,
  ],
  [
    "a function without its handler",
    (stack) => {
      find(stack, "aws_lambda_function")["handler"] = "index.nothing";
    },
    /no index\.nothing/,
  ],
  [
    "a function without a variable that it needs",
    (stack) => {
      const signer = find(stack, "aws_lambda_function", "function_name", "signer");
      (signer["environment"] as { variables: Settings }).variables = {};
    },
    /ROLES is not set/,
  ],
  [
    "a sender that does not know its queue",
    (stack) => {
      const sender = find(stack, "aws_lambda_function", "function_name", "sender");
      (sender["environment"] as { variables: Settings }).variables = {};
    },
    /QUEUE_URL is not set/,
  ],
  [
    "an API that caches",
    (stack) => {
      (find(stack, "aws_api_gateway_method_settings")["settings"] as Settings)["caching_enabled"] = true;
    },
    /does not cache/,
  ],
  [
    "a reference that leads nowhere",
    (stack) => {
      find(stack, "aws_s3_bucket_notification")["bucket"] = "${aws_s3_bucket.other.id}";
    },
    /cannot resolve \$\{aws_s3_bucket\.other\.id\}/,
  ],
  [
    "a redrive policy to a queue that is not there",
    (stack) =>
      edit(
        find(stack, "aws_sqs_queue", "redrive_policy", "arn"),
        "redrive_policy",
        "dead-letter",
        "undead-letter",
      ),
    /redrive|dead-letter|Redrive/,
  ],
];

describe("the chain does not start with", () => {
  test.each(MISTAKES)("%s", async (_, change, says) => {
    await expect(startChanged(change)).rejects.toThrow(says);
  });
});

test("the chain starts with the stack as it is", async () => {
  await expect(startChanged(() => {})).resolves.toBeUndefined();
});

describe("S3 refuses a URL whose signer's role lost the permission, as at AWS", () => {
  const withUrl = Object.entries(ACTIONS).flatMap(([name, action]) =>
    hasUrl(action) ? [[name, action] as const] : [],
  );
  test.each(withUrl)("%s", async (name, { iamActions, method, fields }) => {
    const copy = join(folder, `without-${name}`);
    cpSync(stackOf("dev"), copy, { recursive: true });
    const file = join(copy, "cdk.tf.json");
    const stack = JSON.parse(readFileSync(file, "utf8")) as Stack;
    const policy = find(stack, "aws_iam_role_policy", "policy", "s3:PutObject");
    // Of getObject's two permissions, each is for its own request.
    edit(policy, "policy", `"${iamActions[0]}"`, '"s3:GetNothing"');
    writeFileSync(file, JSON.stringify(stack));
    const chain = await start({ stack: copy });
    const put = await ask(chain, "/putObject", { object_key: "a" });
    const stored = (await fetch(put.url, { method: "PUT", body: "a" })).status;
    const { url, parts } = await ask(chain, `/${name}`, {
      object_key: "upload_id" in fields || name.endsWith("Object") ? put.object_key : "a",
      ...("upload_id" in fields && { upload_id: "0".repeat(32) }),
      ...("part_numbers" in fields && { part_numbers: [1] }),
    });
    const response = await fetch(url ?? parts[0]?.url ?? "", { method });
    expect([stored, response.status]).toEqual([iamActions[0] === "s3:PutObject" ? 403 : 200, 403]);
    await chain.stop();
  });
});

test("a port that is taken is named, and nothing is left running", async () => {
  const server = await listen(() => {}, 0, "a test");
  const { port } = server.address() as { port: number };
  const taken = start({ stack: stackOf("dev"), ports: { api: port, s3: 0, sqs: 0 } });
  await expect(taken).rejects.toThrow(`Port ${port}, for the API, is taken.`);
  server.close();
});
