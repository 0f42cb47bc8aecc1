import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { App } from "cdktf";
import { STAGES, createApp } from "../../main";
import { stackName } from "../../stacks/stage";
import { InspectionStack, SIGNING } from "../stacks/inspection-stack";
import { temporaryFolder } from "../stacks/tools";
import { type Deployment, readDeployment, withMistake } from "./deployment";
import { RULES, findings } from "./rules";

const outdir = temporaryFolder();
createApp(outdir).synth();
const extended = new App({ outdir: join(outdir, "extended") });
new InspectionStack(extended, "inspection", SIGNING, 60);
extended.synth();

const STAGE_DEPLOYMENTS = STAGES.map(({ stage, accountId, consumerAuthorization, forceDestroy = false }) =>
  readDeployment(outdir, {
    name: stackName(stage),
    accountId,
    throwAway: forceDestroy,
    open: consumerAuthorization === "NONE",
  }),
);

/** All that is deployed, and an extension of a stage. A further app's stacks are a line here. */
const DEPLOYMENTS: readonly Deployment[] = [
  ...STAGE_DEPLOYMENTS,
  readDeployment(extended.outdir, {
    name: "inspection",
    accountId: SIGNING.accountId,
    throwAway: false,
    open: false,
  }),
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

describe.each(RULES)("$id: $says", (rule) => {
  it.each(DEPLOYMENTS)("holds in $name", (deployment) => {
    expect(findings(rule, deployment)).toEqual([]);
  });

  it.each(STAGE_DEPLOYMENTS)("is about something in $name", (deployment) => {
    expect(rule.of(deployment)).not.toEqual([]);
  });

  it.each(rule.examples)("finds $what, and nothing else", (example) => {
    const { of: name = "producer-consumer-test", at, finds = [at] } = example;
    const deployment = DEPLOYMENTS.find((one) => one.name === name) as Deployment;
    const folder = join(outdir, "mistakes", rule.id, String(rule.examples.indexOf(example)));
    const mistaken = withMistake(deployment, example, folder);
    const addresses = finds.map((path) => mistaken.stack.at(path).address);
    expect(findings(rule, mistaken).toSorted()).toEqual(addresses.toSorted());
  });
});
