import { join } from "node:path";
import { BOOTSTRAP, BOOTSTRAP_STACK, createBootstrap } from "../../bootstrap";
import { PLACE, STAGES } from "../../main";
import type { BootstrapConfig, GitHubConfig } from "../../stacks/bootstrap-config";
import { ConfigurationError } from "../../stacks/stage";
import { SynthesizedStack, statements, temporaryFolder, text } from "./tools";

const outdir = temporaryFolder();
const { accountId, region } = PLACE;

const GITHUB: GitHubConfig = { repository: "alice/shop", ownerId: "123456", repositoryId: "456789" };

function synthesize(name: string, changes: Partial<BootstrapConfig>): SynthesizedStack {
  const folder = join(outdir, name);
  createBootstrap({ ...BOOTSTRAP, ...changes }, folder).synth();
  return new SynthesizedStack(folder, BOOTSTRAP_STACK);
}

const whole = synthesize("whole", { github: GITHUB });
const bare = synthesize("bare", {});

const countByType = ({ resources }: SynthesizedStack) =>
  Object.fromEntries(
    [...new Set(resources.map(({ type }) => type))]
      .toSorted()
      .map((type) => [type, resources.filter((resource) => resource.type === type).length]),
  );

const BUCKETS_AND_BOUNDARIES = {
  aws_api_gateway_account: 1,
  aws_cloudwatch_log_resource_policy: 1,
  aws_iam_policy: STAGES.length,
  aws_iam_role_policy_attachment: 1,
  aws_s3_bucket: 2,
  aws_s3_bucket_lifecycle_configuration: 2,
  aws_s3_bucket_logging: 1,
  aws_s3_bucket_ownership_controls: 2,
  aws_s3_bucket_policy: 2,
  aws_s3_bucket_public_access_block: 2,
  aws_s3_bucket_server_side_encryption_configuration: 2,
  aws_s3_bucket_versioning: 2,
};

it("The app makes the state's bucket, the stages' boundaries, and API Gateway's role, and where there is a repository its roles", () => {
  expect(countByType(bare)).toEqual({ ...BUCKETS_AND_BOUNDARIES, aws_iam_role: 1 });
  expect(countByType(whole)).toEqual({
    ...BUCKETS_AND_BOUNDARIES,
    aws_iam_openid_connect_provider: 1,
    aws_iam_role: 1 + 1 + STAGES.length,
    aws_iam_role_policy: 2 * (1 + STAGES.length),
  });
});

it("What is shipped trusts nobody's repository", () => {
  expect(BOOTSTRAP.github).toBeUndefined();
  expect(Object.keys(bare.outputs)).toEqual(["state_bucket_name"]);
});

it("Its state is in the bucket that it makes, which is the one that every stage names", () => {
  expect(whole.terraform["backend"]).toEqual({
    s3: {
      bucket: text(whole.at("state/bucket"), "bucket"),
      key: "bootstrap.tfstate",
      region,
      allowed_account_ids: [accountId],
      encrypt: true,
      use_lockfile: true,
    },
  });
  expect(text(whole.at("state/bucket"), "bucket")).toBe(`tweedle-state-${accountId}-${region}`);
  expect(whole.provider["aws"]?.[0]).toMatchObject({ allowed_account_ids: [accountId] });
});

it("A state is kept for ever, one that was written over for 90 days, and the last 20 of them for longer", () => {
  const rules = whole.at("state/lifecycle").attributes["rule"] as Record<string, unknown>[];
  expect(rules.filter(({ id }) => id === "expire-objects")).toEqual([
    {
      id: "expire-objects",
      status: "Enabled",
      filter: [{}],
      noncurrent_version_expiration: [{ noncurrent_days: 90, newer_noncurrent_versions: 20 }],
    },
  ]);
  expect(whole.at("state/bucket").attributes["lifecycle"]).toEqual({ prevent_destroy: true });
});

it("The outputs say what a workflow has to know", () => {
  const arn = (path: string) => `\${${whole.at(path).address}.arn}`;
  expect(whole.outputs).toEqual({
    state_bucket_name: `\${${whole.at("state/bucket").address}.id}`,
    plan_role_arn: arn("plan/role"),
    deploy_role_arns: Object.fromEntries(STAGES.map(({ stage }) => [stage, arn(`deploy-${stage}/role`)])),
    github_oidc_provider_arn: `arn:aws:iam::${accountId}:oidc-provider/token.actions.githubusercontent.com`,
  });
});

it("Every stage's roles are bounded by the policy that is made for it", () => {
  const arns = whole
    .ofType("aws_iam_policy")
    .map((policy) => `arn:aws:iam::${accountId}:policy/${text(policy, "name")}`);
  expect(new Set(STAGES.map(({ permissionsBoundary }) => permissionsBoundary))).toEqual(new Set(arns));
});

const subjectsOf = (stack: SynthesizedStack, path: string) =>
  statements(text(stack.at(path), "assume_role_policy")).map(({ Condition }) => Condition?.["StringEquals"]);

const HOST = "token.actions.githubusercontent.com";

it("Pull requests and the branch that is deployed plan, an environment's jobs deploy; by both forms of GitHub's subjects", () => {
  expect(subjectsOf(whole, "plan/role")).toEqual([
    {
      [`${HOST}:aud`]: "sts.amazonaws.com",
      [`${HOST}:sub`]: [
        "repo:alice/shop:pull_request",
        "repo:alice@123456/shop@456789:pull_request",
        "repo:alice/shop:ref:refs/heads/main",
        "repo:alice@123456/shop@456789:ref:refs/heads/main",
      ],
      [`${HOST}:repository_id`]: "456789",
    },
  ]);
  expect(subjectsOf(whole, "deploy-prod/role")).toEqual([
    {
      [`${HOST}:aud`]: "sts.amazonaws.com",
      [`${HOST}:sub`]: ["repo:alice/shop:environment:prod", "repo:alice@123456/shop@456789:environment:prod"],
      [`${HOST}:repository_id`]: "456789",
    },
  ]);
});

it("Without the numbers, names alone are trusted; another branch can be the deployed one", () => {
  const named = synthesize("named", { github: { repository: "alice/shop", branch: "release/2" } });
  expect(subjectsOf(named, "plan/role")).toEqual([
    {
      [`${HOST}:aud`]: "sts.amazonaws.com",
      [`${HOST}:sub`]: ["repo:alice/shop:pull_request", "repo:alice/shop:ref:refs/heads/release/2"],
    },
  ]);
});

it("AWS may deliver the logs of the stages' firewalls, on behalf of this account", () => {
  expect(statements(text(bare.at("waf-logs"), "policy_document"))).toEqual([
    {
      Sid: expect.any(String),
      Effect: "Allow",
      Principal: { Service: "delivery.logs.amazonaws.com" },
      Action: ["logs:CreateLogStream", "logs:PutLogEvents"],
      Resource: `arn:aws:logs:${region}:${accountId}:log-group:aws-waf-logs-tweedle-*-*:log-stream:*`,
      Condition: {
        StringEquals: { "aws:SourceAccount": accountId },
        ArnLike: { "aws:SourceArn": `arn:aws:logs:${region}:${accountId}:*` },
      },
    },
  ]);
});

it("An OIDC provider that is there already is looked at and left alone", () => {
  const found = synthesize("found", { github: { ...GITHUB, oidcProviderExists: true } });
  expect(found.ofType("aws_iam_openid_connect_provider")).toEqual([]);
  const { data } = JSON.parse(found.json) as {
    data: Record<string, Record<string, Record<string, unknown>>>;
  };
  const [provider] = Object.values(data["aws_iam_openid_connect_provider"] ?? {});
  expect(provider).toMatchObject({ url: `https://${HOST}` });
  expect(found.outputs["github_oidc_provider_arn"]).toBe(whole.outputs["github_oidc_provider_arn"]);
});

it("Where something else sets the region's API Gateway, it is left alone", () => {
  const without = synthesize("without", { apiGatewayAccount: false });
  expect(without.ofType("aws_api_gateway_account")).toEqual([]);
  expect(without.ofType("aws_iam_role")).toEqual([]);
});

describe("A configuration that is not fit is refused with one sentence:", () => {
  it.each<[object, string]>([
    [
      { region: "Frankfurt" },
      'bootstrap.ts: region must be a region of AWS\'s commercial partition, such as eu-central-1, not "Frankfurt".',
    ],
    [{ stages: [] }, "bootstrap.ts: stages must be the stages that live there, at least one, not []."],
    [{ gitHub: {} }, 'bootstrap.ts: unknown property "gitHub". Did you mean "github"?'],
    [{ accountId: "1234" }, "bootstrap.ts: accountId must be the 12 digits of an AWS account, in quotes"],
    [{ stages: [STAGES[0], STAGES[0]] }, 'There are two stages "dev": each needs a name of its own.'],
    [
      { github: { repository: "alice/shop", ownerID: "1" } },
      'bootstrap.ts, github: unknown property "ownerID". Did you mean "ownerId"?',
    ],
    [{ stages: [{ ...STAGES[0], stage: "plan" }] }, 'Stage "plan": stage must be'],
    ...["OWNER", "alice/*", "*/shop", "alice/shop:environment:prod", "https://github.com/alice/shop", ""].map(
      (repository): [object, string] => [
        { github: { repository } },
        `bootstrap.ts, github: repository must be owner/name of a repository on github.com, not "${repository}".`,
      ],
    ),
    [
      { github: { ...GITHUB, ownerId: 123456 } },
      'bootstrap.ts, github: ownerId must be the number of the repository\'s owner, in quotes: "123456", or left out, not 123456.',
    ],
    [
      { github: { repository: "alice/shop", ownerId: "123456" } },
      "bootstrap.ts, github: ownerId and repositoryId go together",
    ],
    [{ github: { ...GITHUB, branch: "*" } }, "bootstrap.ts, github: branch must be a branch's name"],
  ])("%j", (changes, sentence) => {
    const synth = () => synthesize("refused", changes);
    expect(synth).toThrow(ConfigurationError);
    expect(synth).toThrow(sentence);
  });

  it("more stages than a role's policies have room for", () => {
    const synth = () => synthesize("many", { stages: stagesOf(150), github: GITHUB });
    expect(synth).toThrow(
      /^tweedle-plan: its policies have \d+ characters, and IAM takes 10240: name fewer stages, or grant less\.$/,
    );
  });
});

/** So many stages, with the longest names that they may have. */
const stagesOf = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    ...BOOTSTRAP.stages[0]!,
    stage: `stage${String(index).padStart(7, "0")}`,
    forceDestroy: true,
  }));

it("There is room for 80 stages in a region with a long name", () => {
  const place = { accountId, region: "ap-southeast-1" };
  const stages = stagesOf(80).map((stage) => ({ ...stage, ...place }));
  const stack = synthesize("room", { ...place, stages, github: GITHUB });
  const boundaries = stack.ofType("aws_iam_policy");
  expect(boundaries).toHaveLength(80);
  // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
  for (const policy of boundaries) expect(text(policy, "policy").length).toBeLessThan(6144);
  // https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html
  expect(text(stack.at("state/policy"), "policy").length).toBeLessThan(20 * 1024);
});
