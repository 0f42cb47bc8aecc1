import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { watch } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { GetObjectCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { BOOTSTRAP, BOOTSTRAP_STACK, createBootstrap } from "../../bootstrap";
import { PLACE, STAGES, createApp } from "../../main";
import type { BootstrapConfig } from "../../stacks/bootstrap-config";
import { boundaryArn } from "../../stacks/rights";
import { describeWith } from "../terraform/describe-with";
import { emulate, emulatorVariables } from "../terraform/emulator";
import type { State } from "../../deployment/state";
import { FAKE_KEYS, type Moto, startMoto } from "../terraform/moto";
import { type MotoProxy, type Passed, startMotoProxy } from "../terraform/moto-proxy";
import { run, stopProcesses } from "../terraform/processes";
import { terraformEnvironment } from "../terraform/tools";

const ROOT = join(__dirname, "../..");
const { accountId, region } = PLACE;
const BUCKET = `tweedle-state-${accountId}-${region}`;
const KEY = `${BOOTSTRAP_STACK}.tfstate`;
const CONFIG: BootstrapConfig = {
  ...BOOTSTRAP,
  github: { repository: "alice/shop", ownerId: "123456", repositoryId: "456789" },
};
/** Whose the credentials are: that is how Terraform asks it where it is told not to check them, as with an emulator. */
const WHOSE = ["iam:GetUser"];
/** In milliseconds. For a bucket's lifecycle the provider waits most of a minute. */
const TIMEOUT = 300_000;

interface Asked {
  readonly config?: BootstrapConfig;
  /** The output folder. */
  readonly to?: string;
  readonly options?: readonly string[];
  readonly fatal?: (passed: Passed) => boolean | Promise<boolean>;
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

describeWith(["terraform", "moto_server", "provider"], "npm run bootstrap", (tools) => {
  let folder: string;
  let outdir: string;
  let environment: Record<string, string | undefined>;
  let moto: Moto;
  let proxy: MotoProxy;
  let s3: S3Client;
  let bootstrapping: ChildProcess | undefined;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "tweedle-bootstrap-"));
    outdir = join(folder, "bootstrap.out");
    moto = await startMoto(tools.moto_server, accountId, region);
    proxy = await startMotoProxy(moto.url);
    environment = { ...terraformEnvironment(tools.provider, folder), ...emulatorVariables(proxy.url) };
    s3 = new S3Client({ region, endpoint: moto.url, forcePathStyle: true, credentials: FAKE_KEYS });
  }, TIMEOUT);

  afterAll(async () => {
    killGroup();
    await proxy?.stop();
    await stopProcesses();
    s3?.destroy();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Kills the command and what it runs, as if the machine had lost its power. */
  function killGroup(): void {
    if (bootstrapping?.pid !== undefined && bootstrapping.exitCode === null)
      process.kill(-bootstrapping.pid, "SIGKILL");
  }

  /** Runs the command to its end, or until moto has done what is fatal, and before Terraform hears of that. */
  async function bootstrap({
    config = CONFIG,
    to = outdir,
    options = ["--yes"],
    fatal,
  }: Asked = {}): Promise<Ended> {
    createBootstrap(config, to).synth();
    emulate(join(to, "stacks", BOOTSTRAP_STACK));
    const script = join(__dirname, "../terraform/bootstrap-with.ts");
    const child = spawn(
      process.execPath,
      ["--import", "tsx", script, JSON.stringify(config), to, ...options],
      { cwd: ROOT, env: environment, detached: true, stdio: ["ignore", "pipe", "pipe"] },
    );
    bootstrapping = child;
    proxy.watch = async (passed) => {
      if (await fatal?.(passed)) killGroup();
    };
    const closed = once(child, "close");
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
    proxy.watch = undefined;
    return { code: code as number | null, stdout, stderr };
  }

  const whatWasAsked = (from: number) => [...new Set(proxy.passed.slice(from).map(({ action }) => action))];
  const objects = async () => {
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: BUCKET }));
    return Contents.map(({ Key }) => Key);
  };
  /** The types of what the state in the bucket says that there is. */
  const made = async () => {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key: KEY }));
    const { resources } = JSON.parse((await Body?.transformToString()) ?? "") as State;
    return resources.flatMap(({ type, instances }) => instances.map(() => type));
  };
  /** Resolves once Terraform has written into the file that it made something of this type. */
  async function recorded(type: string): Promise<void> {
    const stack = join(outdir, "stacks", BOOTSTRAP_STACK);
    const stop = new AbortController();
    const has = () =>
      existsSync(stateFile()) && readFileSync(stateFile(), "utf8").includes(`"type": "${type}"`);
    const changes = watch(stack, { signal: stop.signal });
    if (!has()) for await (const _ of changes) if (has()) break;
    stop.abort();
  }
  const stateFile = () => join(outdir, "stacks", BOOTSTRAP_STACK, KEY);

  test(
    "refuses another account's credentials in one line, and has asked for nothing but whose they are",
    async () => {
      const other = { accountId: "999999999999", region };
      const stages = STAGES.map((stage) => ({
        ...stage,
        ...other,
        permissionsBoundary: boundaryArn(other, stage.stage),
      }));
      const { code, stderr } = await bootstrap({
        config: { ...CONFIG, ...other, stages },
        to: join(folder, "elsewhere"),
      });
      expect([code, stderr]).toEqual([
        1,
        `These credentials are of account ${accountId}, and main.ts says ACCOUNT_ID = 999999999999: nothing was touched. ` +
          "Use that account's credentials, or set yours in main.ts.\n",
      ]);
      expect(whatWasAsked(0)).toEqual(WHOSE);
    },
    TIMEOUT,
  );

  test(
    "with --dry-run shows what it would make, and makes nothing",
    async () => {
      const { code, stdout, stderr } = await bootstrap({ options: ["--dry-run"] });
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout).toMatch(/Plan: \d+ to add, 0 to change, 0 to destroy\.[^]*Nothing was changed\.\n$/);
      expect((await moto.inventory())["s3"]).toEqual([]);
    },
    TIMEOUT,
  );

  test(
    "killed before the bucket that is made is written down, leaves a file",
    async () => {
      const { code, stderr } = await bootstrap({
        fatal: async ({ action, path }) => {
          if (action !== "s3:CreateBucket" || !path.startsWith(`/${BUCKET}`)) return false;
          await recorded("aws_iam_policy");
          return true;
        },
      });
      expect([code, stderr]).toEqual([null, ""]);
      expect((await moto.inventory())["s3"]).toContain(BUCKET);
      expect(await objects()).toEqual([]);
      expect(readFileSync(stateFile(), "utf8")).not.toContain(`"bucket": "${BUCKET}"`);
    },
    TIMEOUT,
  );

  test(
    "run again, moves the file into that bucket; killed within the move, it leaves a lock",
    async () => {
      const { code, stderr } = await bootstrap({
        fatal: ({ method, path }) => method === "PUT" && path === `/${BUCKET}/${KEY}`,
      });
      expect([code, stderr]).toEqual([null, ""]);
      expect(await objects()).toEqual([KEY, `${KEY}.tflock`]);
      expect(existsSync(stateFile())).toBe(true);
    },
    TIMEOUT,
  );

  test(
    "run again, takes its own lock away and the bucket into the state; killed once more, it leaves a role that nothing names",
    async () => {
      const { code, stdout, stderr } = await bootstrap({
        fatal: ({ action }) => action === "iam:CreateRole",
      });
      expect([code, stderr]).toEqual([null, ""]);
      expect(stdout).toContain("The state was still locked by the run that was killed");
      expect((await moto.inventory())["iam"]).not.toEqual([]);
      expect((await made()).filter((type) => type === "aws_iam_role")).toEqual([]);
    },
    TIMEOUT,
  );

  test(
    "run again, takes what is there into the state, and makes the rest",
    async () => {
      const { code, stdout, stderr } = await bootstrap();
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout).toContain(`${BUCKET} is there already: it is taken into the state.`);
      expect(stdout).toMatch(/tweedle-\S+ is there already: it is taken into the state\./);
      const outputs = Object.fromEntries(
        [...stdout.matchAll(/^(\w+) +(\S+)$/gm)].map(([, name, value]) => [name, value]),
      );
      const role = (name: string) => `arn:aws:iam::${accountId}:role/${name}`;
      expect(outputs).toMatchObject({
        state_bucket_name: BUCKET,
        plan_role_arn: role("tweedle-plan"),
        deploy_role_arns: JSON.stringify({
          dev: role("tweedle-deploy-dev"),
          prod: role("tweedle-deploy-prod"),
          test: role("tweedle-deploy-test"),
        }),
      });
      expect((await moto.inventory())["iam"]).toEqual([
        "tweedle-api-gateway-logs",
        "tweedle-deploy-dev",
        "tweedle-deploy-prod",
        "tweedle-deploy-test",
        "tweedle-plan",
      ]);
    },
    TIMEOUT,
  );

  test("keeps its state in the bucket, and nowhere else", async () => {
    expect(await objects()).toEqual([KEY]);
    expect((await made()).length).toBeGreaterThan(30);
    expect(existsSync(stateFile())).toBe(false);
  });

  test(
    "run again, has nothing to do",
    async () => {
      const before = proxy.passed.length;
      const { code, stdout, stderr } = await bootstrap();
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout).toContain("Everything is as it should be.");
      const writes = proxy.passed
        .slice(before)
        .filter(({ action }) => !/:(Get|List|Describe|GET|Head)/.test(action));
      expect(new Set(writes.map(({ path }) => path))).toEqual(new Set([`/${BUCKET}/${KEY}.tflock`]));
    },
    TIMEOUT,
  );

  test(
    "leaves a bucket that a stage is planned with",
    async () => {
      const stages = join(folder, "cdktf.out");
      createApp(stages).synth();
      const cwd = join(stages, "stacks/producer-consumer-dev");
      expect(emulate(cwd)).toBe(BUCKET);
      await run(tools.terraform, ["init", "-input=false"], { cwd, environment });
      const before = proxy.passed.length;
      const plan = await run(tools.terraform, ["plan", "-input=false", "-no-color"], { cwd, environment });
      expect(plan).toMatch(/Plan: \d+ to add, 0 to change, 0 to destroy\./);
      const paths = proxy.passed.slice(before).map(({ method, path }) => `${method} ${path}`);
      expect(paths).toContain(`PUT /${BUCKET}/producer-consumer-dev.tfstate.tflock`);
      expect(paths).toContain(`DELETE /${BUCKET}/producer-consumer-dev.tfstate.tflock`);
    },
    TIMEOUT,
  );

  test(
    "leaves stages that refuse another account's credentials, too, before anything is touched",
    async () => {
      const cwd = join(folder, "cdktf.out/stacks/producer-consumer-test");
      const json = readFileSync(join(cwd, "cdk.tf.json"), "utf8");
      expect(json.match(new RegExp(`"allowed_account_ids": \\[\\s+"${accountId}"`, "g"))).toHaveLength(2);
      emulate(cwd, { allowed_account_ids: ["999999999999"] });
      const before = proxy.passed.length;
      await expect(run(tools.terraform, ["init", "-input=false"], { cwd, environment })).rejects.toThrow(
        `AWS account ID not allowed: ${accountId}`,
      );
      expect(whatWasAsked(before)).toEqual(WHOSE);
    },
    TIMEOUT,
  );
});
