import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { LambdaEventSourceMapping } from "@cdktf/provider-aws/lib/lambda-event-source-mapping";
import { App } from "cdktf";
import { BOOTSTRAP, BOOTSTRAP_STACK, createBootstrap } from "../../bootstrap";
import type { Policy } from "../../local/iam";
import { boundaryArn } from "../../stacks/rights";
import { type StageConfig, stackName } from "../../stacks/stage";
import { type IamRequest, isAuthorized } from "../permissions/judge";
import { createTranslator } from "../permissions/terraform-requests";
import { InspectionStack, SIGNING } from "../stacks/inspection-stack";
import { KEYED, SWITCHED } from "../stacks/switched";
import { SynthesizedStack, text } from "../stacks/tools";
import { describeWith } from "../terraform/describe-with";
import { emulate, emulatorVariables } from "../terraform/emulator";
import { FAKE_KEYS, startMoto } from "../terraform/moto";
import { type MotoProxy, startMotoProxy } from "../terraform/moto-proxy";
import { run, stopProcesses } from "../terraform/processes";
import { terraformEnvironment } from "../terraform/tools";

/*
 * A stage that has everything, with a consumer of its own, is applied, planned, changed and destroyed, and each request that
 * Terraform makes is judged as AWS would by the policies of the pipeline's roles.
 */

const { stage, accountId, region } = SWITCHED;
const PLACE = { accountId, region };
const STACK = stackName(stage);
/** In milliseconds. For queues and lifecycles the provider waits as long as AWS needs to settle. */
const TIMEOUT = 300_000;

const ALL: StageConfig = {
  ...SWITCHED,
  permissionsBoundary: boundaryArn(PLACE, stage),
  forceDestroy: true,
};

/** The same stage with producers who have keys, some options off, and other values where there are values. */
const { reservedConcurrentExecutions: _, ...UNRESERVED } = KEYED;
const OTHERS: StageConfig = {
  ...UNRESERVED,
  stage,
  permissionsBoundary: boundaryArn(PLACE, stage),
  forceDestroy: true,
  throttlingRateLimit: SIGNING.throttlingRateLimit + 1,
  wafRateLimit: 2000,
  eventBridge: false,
  apiLogs: false,
  denyOverwrites: false,
  sourceIps: ["198.51.100.0/24"],
  contentTypes: ["image/*"],
  payloadExpirationDays: 60,
  alarmEmail: "bob@example.com",
};

type Named = Policy["Statement"][number] & { readonly Sid: string };

/** The policies of a role of the bootstrap app. */
function policiesOf(stack: SynthesizedStack, path: string): Policy[] {
  const policies = stack.referringTo(stack.at(path), "role", "aws_iam_role_policy");
  return policies.map((policy) => JSON.parse(text(policy, "policy")) as Policy);
}

describeWith(
  ["terraform", "moto_server", "provider"],
  "The roles of the pipeline, by AWS's reference,",
  (tools) => {
    let folder: string;
    let cwd: string;
    let environment: Record<string, string | undefined>;
    let proxy: MotoProxy;
    let deploy: Policy[];
    let plan: Policy[];
    const translate = createTranslator(PLACE, { project: "tweedle", stage });
    /** The requests of the role that deploys. */
    const asked: IamRequest[] = [];

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), "tweedle-permissions-"));
      cwd = join(folder, "stacks", STACK);
      const github = { repository: "alice/shop" };
      createBootstrap({ ...BOOTSTRAP, ...PLACE, stages: [ALL], github }, join(folder, "bootstrap")).synth();
      const bootstrap = new SynthesizedStack(join(folder, "bootstrap"), BOOTSTRAP_STACK);
      deploy = policiesOf(bootstrap, `deploy-${stage}/role`);
      plan = policiesOf(bootstrap, "plan/role");
      const moto = await startMoto(tools.moto_server, accountId, region);
      proxy = await startMotoProxy(moto.url);
      environment = { ...terraformEnvironment(tools.provider, folder), ...emulatorVariables(proxy.url) };
      const s3 = new S3Client({ region, endpoint: moto.url, forcePathStyle: true, credentials: FAKE_KEYS });
      await s3.send(new CreateBucketCommand({ Bucket: synthesize(ALL, 10) }));
      s3.destroy();
      await run(tools.terraform, ["init", "-input=false", "-no-color"], { cwd, environment });
    }, TIMEOUT);

    afterAll(async () => {
      await proxy?.stop();
      await stopProcesses();
      rmSync(folder, { recursive: true, force: true });
    });

    /** @returns the name of the state's bucket */
    function synthesize(config: StageConfig, batchSize: number): string {
      const app = new App({ outdir: folder });
      const stack = new InspectionStack(app, STACK, config, 10);
      const mapping = stack.node.findAll().find((node) => node instanceof LambdaEventSourceMapping);
      if (mapping instanceof LambdaEventSourceMapping) mapping.batchSize = batchSize;
      app.synth();
      return emulate(cwd);
    }

    /** Runs Terraform, and gives the requests that it has made. */
    async function terraform(args: readonly string[], isFirst = false) {
      const before = proxy.passed.length;
      const output = await run(tools.terraform, [...args, "-input=false", "-no-color"], { cwd, environment });
      const requests = proxy.passed
        .slice(before)
        // Whose the credentials are may be asked by anybody.
        .filter(({ action }) => !/^(sts:GetCallerIdentity|iam:GetUser)$/.test(action))
        .flatMap((call) => translate(call, isFirst));
      expect(requests.length).toBeGreaterThan(100);
      return { output, requests };
    }

    const refused = (requests: readonly IamRequest[], policies: readonly Policy[]) => [
      ...new Set(
        requests
          .filter((request) => !isAuthorized(policies, request, accountId))
          .map((request) => JSON.stringify(request)),
      ),
    ];

    test(
      "let a deployment make a stage with everything, and a function that consumes its queue",
      async () => {
        const { requests } = await terraform(["apply", "-auto-approve"], true);
        asked.push(...requests);
        expect(refused(requests, deploy)).toEqual([]);
        // Without these, nothing would have been looked at that is authorised in a way of its own.
        const actions = new Set(requests.map(({ action }) => action));
        for (const action of [
          "lambda:CreateEventSourceMapping",
          "logs:PutRetentionPolicy",
          "sns:Subscribe",
          "wafv2:PutLoggingConfiguration",
        ])
          expect(actions).toContain(action);
      },
      TIMEOUT,
    );

    test(
      "let a pull request plan it, and drift be found, without the lock",
      async () => {
        const { output, requests } = await terraform(["plan", "-lock=false", "-detailed-exitcode"]);
        expect(output).toContain("No changes.");
        expect(refused(requests, plan)).toEqual([]);
      },
      TIMEOUT,
    );

    test(
      "let a deployment change it: other values, options off, producers with keys",
      async () => {
        synthesize(OTHERS, 5);
        const { requests } = await terraform(["apply", "-auto-approve"]);
        asked.push(...requests);
        expect(refused(requests, deploy)).toEqual([]);
      },
      TIMEOUT,
    );

    test(
      "let a pull request plan that, too",
      async () => {
        const { output, requests } = await terraform(["plan", "-lock=false", "-detailed-exitcode"]);
        expect(output).toContain("No changes.");
        expect(refused(requests, plan)).toEqual([]);
      },
      TIMEOUT,
    );

    test(
      "let a deployment destroy it with what is in its buckets",
      async () => {
        const { requests } = await terraform(["destroy", "-auto-approve"]);
        asked.push(...requests);
        expect(refused(requests, deploy)).toEqual([]);
      },
      TIMEOUT,
    );

    test("say nothing in vain: without any of its statements, a deployment would be refused something", () => {
      const distinct = [...new Map(asked.map((request) => [JSON.stringify(request), request])).values()];
      const statements = deploy.flatMap(({ Statement }) => Statement as readonly Named[]);
      const unused = statements.filter((one) => {
        const others = [{ Statement: statements.filter((other) => other !== one) }];
        return distinct.every((request) => isAuthorized(others, request, accountId));
      });
      // An API that was deleted by hand has no tags by which it could be read.
      expect(unused.map(({ Sid }) => Sid)).toEqual(["AnyApigateway"]);
    });
  },
);
