import { BOOTSTRAP, BOOTSTRAP_STACK, createBootstrap } from "../../bootstrap";
import { type AccessRequest, type Policy, assertSupported, isAllowed } from "../../local/iam";
import { S3_CONDITION_KEYS } from "../../local/s3/guard";
import { resolver } from "../../local/stack/references";
import { PLACE } from "../../main";
import { SynthesizedStack, temporaryFolder, text } from "../stacks/tools";

/* By simulation: what the roles of pipelines may do, and who may take them. */

const outdir = temporaryFolder();
const github = { repository: "alice/shop", ownerId: "123456", repositoryId: "456789" };
createBootstrap({ ...BOOTSTRAP, github }, outdir).synth();

const stack = new SynthesizedStack(outdir, BOOTSTRAP_STACK);
const { accountId, region } = PLACE;
const HOST = "token.actions.githubusercontent.com";
const KEYS = [
  ...S3_CONDITION_KEYS,
  ...["aud", "sub", "repository_id"].map((claim) => `${HOST}:${claim}`),
  "aws:PrincipalArn",
  "aws:RequestTag/project",
  "aws:RequestTag/stage",
  "aws:ResourceTag/project",
  "aws:ResourceTag/stage",
  "events:detail-type",
  "events:source",
  "iam:PassedToService",
  "iam:PermissionsBoundary",
  "lambda:FunctionArn",
];

const resources = stack.resources.map(({ attributes, ...rest }) => ({ ...rest, settings: attributes }));
const resolve = resolver(resources, PLACE);
function policy(json: string): Policy {
  const document = JSON.parse(resolve(json) as string) as Policy;
  assertSupported(document, KEYS, BOOTSTRAP_STACK);
  return document;
}

const roleArn = (name: string) => `arn:aws:iam::${accountId}:role/${name}`;
const policiesOf = (path: string) =>
  stack.referringTo(stack.at(path), "role", "aws_iam_role_policy").map((one) => policy(text(one, "policy")));
const EVERYTHING: Policy = { Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }] };
const ofStateBucket = policy(text(stack.at("state/policy"), "policy"));
const stateBucket = `arn:aws:s3:::tweedle-state-${accountId}-${region}`;

interface Who {
  readonly arn: string;
  readonly policies: readonly Policy[];
}

const role = (path: string): Who => ({
  arn: roleArn(text(stack.at(`${path}/role`), "name")),
  policies: policiesOf(`${path}/role`),
});
const plan = role("plan");
const dev = role("deploy-dev");
const prod = role("deploy-prod");
const administrator: Who = { arn: roleArn("Administrator"), policies: [EVERYTHING] };
/** A role of prod as somebody might make it who may deploy: it has all rights that its boundary leaves it. */
const boundedProd: Who = {
  arn: roleArn("tweedle-prod-anything"),
  policies: [policy(text(stack.at("boundary-prod"), "policy"))],
};

function may({ arn, policies }: Who, action: string, resource: string, context: AccessRequest["context"]) {
  const request: AccessRequest = {
    principal: { account: accountId },
    action,
    resource,
    context: {
      "aws:PrincipalAccount": accountId,
      "aws:PrincipalArn": arn,
      "aws:SecureTransport": "true",
      "s3:TlsVersion": "1.3",
      "s3:signatureversion": "AWS4-HMAC-SHA256",
      ...context,
    },
  };
  const isState = resource === stateBucket || resource.startsWith(`${stateBucket}/`);
  return isAllowed([...policies, ...(isState ? [ofStateBucket] : [])], request);
}

const at = (service: string, rest: string) => `arn:aws:${service}:${region}:${accountId}:${rest}`;
const content = (stage: string) => `arn:aws:s3:::tweedle-${stage}-content-${accountId}-${region}`;
const payload = (stage: string) => `${content(stage)}/input/6f1c2f6e-0a4b-4c1d-9e2f-0123456789ab/cat.jpg`;
const queue = (stage: string) => at("sqs", `tweedle-${stage}-queue`);
const fn = (stage: string) => at("lambda", `function:tweedle-${stage}-sender`);
const boundary = (stage: string) => `arn:aws:iam::${accountId}:policy/tweedle-boundary-${stage}`;
const state = (name: string) => `${stateBucket}/${name}.tfstate`;
const api = `arn:aws:apigateway:${region}::/restapis`;
const apiKeys = `arn:aws:apigateway:${region}::/apikeys`;
const key = at("kms", "key/1234");
const provider = `arn:aws:iam::${accountId}:oidc-provider/${HOST}`;

const tagged = (stage: string) => ({ "aws:ResourceTag/project": "tweedle", "aws:ResourceTag/stage": stage });
const asking = (stage: string) => ({ "aws:RequestTag/project": "tweedle", "aws:RequestTag/stage": stage });
const bounded = (stage: string) => ({ "iam:PermissionsBoundary": boundary(stage) });

type Case = [
  sentence: string,
  allowed: boolean,
  who: Who,
  action: string,
  resource: string,
  context?: AccessRequest["context"],
];

const PLAN: Case[] = [
  ["reads how a bucket is set", true, plan, "s3:GetBucketPolicy", content("prod")],
  ["asks whether it is there", true, plan, "s3:ListBucket", content("prod")],
  ["reads a queue's attributes", true, plan, "sqs:GetQueueAttributes", queue("prod")],
  ["reads a function", true, plan, "lambda:GetFunction", fn("prod")],
  ["reads a role", true, plan, "iam:GetRolePolicy", roleArn("tweedle-prod-sender")],
  ["reads an API", true, plan, "apigateway:GET", `${api}/a1b2c3/stages/prod`],
  [
    "reads a stage's API keys, which are in the state",
    true,
    plan,
    "apigateway:GET",
    `${apiKeys}/a1`,
    tagged("prod"),
  ],
  ["reads a stage's state", true, plan, "s3:GetObject", state("producer-consumer-prod")],
  ["sees what states there are", true, plan, "s3:ListBucket", stateBucket],
  ["reads no payload", false, plan, "s3:GetObject", payload("prod")],
  ["reads no payload's version", false, plan, "s3:GetObjectVersion", payload("dev")],
  ["lists no versions", false, plan, "s3:ListBucketVersions", content("dev")],
  ["reads no trail", false, plan, "s3:GetObject", `arn:aws:s3:::tweedle-prod-trail-${accountId}-${region}/x`],
  ["receives no message", false, plan, "sqs:ReceiveMessage", queue("dev")],
  ["decrypts nothing", false, plan, "kms:Decrypt", key, tagged("prod")],
  ["calls no function", false, plan, "lambda:InvokeFunction", fn("dev")],
  ["asks no API for a URL", false, plan, "execute-api:Invoke", at("execute-api", "a1/prod/POST/getObject")],
  [
    "reads no log",
    false,
    plan,
    "logs:GetLogEvents",
    at("logs", "log-group:/aws/lambda/tweedle-dev-sender:x"),
  ],
  ["writes no state", false, plan, "s3:PutObject", state("producer-consumer-dev")],
  ["takes no lock", false, plan, "s3:PutObject", `${state("producer-consumer-dev")}.tflock`],
  ["reads not the state that its own role is in", false, plan, "s3:GetObject", state("bootstrap")],
  [
    "reads an event source mapping, and whether it is gone",
    true,
    plan,
    "lambda:GetEventSourceMapping",
    at("lambda", "event-source-mapping:x"),
  ],
  ["reads its tags", true, plan, "lambda:ListTags", at("lambda", "event-source-mapping:x")],
  ["reads who gets an alarm", true, plan, "sns:GetSubscriptionAttributes", "*"],
  ["reads nobody else's bucket", false, plan, "s3:GetBucketPolicy", "arn:aws:s3:::elsewhere"],
  ["reads nobody else's API keys", false, plan, "apigateway:GET", `${apiKeys}/a2`],
  ["changes no queue", false, plan, "sqs:SetQueueAttributes", queue("dev")],
  ["changes no API", false, plan, "apigateway:PATCH", `${api}/a1b2c3`, tagged("dev")],
  ["makes no role", false, plan, "iam:CreateRole", roleArn("tweedle-dev-x"), bounded("dev")],
  ["takes no other role", false, plan, "sts:AssumeRole", dev.arn],
];

const DEPLOY: Case[] = [
  ["makes a bucket", true, dev, "s3:CreateBucket", content("dev")],
  ["sets a queue", true, dev, "sqs:SetQueueAttributes", queue("dev")],
  ["updates a function's code", true, dev, "lambda:UpdateFunctionCode", fn("dev")],
  ["makes an API with its tags", true, dev, "apigateway:POST", api, asking("dev")],
  ["changes the stage's API", true, dev, "apigateway:PATCH", `${api}/a1b2c3`, tagged("dev")],
  ["makes a key with its tags", true, dev, "kms:CreateKey", "*", asking("dev")],
  ["makes an alarm", true, dev, "cloudwatch:PutMetricAlarm", at("cloudwatch", "alarm:tweedle-dev-alarm-x")],
  ["starts the trail", true, dev, "cloudtrail:StartLogging", at("cloudtrail", "trail/tweedle-dev-trail")],
  [
    "makes the log group of an API's errors",
    true,
    dev,
    "logs:CreateLogGroup",
    at("logs", "log-group:API-Gateway-Execution-Logs_a1b2c3/dev:log-stream:"),
  ],
  [
    "tags that log group",
    true,
    dev,
    "logs:TagResource",
    at("logs", "log-group:API-Gateway-Execution-Logs_a1b2c3/dev"),
  ],
  [
    "makes the log group of a firewall",
    true,
    dev,
    "logs:CreateLogGroup",
    at("logs", "log-group:aws-waf-logs-tweedle-dev-web-acl:log-stream:"),
  ],
  ["ends an alarm's subscription", true, dev, "sns:Unsubscribe", "*"],
  [
    "feeds its functions from a queue",
    true,
    dev,
    "lambda:CreateEventSourceMapping",
    "*",
    { "lambda:FunctionArn": fn("dev") },
  ],
  [
    "makes a rule for new objects",
    true,
    dev,
    "events:PutRule",
    at("events", "rule/tweedle-dev-payloads"),
    { "events:source": "aws.s3", "events:detail-type": "Object Created" },
  ],
  ["makes a bounded role", true, dev, "iam:CreateRole", roleArn("tweedle-dev-sender"), bounded("dev")],
  [
    "gives a bounded role rights",
    true,
    dev,
    "iam:PutRolePolicy",
    roleArn("tweedle-dev-sender"),
    bounded("dev"),
  ],
  [
    "hands a role to a function",
    true,
    dev,
    "iam:PassRole",
    roleArn("tweedle-dev-sender"),
    { "iam:PassedToService": "lambda.amazonaws.com" },
  ],
  ["writes the stage's state", true, dev, "s3:PutObject", state("producer-consumer-dev")],
  ["locks it", true, dev, "s3:PutObject", `${state("producer-consumer-dev")}.tflock`],
  ["frees it", true, dev, "s3:DeleteObject", `${state("producer-consumer-dev")}.tflock`],
  ["empties what nobody would miss", true, dev, "s3:DeleteObjectVersion", payload("dev")],

  ["empties nothing of prod", false, prod, "s3:DeleteObjectVersion", payload("prod")],
  ["hides nothing of prod either", false, prod, "s3:DeleteObject", payload("prod")],
  ["reads no payload of its stage", false, prod, "s3:GetObject", payload("prod")],
  ["receives no message", false, prod, "sqs:ReceiveMessage", queue("prod")],
  ["purges no queue", false, prod, "sqs:PurgeQueue", queue("prod")],
  ["decrypts nothing", false, prod, "kms:Decrypt", key, tagged("prod")],
  ["touches no other stage's bucket", false, dev, "s3:PutBucketPolicy", content("prod")],
  ["touches no other stage's queue", false, dev, "sqs:DeleteQueue", queue("prod")],
  ["touches no other stage's function", false, dev, "lambda:UpdateFunctionCode", fn("prod")],
  ["touches no other stage's API", false, dev, "apigateway:DELETE", `${api}/a1b2c3`, tagged("prod")],
  [
    "has no other stage's API by tagging it",
    false,
    dev,
    "apigateway:PUT",
    `arn:aws:apigateway:${region}::/tags/x`,
    { ...tagged("prod"), ...asking("dev") },
  ],
  ["touches no API that nobody tagged", false, dev, "apigateway:PATCH", `${api}/a1b2c3`],
  ["makes no API for another stage", false, dev, "apigateway:POST", api, asking("prod")],
  ["drops no other stage's key", false, dev, "kms:ScheduleKeyDeletion", key, tagged("prod")],
  ["tags no other stage's key", false, dev, "kms:TagResource", key, { ...tagged("prod"), ...asking("dev") }],
  ["makes no role that nothing bounds", false, dev, "iam:CreateRole", roleArn("tweedle-dev-x")],
  [
    "makes no role in another stage's bounds",
    false,
    dev,
    "iam:CreateRole",
    roleArn("tweedle-dev-x"),
    bounded("prod"),
  ],
  [
    "gives no rights to a role that nothing bounds",
    false,
    dev,
    "iam:PutRolePolicy",
    roleArn("tweedle-dev-x"),
  ],
  [
    "frees no role of its bounds",
    false,
    dev,
    "iam:DeleteRolePermissionsBoundary",
    roleArn("tweedle-dev-x"),
    bounded("dev"),
  ],
  ["widens no bounds", false, dev, "iam:CreatePolicyVersion", boundary("dev")],
  ["drops no bounds", false, dev, "iam:DeletePolicy", boundary("dev")],
  ["gives itself no rights", false, dev, "iam:PutRolePolicy", dev.arn, bounded("dev")],
  ["lets nobody else take its role", false, dev, "iam:UpdateAssumeRolePolicy", dev.arn],
  ["nor the one that plans", false, dev, "iam:UpdateAssumeRolePolicy", plan.arn],
  [
    "changes whom none of its roles trusts",
    false,
    dev,
    "iam:UpdateAssumeRolePolicy",
    roleArn("tweedle-dev-x"),
  ],
  ["makes nobody trusted", false, dev, "iam:CreateOpenIDConnectProvider", provider],
  ["changes nothing of whom AWS trusts", false, dev, "iam:UpdateOpenIDConnectProviderThumbprint", provider],
  [
    "hands a role to no machine",
    false,
    dev,
    "iam:PassRole",
    roleArn("tweedle-dev-sender"),
    { "iam:PassedToService": "ec2.amazonaws.com" },
  ],
  ["makes no user", false, dev, "iam:CreateUser", `arn:aws:iam::${accountId}:user/tweedle-dev-x`],
  ["takes no other role", false, dev, "sts:AssumeRole", prod.arn],
  ["reads no other stage's state", false, dev, "s3:GetObject", state("producer-consumer-prod")],
  ["writes no other stage's state", false, dev, "s3:PutObject", state("producer-consumer-prod")],
  ["writes not the state that its own role is in", false, dev, "s3:PutObject", state("bootstrap")],
  ["reads not that state either", false, dev, "s3:GetObject", state("bootstrap")],
  ["deletes no state", false, dev, "s3:DeleteObject", state("producer-consumer-dev")],
  ["drops no state's history", false, dev, "s3:DeleteObjectVersion", state("producer-consumer-dev")],
  ["lets no state expire", false, dev, "s3:PutLifecycleConfiguration", stateBucket],
  [
    "feeds no other stage's functions",
    false,
    dev,
    "lambda:CreateEventSourceMapping",
    "*",
    { "lambda:FunctionArn": fn("prod") },
  ],
  [
    "takes no other stage's function its source",
    false,
    dev,
    "lambda:DeleteEventSourceMapping",
    at("lambda", "event-source-mapping:x"),
    { "lambda:FunctionArn": fn("prod") },
  ],
  [
    "makes no rule for who does what in the account",
    false,
    dev,
    "events:PutRule",
    at("events", "rule/tweedle-dev-spy"),
    { "events:source": "aws.s3", "events:detail-type": "AWS API Call via CloudTrail" },
  ],
  [
    "makes no rule for all that S3 tells",
    false,
    dev,
    "events:PutRule",
    at("events", "rule/tweedle-dev-spy"),
    { "events:source": "aws.s3" },
  ],
  ["makes no rule for everything", false, dev, "events:PutRule", at("events", "rule/tweedle-dev-spy")],
  ["lets no other account write logs, nor another service", false, dev, "logs:PutResourcePolicy", "*"],
];

const BUCKET: Case[] = [
  ["an administrator writes a state", true, administrator, "s3:PutObject", state("bootstrap")],
  [
    "he sets the lifecycle, since he bootstraps",
    true,
    administrator,
    "s3:PutLifecycleConfiguration",
    stateBucket,
  ],
  ["he deletes no version", false, administrator, "s3:DeleteObjectVersion", state("producer-consumer-prod")],
  ["he deletes no bucket", false, administrator, "s3:DeleteBucket", stateBucket],
  [
    "he has nothing over plain HTTP",
    false,
    administrator,
    "s3:GetObject",
    state("bootstrap"),
    { "aws:SecureTransport": "false" },
  ],
  ["nor over TLS 1.1", false, administrator, "s3:GetObject", state("bootstrap"), { "s3:TlsVersion": "1.1" }],
  [
    "a deploy with all rights would still not change how long versions are kept",
    false,
    { arn: prod.arn, policies: [EVERYTHING] },
    "s3:PutLifecycleConfiguration",
    stateBucket,
  ],
  [
    "nor would a function's role stop versions",
    false,
    { arn: roleArn("tweedle-prod-sender"), policies: [EVERYTHING] },
    "s3:PutBucketVersioning",
    stateBucket,
  ],
];

const BOUNDARY: Case[] = [
  ["uses the stage's payloads", true, boundedProd, "s3:GetObject", payload("prod")],
  ["consumes the stage's queue", true, boundedProd, "sqs:ReceiveMessage", queue("prod")],
  [
    "writes its log",
    true,
    boundedProd,
    "logs:PutLogEvents",
    at("logs", "log-group:/aws/lambda/tweedle-prod-x:log-stream:y"),
  ],
  ["decrypts with the stage's key", true, boundedProd, "kms:Decrypt", key, tagged("prod")],
  [
    "asks the stage's API",
    true,
    boundedProd,
    "execute-api:Invoke",
    at("execute-api", "a1/prod/POST/getObject"),
  ],
  ["uses no other stage's payloads", false, boundedProd, "s3:GetObject", payload("test")],
  ["decrypts with no other key", false, boundedProd, "kms:Decrypt", key, tagged("dev")],
  ["reads no state", false, boundedProd, "s3:GetObject", state("producer-consumer-prod")],
  ["changes no bucket", false, boundedProd, "s3:PutBucketPolicy", content("prod")],
  ["makes no role", false, boundedProd, "iam:CreateRole", roleArn("tweedle-prod-x"), bounded("prod")],
  ["takes no other role", false, boundedProd, "sts:AssumeRole", prod.arn],
];

describe.each([
  ["The role that plans", PLAN],
  ["A role that deploys", DEPLOY],
  ["In the state's bucket", BUCKET],
  ["A role of a stage, whatever it is given,", BOUNDARY],
])("%s", (_, cases) => {
  test.each<Case>(cases)("%s (%s)", (_sentence, allowed, who, action, resource, context = {}) => {
    expect(may(who, action, resource, context)).toBe(allowed);
  });
});

describe("A token of GitHub", () => {
  const claims = { aud: "sts.amazonaws.com", repository_id: "456789" };
  const takes = (path: string, token: Readonly<Record<string, string>>) => {
    const trust = policy(text(stack.at(`${path}/role`), "assume_role_policy"));
    const context = Object.fromEntries(
      Object.entries({ ...claims, ...token }).map(([name, value]) => [`${HOST}:${name}`, value]),
    );
    // A role's trust policy is about the role.
    const statements = trust.Statement.map((statement) => ({ ...statement, Resource: "*" }));
    return isAllowed([{ Statement: statements }], {
      principal: { federated: provider },
      action: "sts:AssumeRoleWithWebIdentity",
      resource: roleArn("any"),
      context,
    });
  };
  test.each<[sentence: string, allowed: boolean, path: string, token: Readonly<Record<string, string>>]>([
    ["for a pull request plans", true, "plan", { sub: "repo:alice/shop:pull_request" }],
    [
      "in the form with numbers does, too",
      true,
      "plan",
      { sub: "repo:alice@123456/shop@456789:pull_request" },
    ],
    [
      "of the deployed branch plans, which drift is found by",
      true,
      "plan",
      { sub: "repo:alice/shop:ref:refs/heads/main" },
    ],
    ["of another branch does not", false, "plan", { sub: "repo:alice/shop:ref:refs/heads/x" }],
    ["for an environment's job does not", false, "plan", { sub: "repo:alice/shop:environment:prod" }],
    ["of a fork does not", false, "plan", { sub: "repo:mallory/shop:pull_request", repository_id: "666" }],
    [
      "of who took the names over does not",
      false,
      "plan",
      { sub: "repo:alice/shop:pull_request", repository_id: "666" },
    ],
    [
      "of who took the names over has other numbers",
      false,
      "plan",
      { sub: "repo:alice@666/shop@667:pull_request", repository_id: "667" },
    ],
    [
      "for another cloud does not",
      false,
      "plan",
      { sub: "repo:alice/shop:pull_request", aud: "api://AzureADTokenExchange" },
    ],
    ["for an environment's job deploys", true, "deploy-prod", { sub: "repo:alice/shop:environment:prod" }],
    [
      "in the form with numbers does so, too",
      true,
      "deploy-prod",
      { sub: "repo:alice@123456/shop@456789:environment:prod" },
    ],
    ["for another environment's does not", false, "deploy-prod", { sub: "repo:alice/shop:environment:dev" }],
    ["for a pull request deploys nothing", false, "deploy-dev", { sub: "repo:alice/shop:pull_request" }],
    [
      "of the deployed branch alone deploys nothing",
      false,
      "deploy-dev",
      { sub: "repo:alice/shop:ref:refs/heads/main" },
    ],
    [
      "for an environment whose name begins alike does not",
      false,
      "deploy-prod",
      { sub: "repo:alice/shop:environment:prod2" },
    ],
  ])("%s (%s)", (_, allowed, path, token) => {
    expect(takes(path, token)).toBe(allowed);
  });
});
