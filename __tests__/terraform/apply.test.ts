import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { STAGES, createApp } from "../../main";
import type { Statement } from "../../stacks/policy";
import { deployRights, planRights, stateRights } from "../../stacks/rights";
import type { StageConfig } from "../../stacks/stage";
import { isAuthorized } from "../permissions/judge";
import { createTranslator } from "../permissions/terraform-requests";
import { SynthesizedStack, text as attribute } from "../stacks/tools";
import { describeWith } from "./describe-with";
import { FAKE_KEYS, type Moto, startMoto } from "./moto";
import { emulate, emulatorVariables } from "./emulator";
import { type MotoProxy, startMotoProxy } from "./moto-proxy";
import { run, start, stopProcesses } from "./processes";
import { type State, serveApplied } from "./serve-applied";
import { terraformEnvironment } from "./tools";

const ROOT = join(__dirname, "../..");

/** The stage whose buckets may be destroyed with what is in them. */
const STACK = "producer-consumer-dev";
const dev = STAGES.find(({ stage }) => stage === "dev") as StageConfig;
const { accountId, region } = dev;
/** One that keeps what it has. */
const KEPT = "producer-consumer-prod";

/** In milliseconds. The provider takes a minute: for queues and lifecycles it waits as long as AWS needs to settle. */
const DEPLOY_TIMEOUT = 240_000;
const TIMEOUT = 120_000;

interface SignedUrl {
  readonly object_key: string;
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** A message on the queue: S3's announcement of objects, or its test of the queue. */
interface Message {
  readonly Event?: string;
  readonly Bucket?: string;
  readonly Records?: readonly {
    readonly s3: {
      readonly bucket: { readonly name: string };
      readonly object: { readonly key: string; readonly versionId: string };
    };
  }[];
}

describeWith(["terraform", "moto_server", "provider"], "the stack that Terraform applies", (tools) => {
  let folder: string;
  let stackFolder: string;
  let stateBucket: string;
  let environment: Record<string, string | undefined>;
  let moto: Moto;
  let proxy: MotoProxy;
  let s3: S3Client;
  let outputs: Record<string, string>;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "tweedle-apply-"));
    stackFolder = join(folder, "stacks", STACK);
    createApp(folder).synth();
    stateBucket = emulate(stackFolder);
    moto = await startMoto(tools.moto_server, accountId, region);
    proxy = await startMotoProxy(moto.url);
    environment = {
      ...terraformEnvironment(tools.provider, folder),
      ...emulatorVariables(proxy.url),
    };
    s3 = new S3Client({ region, endpoint: moto.url, forcePathStyle: true, credentials: FAKE_KEYS });
    await s3.send(new CreateBucketCommand({ Bucket: stateBucket }));
  }, TIMEOUT);

  afterAll(async () => {
    await proxy?.stop();
    await stopProcesses();
    s3?.destroy();
    rmSync(folder, { recursive: true, force: true });
  });

  /** What AWS was asked for since so many requests had passed, but whose the credentials are, and what a plan need not: a lock. */
  const askedSince = (before: number) =>
    new Set(
      proxy.passed
        .slice(before)
        .filter(
          ({ action, path }) =>
            !path.endsWith(".tflock") && !/^(sts:GetCallerIdentity|iam:GetUser)$/.test(action),
        )
        .map(({ action }) => action),
    );
  const translate = createTranslator({ accountId, region }, { project: "tweedle", stage: dev.stage });
  /** The requests since then that AWS would refuse to a role with these rights. */
  const refusedSince = (before: number, rights: readonly Statement[]) => {
    const requests = proxy.passed
      .slice(before)
      .filter(({ action, path }) => askedSince(before).has(action) && !path.endsWith(".tflock"))
      .flatMap((call) => translate(call, false));
    return requests.filter((request) => !isAuthorized([{ Statement: rights }], request, accountId));
  };
  const deploying = () => [...deployRights(dev, dev), ...stateRights(stateBucket, `${STACK}.tfstate`, true)];

  /** Runs cdktf on a stack as it was synthesized. */
  const cdktf = (command: "deploy" | "destroy", stack: string, ...more: string[]) => {
    const what = [command, stack, "--output", folder, "--skip-synth", "--auto-approve", "--no-color"];
    // Locking the providers of other platforms needs the registry; the cache would be in the home folder.
    const offline = ["--skip-provider-lock", "--disable-plugin-cache-env"];
    // cdktf looks for cdktf.json where it runs.
    return run(join(ROOT, "node_modules/.bin/cdktf"), [...what, ...offline, ...more], {
      cwd: ROOT,
      environment,
    });
  };

  async function readState(): Promise<State> {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: stateBucket, Key: `${STACK}.tfstate` }));
    return JSON.parse((await Body?.transformToString()) ?? "") as State;
  }

  // What comes of it is what all the others look at.
  test(
    "may be interrupted while it is applied: what is there is in the state, which nobody holds",
    async () => {
      const options = { cwd: stackFolder, environment };
      await run(tools.terraform, ["init", "-input=false", "-no-color"], options);
      const applying = start(
        tools.terraform,
        ["apply", "-auto-approve", "-input=false", "-no-color"],
        options,
      );
      const ended = once(applying, "close");
      applying.stderr.resume();
      let isAsked = false;
      for await (const line of createInterface(applying.stdout)) {
        // What takes so long is there, and the provider waits for it to settle. Asked twice, Terraform would not even
        // write its state.
        if (!isAsked && line.includes("Still creating...")) isAsked = applying.kill("SIGINT");
      }
      expect(await ended).toEqual([1, null]);
      const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: stateBucket }));
      expect(Contents.map(({ Key }) => Key)).toEqual([`${STACK}.tfstate`]);
      const isWhole = ({ instances }: State["resources"][number]) =>
        instances.every(({ status }) => status !== "tainted");
      const { resources } = await readState();
      // Some are to be made anew, and some not yet at all.
      expect(resources.some(isWhole)).toBe(true);
      expect(resources.every(isWhole)).toBe(false);
    },
    DEPLOY_TIMEOUT,
  );

  test(
    "is deployed by cdktf from there, its state kept in S3 and locked there meanwhile",
    async () => {
      const before = proxy.passed.length;
      const outputsFile = join(folder, "outputs.json");
      await cdktf("deploy", STACK, "--outputs-file", outputsFile);
      expect(refusedSince(0, deploying())).toEqual([]);
      outputs =
        (JSON.parse(readFileSync(outputsFile, "utf8")) as Record<string, typeof outputs>)[STACK] ?? {};

      const writes = proxy.passed
        .slice(before)
        .filter(
          ({ method, path }) => ["PUT", "DELETE"].includes(method) && path.startsWith(`/${stateBucket}/`),
        )
        .map(({ method, path, status }) => `${method} ${path.slice(stateBucket.length + 2)} ${status}`);
      expect(writes.at(0)).toBe(`PUT ${STACK}.tfstate.tflock 200`);
      expect(new Set(writes.slice(1, -1))).toEqual(new Set([`PUT ${STACK}.tfstate 200`]));
      expect(writes.at(-1)).toBe(`DELETE ${STACK}.tfstate.tflock 204`);
      const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: stateBucket }));
      expect(Contents.map(({ Key }) => Key)).toEqual([`${STACK}.tfstate`]);
    },
    DEPLOY_TIMEOUT,
  );

  test("is there, and nothing else is", async () => {
    const bucket = (name: string) => `tweedle-dev-${name}-${accountId}-${region}`;
    expect(await moto.inventory()).toEqual({
      s3: [bucket("access-logs"), bucket("content"), bucket("trail"), stateBucket],
      sqs: ["tweedle-dev-queue", "tweedle-dev-queue-dead-letter"],
      lambda: ["tweedle-dev-form", "tweedle-dev-sender", "tweedle-dev-signer"],
      apigateway: ["tweedle-dev-api"],
      cloudtrail: ["tweedle-dev-trail"],
      iam: ["tweedle-dev-form", "tweedle-dev-sender", "tweedle-dev-signer"],
      logs: ["form", "sender", "signer"].map((name) => `/aws/lambda/tweedle-dev-${name}`),
    });
  });

  test("says in its outputs where everything is, and what consumers and operators must be allowed", () => {
    const { consumer_policy_json = "", operator_policy_json = "", ...places } = outputs;
    const queueArn = `arn:aws:sqs:${region}:${accountId}:tweedle-dev-queue`;
    const queueUrl = `${proxy.url}/${accountId}/tweedle-dev-queue`;
    expect(places).toEqual({
      api_url: expect.stringMatching(`^https://[a-z0-9]+\\.execute-api\\.${region}\\.amazonaws\\.com/dev$`),
      bucket_name: `tweedle-dev-content-${accountId}-${region}`,
      queue_url: queueUrl,
      queue_arn: queueArn,
      dead_letter_queue_url: `${queueUrl}-dead-letter`,
      dead_letter_queue_arn: `${queueArn}-dead-letter`,
      trail_arn: `arn:aws:cloudtrail:${region}:${accountId}:trail/tweedle-dev-trail`,
    });
    const resources = [consumer_policy_json, operator_policy_json].map((policy) =>
      (JSON.parse(policy) as { Statement: { Resource: string }[] }).Statement.map(({ Resource }) => Resource),
    );
    const bucketArn = `arn:aws:s3:::tweedle-dev-content-${accountId}-${region}`;
    expect(resources).toEqual([[queueArn], [`${queueArn}-dead-letter`, queueArn, bucketArn]]);
  });

  test(
    "takes a payload that is too big for the queue from a producer to a consumer",
    async () => {
      const { queue_url: queueUrl = "", bucket_name: bucketName = "" } = outputs;
      const api = await serveApplied(await readState(), stackFolder, moto, { accountId, region });
      const sqs = new SQSClient({ region, endpoint: proxy.url, credentials: FAKE_KEYS });
      try {
        const name = "Grüße/100% a+b=c & d?.bin";
        const payload = randomBytes(300 * 1024);
        const key = await produce(api.url, name, payload);

        const messages = await receive(sqs, queueUrl, 2);
        expect(messages).toContainEqual(
          expect.objectContaining({ Event: "s3:TestEvent", Bucket: bucketName }),
        );
        const [record, ...others] = messages.flatMap(({ Records = [] }) => Records);
        expect(others).toEqual([]);
        expect(record?.s3.bucket.name).toBe(bucketName);
        expect(record?.s3.object.key).toMatch(/%25\+a%2Bb%3Dc\+%26\+d%3F\.bin$/);
        // S3 encodes keys as forms do.
        const announced = new URLSearchParams(`key=${record?.s3.object.key}`).get("key");
        expect(announced).toBe(key);

        const fetched = await fetchPayload(api.url, key, record?.s3.object.versionId);
        expect(sha256(fetched)).toBe(sha256(payload));
      } finally {
        sqs.destroy();
        await api.stop();
      }
    },
    TIMEOUT,
  );

  test(
    "takes a small payload in the queue's message itself",
    async () => {
      const { queue_url: QueueUrl = "" } = outputs;
      const api = await serveApplied(await readState(), stackFolder, moto, { accountId, region });
      const sqs = new SQSClient({ region, endpoint: proxy.url, credentials: FAKE_KEYS });
      try {
        const payload = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
        const response = await fetch(`${api.url}/sendMessage`, {
          method: "POST",
          body: JSON.stringify({ object_key: "all.bin", body: payload.toString("base64") }),
        });
        const { object_key } = (await response.json()) as { object_key: string };
        const { Messages: [message] = [] } = await sqs.send(
          new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20, MessageAttributeNames: ["All"] }),
        );
        expect(JSON.parse(message?.Body ?? "")).toMatchObject({ source: "tweedle", object_key, size: 256 });
        const { BinaryValue = "" } = message?.MessageAttributes?.["payload"] ?? {};
        expect(Buffer.from(BinaryValue as Uint8Array).equals(payload)).toBe(true);
      } finally {
        sqs.destroy();
        await api.stop();
      }
    },
    TIMEOUT,
  );

  test(
    "is the same after another synth and plan",
    async () => {
      createApp(folder).synth();
      const options = ["-detailed-exitcode", "-input=false", "-no-color"];
      const before = proxy.passed.length;
      const plan = await run(tools.terraform, ["plan", ...options], { cwd: stackFolder, environment });
      expect(plan).toContain("No changes.");
      const rights = [...planRights(dev, ["dev"]), ...stateRights(stateBucket, `${STACK}.tfstate`, false)];
      expect(refusedSince(before, rights)).toEqual([]);
      expect(askedSince(before).size).toBeGreaterThan(30);
    },
    TIMEOUT,
  );

  test(
    "is destroyed by cdktf with the payload in it, and leaves nothing but an empty state",
    async () => {
      const before = proxy.passed.length;
      await cdktf("destroy", STACK);
      expect(refusedSince(before, deploying())).toEqual([]);
      const nothing = { sqs: [], lambda: [], apigateway: [], cloudtrail: [], iam: [], logs: [] };
      expect(await moto.inventory()).toEqual({ ...nothing, s3: [stateBucket] });
      expect((await readState()).resources).toEqual([]);
    },
    TIMEOUT,
  );

  test(
    "is refused by cdktf to be destroyed where it keeps what it has, before anything is touched",
    async () => {
      const cwd = join(folder, "stacks", KEPT);
      emulate(cwd);
      const stack = new SynthesizedStack(folder, KEPT);
      // Two of its resources stand for all: one that is kept, and one that would go first, were there no refusal.
      const [bucket, role] = [stack.at("content/bucket"), stack.at("sender/role")];
      const targets = [bucket, role].map(({ address }) => `-target=${address}`);
      await run(tools.terraform, ["init", "-input=false"], { cwd, environment });
      await run(tools.terraform, ["apply", "-auto-approve", "-input=false", ...targets], {
        cwd,
        environment,
      });
      const Bucket = attribute(bucket, "bucket");
      await s3.send(new PutObjectCommand({ Bucket, Key: "input/x", Body: "kept" }));

      const before = proxy.passed.length;
      await expect(cdktf("destroy", KEPT)).rejects.toThrow(
        new RegExp(`Instance cannot be destroyed[^]*${bucket.address}`),
      );
      expect([...askedSince(before)].filter((action) => !/:(Get|List|Head|Describe)/.test(action))).toEqual(
        [],
      );
      expect(await moto.inventory()).toMatchObject({
        s3: [Bucket, stateBucket],
        iam: [attribute(role, "name")],
      });
    },
    TIMEOUT,
  );
});

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("base64");

async function askForUrl(apiUrl: string, action: string, fields: object): Promise<SignedUrl> {
  const response = await fetch(`${apiUrl}/${action}`, { method: "POST", body: JSON.stringify(fields) });
  if (!response.ok) throw new Error(`${action}: ${response.status} ${await response.text()}`);
  return (await response.json()) as SignedUrl;
}

/** A producer needs nothing but HTTP. Answers the payload's key. */
async function produce(apiUrl: string, name: string, payload: Uint8Array): Promise<string> {
  const { object_key, method, url, headers } = await askForUrl(apiUrl, "putObject", {
    object_key: name,
    content_length: payload.length,
    checksum_sha256: sha256(payload),
  });
  const response = await fetch(url, { method, headers, body: payload });
  if (!response.ok) throw new Error(`S3 answered ${response.status} ${await response.text()}`);
  return object_key;
}

/** Receives messages with long polls, and deletes them, until there are so many. */
async function receive(sqs: SQSClient, QueueUrl: string, count: number): Promise<Message[]> {
  const received: Message[] = [];
  while (received.length < count) {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 20 }),
    );
    if (Messages.length === 0) throw new Error(`Of ${count} messages, ${received.length} came.`);
    for (const { Body = "", ReceiptHandle } of Messages) {
      received.push(JSON.parse(Body) as Message);
      await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    }
  }
  return received;
}

async function fetchPayload(apiUrl: string, key: string, versionId: string | undefined): Promise<Uint8Array> {
  const { method, url, headers } = await askForUrl(apiUrl, "getObject", {
    object_key: key,
    version_id: versionId,
  });
  const response = await fetch(url, { method, headers });
  if (!response.ok) throw new Error(`S3 answered ${response.status} ${await response.text()}`);
  return new Uint8Array(await response.arrayBuffer());
}
