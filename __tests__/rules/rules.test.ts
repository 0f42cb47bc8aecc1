import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { App } from "cdktf";
import { BOOTSTRAP, BOOTSTRAP_STACK, createBootstrap } from "../../bootstrap";
import { STAGES, createApp } from "../../main";
import { ProducerConsumerStack } from "../../stacks/producer-consumer-stack";
import { stackName } from "../../stacks/stage";
import { InspectionStack, SIGNING } from "../stacks/inspection-stack";
import { KEYED, SWITCHED } from "../stacks/switched";
import { temporaryFolder } from "../stacks/tools";
import { type Attributes, type Deployment, readDeployment, set, withMistake } from "./deployment";
import { RULES, findings } from "./rules";

const outdir = temporaryFolder();
createApp(outdir).synth();
const extended = new App({ outdir: join(outdir, "extended") });
new InspectionStack(extended, "inspection", SIGNING, 60);
extended.synth();

const switched = new App({ outdir: join(outdir, "switched") });
for (const config of [SWITCHED, KEYED]) new ProducerConsumerStack(switched, config.stage, config);
switched.synth();

const github = { repository: "alice/shop", ownerId: "123456", repositoryId: "456789" };
const bootstrap = createBootstrap({ ...BOOTSTRAP, github }, join(outdir, "bootstrap"));
bootstrap.synth();

const STAGE_DEPLOYMENTS = STAGES.map(({ stage, accountId, consumerAuthorization, forceDestroy = false }) =>
  readDeployment(outdir, {
    name: stackName(stage),
    accountId,
    throwAway: forceDestroy,
    open: consumerAuthorization === "NONE",
  }),
);

const BOOTSTRAP_DEPLOYMENT = readDeployment(bootstrap.outdir, {
  name: BOOTSTRAP_STACK,
  accountId: BOOTSTRAP.accountId,
  throwAway: false,
  open: false,
});

/** All that is deployed, an extension of a stage, and two that are switched as far as it goes. A further app's stacks are a line here. */
const DEPLOYMENTS: readonly Deployment[] = [
  ...STAGE_DEPLOYMENTS,
  BOOTSTRAP_DEPLOYMENT,
  readDeployment(extended.outdir, {
    name: "inspection",
    accountId: SIGNING.accountId,
    throwAway: false,
    open: false,
  }),
  ...[SWITCHED, KEYED].map(({ stage, accountId }) =>
    readDeployment(switched.outdir, { name: stage, accountId, throwAway: false, open: false }),
  ),
];

it("Every rule has a name of its own, a sentence, and says where it comes from", () => {
  expect(new Set(RULES.map(({ id }) => id)).size).toBe(RULES.length);
  for (const { id, says, from } of RULES) {
    expect(id).toMatch(/^[a-z]+(-[a-z]+)+$/);
    expect(says).toMatch(/^[A-Z].*[^.]$/);
    expect(from).not.toEqual([]);
  }
});

it("SECURITY.md names rules, and tests, that there are", () => {
  const root = join(__dirname, "../..");
  const security = readFileSync(join(root, "SECURITY.md"), "utf8");
  const [table = ""] = /\n\| against(.*?)\n\n/s.exec(security) ?? [];
  const named = [...table.matchAll(/`([^`]*)`/g)].map(([, name = ""]) => name);
  const unknown = named.filter(
    (name) => !RULES.some(({ id }) => id === name) && !existsSync(join(root, name)),
  );
  expect(unknown).toEqual([]);
  expect(named.length).toBeGreaterThan(30);
});

it("Nobody may fetch without a signature, or loses a bucket with what is in it, but on dev", () => {
  const lax = STAGE_DEPLOYMENTS.filter(({ open, throwAway }) => open || throwAway);
  expect(lax.map(({ name }) => name)).toEqual(["producer-consumer-dev"]);
});

it("What the rules know nothing of changes nothing: alarms, a topic, a dashboard, a fence, a key", () => {
  const policy = JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Sid: "Admin", Effect: "Allow", Principal: { AWS: "*" }, Action: "kms:*", Resource: "*" }],
  });
  const others: readonly [type: string, attributes: Attributes][] = [
    ["aws_cloudwatch_metric_alarm", { alarm_name: "a", dimensions: { QueueName: "q" } }],
    ["aws_cloudwatch_dashboard", { dashboard_name: "d", dashboard_body: "{}" }],
    ["aws_sns_topic", { name: "t", kms_master_key_id: "alias/aws/sns" }],
    ["aws_sns_topic_policy", { arn: "${aws_sns_topic.added.arn}", policy }],
    ["aws_kms_key", { policy }],
    ["aws_wafv2_web_acl", { scope: "REGIONAL", rule: [{ name: "rate" }] }],
    ["aws_wafv2_web_acl_association", { resource_arn: "${aws_api_gateway_stage.x.arn}" }],
    ["aws_api_gateway_usage_plan", { name: "p", api_stages: [{ stage: "test" }] }],
    ["aws_cloudwatch_event_rule", { name: "r", event_pattern: "{}" }],
    ["aws_iam_policy", { name: "boundary", policy }],
  ];
  const [, deployment] = STAGE_DEPLOYMENTS as [Deployment, Deployment];
  const grown = others.reduce(
    (one, [adds, attributes], index) =>
      withMistake(
        one,
        { what: adds, at: adds, adds, become: set(attributes) },
        join(outdir, "grown", `${index}`),
      ),
    deployment,
  );
  expect(grown.stack.resources.length).toBe(deployment.stack.resources.length + others.length);
  expect(RULES.flatMap((rule) => findings(rule, grown))).toEqual([]);
});

describe.each(RULES)("$id: $says", (rule) => {
  it.each(DEPLOYMENTS)("holds in $name", (deployment) => {
    expect(findings(rule, deployment)).toEqual([]);
  });

  it.each(rule.app === "bootstrap" ? [BOOTSTRAP_DEPLOYMENT] : STAGE_DEPLOYMENTS)(
    "is about something in $name",
    (deployment) => {
      expect(rule.of(deployment)).not.toEqual([]);
    },
  );

  it.each(rule.examples)("finds $what, and nothing else", (example) => {
    const { of: name = "producer-consumer-test", at, finds = [at] } = example;
    const deployment = DEPLOYMENTS.find((one) => one.name === name) as Deployment;
    const folder = join(outdir, "mistakes", rule.id, String(rule.examples.indexOf(example)));
    const mistaken = withMistake(deployment, example, folder);
    const addresses = finds.map((path) => mistaken.stack.at(path).address);
    expect(findings(rule, mistaken).toSorted()).toEqual(addresses.toSorted());
  });
});
