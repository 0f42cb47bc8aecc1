import { type AccessRequest, type Policy, assertSupported, isAllowed } from "../../local/iam";
import { S3_CONDITION_KEYS } from "../../local/s3/guard";
import { LOCAL_API_ID, resolver } from "../../local/stack/references";
import { STAGES, createApp } from "../../main";
import { stackName } from "../../stacks/stage";
import { SynthesizedStack, temporaryFolder, text } from "../stacks/tools";

/*
 * Policies by simulation: who may do what on a stage, judged as AWS would by the policies in its JSON. The evaluator
 * is the local chain's; it refuses what it could not judge.
 */

const outdir = temporaryFolder();
createApp(outdir).synth();

const OTHER_ACCOUNT = "999999999999";
const EVERYTHING: Policy = { Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }] };

type Who = AccessRequest["principal"] & { readonly policies: readonly Policy[] };

/** A stage's principals and resources, and whether one may do something with the other. */
function world(stage: string) {
  const stack = new SynthesizedStack(outdir, stackName(stage));
  const { accountId, region } = STAGES.find((config) => config.stage === stage) ?? STAGES[0]!;
  const resources = stack.resources.map(({ attributes, ...rest }) => ({ ...rest, settings: attributes }));
  const resolve = resolver(resources, { accountId, region });
  const policy = (json: string) => {
    const document = JSON.parse(resolve(json) as string) as Policy;
    assertSupported(document, [...S3_CONDITION_KEYS, "s3:prefix"], stage);
    return document;
  };
  const name = (resource: string) => `tweedle-${stage}-${resource}`;
  const arn = {
    content: `arn:aws:s3:::${name(`content-${accountId}-${region}`)}`,
    trailBucket: `arn:aws:s3:::${name(`trail-${accountId}-${region}`)}`,
    logs: `arn:aws:s3:::${name(`access-logs-${accountId}-${region}`)}`,
    queue: `arn:aws:sqs:${region}:${accountId}:${name("queue")}`,
    dead: `arn:aws:sqs:${region}:${accountId}:${name("queue-dead-letter")}`,
    trail: `arn:aws:cloudtrail:${region}:${accountId}:trail/${name("trail")}`,
    function: (id: string) => `arn:aws:lambda:${region}:${accountId}:function:${name(id)}`,
    log: (id: string) => `arn:aws:logs:${region}:${accountId}:log-group:/aws/lambda/${name(id)}:log-stream:x`,
    api: (method: string) => `arn:aws:execute-api:${region}:${accountId}:${LOCAL_API_ID}/${stage}/${method}`,
  };

  /** The policies that hang on a resource itself. */
  function ofResource(resource: string): Policy[] {
    const buckets = stack
      .ofType("aws_s3_bucket_policy")
      .filter((one) => {
        const bucket = `arn:aws:s3:::${String(resolve(one.attributes["bucket"]))}`;
        return resource === bucket || resource.startsWith(`${bucket}/`);
      })
      .map((one) => policy(text(one, "policy")));
    const queues = stack
      .ofType("aws_sqs_queue")
      .filter((queue) => resource.endsWith(`:${text(queue, "name")}`))
      .map((queue) => policy(text(queue, "policy")));
    const functions = stack
      .ofType("aws_lambda_permission")
      .map(({ attributes }) => resolve(attributes) as Readonly<Record<string, string>>)
      .map(({ function_name = "", principal = "", action = "", source_arn = "" }) => ({
        Effect: "Allow" as const,
        Principal: { Service: principal },
        Action: action,
        Resource: `arn:aws:lambda:${region}:${accountId}:function:${function_name}`,
        Condition: { ArnLike: { "aws:SourceArn": source_arn } },
      }));
    return [...buckets, ...queues, { Statement: functions }];
  }

  const roleOf = (id: string): Who => {
    const role = stack.at(`${id}/role`);
    const policies = stack.referringTo(role, "role", "aws_iam_role_policy");
    return { account: accountId, policies: policies.map((one) => policy(text(one, "policy"))) };
  };
  const holderOf = (output: string): Who => ({
    account: accountId,
    policies: [policy(stack.outputs[output] ?? "")],
  });
  const service = (named: string): Who => ({ service: `${named}.amazonaws.com`, policies: [] });
  const who = {
    roleOf,
    consumer: holderOf("consumer_policy_json"),
    operator: holderOf("operator_policy_json"),
    administrator: { account: accountId, policies: [EVERYTHING] },
    stranger: { account: OTHER_ACCOUNT, policies: [EVERYTHING] },
    service,
  };

  /** @param changes condition keys that are otherwise than of a fresh URL over TLS, in this account */
  function may(asking: Who, action: string, resource: string, changes: AccessRequest["context"] = {}) {
    const account = "account" in asking ? asking.account : undefined;
    const context = {
      "aws:PrincipalAccount": account,
      "aws:ResourceAccount": accountId,
      "aws:SecureTransport": "true",
      "s3:TlsVersion": "1.3",
      "s3:authType": "REST-QUERY-STRING",
      "s3:signatureAge": "1000",
      "s3:signatureversion": "AWS4-HMAC-SHA256",
      ...changes,
    };
    const principal = account === undefined ? asking : { account };
    const request = { principal, action, resource, context } as AccessRequest;
    const theirs = ofResource(resource);
    // Across accounts, both sides have to allow it: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html
    return account === undefined || account === accountId
      ? isAllowed([...asking.policies, ...theirs], request)
      : isAllowed(asking.policies, request) && isAllowed(theirs, request);
  }
  return { arn, who, may, accountId };
}

type Case = [
  sentence: string,
  allowed: boolean,
  who: Who,
  action: string,
  resource: string,
  changes?: AccessRequest["context"],
];

const HEADER_SIGNED = { "s3:authType": "REST-HEADER" };
const OLD = { "s3:signatureAge": "900001" };
const PLAIN = { "aws:SecureTransport": "false" };

describe.each(["test", "prod"])("On %s, where consumers sign,", (stage) => {
  const { arn, who, may, accountId } = world(stage);
  const [producers, consumers, sender, form] = ["producer-signer", "consumer-signer", "sender", "form"].map(
    who.roleOf,
  ) as [Who, Who, Who, Who];
  const payload = `${arn.content}/input/6f1c2f6e-0a4b-4c1d-9e2f-0123456789ab/cat.jpg`;
  const { consumer, operator, administrator, stranger } = who;
  const s3 = who.service("s3");
  const fromBucket = { "aws:SourceArn": arn.content, "aws:SourceAccount": accountId };
  const logging = who.service("logging.s3");
  const trail = who.service("cloudtrail");
  const trailFile = `${arn.trailBucket}/AWSLogs/${accountId}/CloudTrail/x.json.gz`;
  const fromTrail = { "aws:SourceArn": arn.trail, "s3:x-amz-acl": "bucket-owner-full-control" };
  const gateway = who.service("apigateway");
  const producerSigner = arn.function("producer-signer");
  const consumerSigner = arn.function("consumer-signer");

  const cases: Case[] = [
    ["the producers' signer puts by a URL", true, producers, "s3:PutObject", payload],
    ["it gives uploads in parts up", true, producers, "s3:AbortMultipartUpload", payload],
    ["it lists the parts of one", true, producers, "s3:ListMultipartUploadParts", payload],
    [
      "stolen, its credentials put nothing without a URL",
      false,
      producers,
      "s3:PutObject",
      payload,
      HEADER_SIGNED,
    ],
    ["nor by a browser's form", false, producers, "s3:PutObject", payload, { "s3:authType": "POST" }],
    [
      "nor where S3 does not know how",
      false,
      producers,
      "s3:PutObject",
      payload,
      { "s3:authType": undefined },
    ],
    ["its URL puts at 15 minutes", true, producers, "s3:PutObject", payload, { "s3:signatureAge": "900000" }],
    ["its URL puts nothing later", false, producers, "s3:PutObject", payload, OLD],
    ["its URL puts nothing over plain HTTP", false, producers, "s3:PutObject", payload, PLAIN],
    [
      "its URL puts nothing over TLS 1.1",
      false,
      producers,
      "s3:PutObject",
      payload,
      { "s3:TlsVersion": "1.1" },
    ],
    [
      "its URL puts nothing under a customer's own key",
      false,
      producers,
      "s3:PutObject",
      payload,
      { "s3:x-amz-server-side-encryption-customer-algorithm": "AES256" },
    ],
    [
      "its URL puts nothing by Signature Version 2",
      false,
      producers,
      "s3:PutObject",
      payload,
      { "s3:signatureversion": "AWS" },
    ],
    ["it puts nothing beside input/", false, producers, "s3:PutObject", `${arn.content}/output/cat.jpg`],
    [
      "it puts nothing under a name that begins alike",
      false,
      producers,
      "s3:PutObject",
      `${arn.content}/inputs/a`,
    ],
    [
      "it puts nothing into the trail's bucket",
      false,
      producers,
      "s3:PutObject",
      `${arn.trailBucket}/input/a`,
    ],
    ["it puts nothing into the access logs", false, producers, "s3:PutObject", `${arn.logs}/input/a`],
    [
      "it puts nothing into another bucket",
      false,
      producers,
      "s3:PutObject",
      "arn:aws:s3:::elsewhere/input/a",
      { "aws:ResourceAccount": OTHER_ACCOUNT },
    ],
    [
      "it puts nothing into a bucket of that name in another account",
      false,
      producers,
      "s3:PutObject",
      payload,
      { "aws:ResourceAccount": OTHER_ACCOUNT },
    ],
    ["it cannot read", false, producers, "s3:GetObject", payload],
    ["it cannot read a version", false, producers, "s3:GetObjectVersion", payload],
    ["it cannot delete", false, producers, "s3:DeleteObject", payload],
    ["it cannot delete a version", false, producers, "s3:DeleteObjectVersion", payload],
    ["it cannot list payloads", false, producers, "s3:ListBucket", arn.content],
    ["it cannot list versions", false, producers, "s3:ListBucketVersions", arn.content],
    ["it cannot list uploads", false, producers, "s3:ListBucketMultipartUploads", arn.content],
    ["it cannot open an object to others", false, producers, "s3:PutObjectAcl", payload],
    ["it cannot tag", false, producers, "s3:PutObjectTagging", payload],
    ["it cannot change the bucket's policy", false, producers, "s3:PutBucketPolicy", arn.content],
    ["it cannot send", false, producers, "sqs:SendMessage", arn.queue],
    ["it writes its own log", true, producers, "logs:PutLogEvents", arn.log("producer-signer")],
    ["it writes no other's", false, producers, "logs:PutLogEvents", arn.log("consumer-signer")],
    ["it makes no log group", false, producers, "logs:CreateLogGroup", arn.log("producer-signer")],
    ["it calls no function", false, producers, "lambda:InvokeFunction", consumerSigner],
    ["it takes no other role", false, producers, "sts:AssumeRole", `arn:aws:iam::${accountId}:role/x`],

    ["the consumers' signer reads by a URL", true, consumers, "s3:GetObject", payload],
    ["it reads a version", true, consumers, "s3:GetObjectVersion", payload],
    ["it deletes", true, consumers, "s3:DeleteObject", payload],
    ["it deletes a version", true, consumers, "s3:DeleteObjectVersion", payload],
    [
      "stolen, its credentials read nothing without a URL",
      false,
      consumers,
      "s3:GetObject",
      payload,
      HEADER_SIGNED,
    ],
    ["nor do they delete", false, consumers, "s3:DeleteObjectVersion", payload, HEADER_SIGNED],
    ["its URL reads nothing later than 15 minutes", false, consumers, "s3:GetObject", payload, OLD],
    ["its URL reads nothing over plain HTTP", false, consumers, "s3:GetObject", payload, PLAIN],
    ["it cannot write", false, consumers, "s3:PutObject", payload],
    ["it cannot list", false, consumers, "s3:ListBucket", arn.content],
    ["it reads no trail", false, consumers, "s3:GetObject", trailFile],
    ["it reads no access log", false, consumers, "s3:GetObject", `${arn.logs}/x`],
    ["it cannot send", false, consumers, "sqs:SendMessage", arn.queue],
    ["it cannot receive", false, consumers, "sqs:ReceiveMessage", arn.queue],

    ["the sender sends to its queue", true, sender, "sqs:SendMessage", arn.queue],
    ["not over plain HTTP", false, sender, "sqs:SendMessage", arn.queue, PLAIN],
    ["not to the dead letters", false, sender, "sqs:SendMessage", arn.dead],
    ["not to another queue", false, sender, "sqs:SendMessage", `${arn.queue}-other`],
    [
      "not to a queue of that name in another account",
      false,
      sender,
      "sqs:SendMessage",
      arn.queue,
      { "aws:ResourceAccount": OTHER_ACCOUNT },
    ],
    ["it cannot receive", false, sender, "sqs:ReceiveMessage", arn.queue],
    ["it cannot purge", false, sender, "sqs:PurgeQueue", arn.queue],
    ["it cannot change the queue", false, sender, "sqs:SetQueueAttributes", arn.queue],
    ["it cannot put", false, sender, "s3:PutObject", payload],

    ["the form's server writes its own log", true, form, "logs:PutLogEvents", arn.log("form")],
    ["it writes no other's", false, form, "logs:PutLogEvents", arn.log("producer-signer")],
    ["it cannot put, by a URL or without one", false, form, "s3:PutObject", payload],
    ["it cannot read", false, form, "s3:GetObject", payload],
    ["it cannot send", false, form, "sqs:SendMessage", arn.queue],
    ["it calls no function", false, form, "lambda:InvokeFunction", producerSigner],

    ["a consumer receives", true, consumer, "sqs:ReceiveMessage", arn.queue],
    ["a consumer deletes what it received", true, consumer, "sqs:DeleteMessage", arn.queue],
    ["a consumer keeps a message longer", true, consumer, "sqs:ChangeMessageVisibility", arn.queue],
    ["a consumer asks for a URL to read", true, consumer, "execute-api:Invoke", arn.api("POST/getObject")],
    [
      "a consumer asks for a URL to delete",
      true,
      consumer,
      "execute-api:Invoke",
      arn.api("POST/deleteObject"),
    ],
    ["a consumer cannot send", false, consumer, "sqs:SendMessage", arn.queue],
    ["a consumer cannot purge", false, consumer, "sqs:PurgeQueue", arn.queue],
    ["a consumer has nothing over plain HTTP", false, consumer, "sqs:ReceiveMessage", arn.queue, PLAIN],
    ["a consumer receives no dead letters", false, consumer, "sqs:ReceiveMessage", arn.dead],
    ["a consumer reads no payload past the API", false, consumer, "s3:GetObject", payload, HEADER_SIGNED],
    ["a consumer cannot write", false, consumer, "s3:PutObject", payload, HEADER_SIGNED],
    ["a consumer cannot list", false, consumer, "s3:ListBucket", arn.content, HEADER_SIGNED],
    [
      "a consumer asks for nothing with another method",
      false,
      consumer,
      "execute-api:Invoke",
      arn.api("GET/getObject"),
    ],
    [
      "a consumer asks for nothing of another stage",
      false,
      consumer,
      "execute-api:Invoke",
      arn.api("POST/getObject").replace(`/${stage}/`, "/dev/"),
    ],
    ["a consumer calls no function past the API", false, consumer, "lambda:InvokeFunction", consumerSigner],

    ["an operator looks at dead letters", true, operator, "sqs:ReceiveMessage", arn.dead],
    ["an operator shows them to others again", true, operator, "sqs:ChangeMessageVisibility", arn.dead],
    ["an operator hides no message but the dead", false, operator, "sqs:ChangeMessageVisibility", arn.queue],
    ["an operator sends them back", true, operator, "sqs:StartMessageMoveTask", arn.dead],
    ["an operator announces again", true, operator, "sqs:SendMessage", arn.queue],
    [
      "an operator lists what is left",
      true,
      operator,
      "s3:ListBucket",
      arn.content,
      { ...HEADER_SIGNED, "s3:prefix": "input/" },
    ],
    [
      "an operator lists nothing else",
      false,
      operator,
      "s3:ListBucket",
      arn.content,
      { ...HEADER_SIGNED, "s3:prefix": "" },
    ],
    ["an operator drops a payload", true, operator, "execute-api:Invoke", arn.api("POST/deleteObject")],
    ["an operator cannot ask to read one", false, operator, "execute-api:Invoke", arn.api("POST/getObject")],
    ["an operator cannot read one", false, operator, "s3:GetObject", payload, HEADER_SIGNED],
    ["an operator cannot write one", false, operator, "s3:PutObject", payload, HEADER_SIGNED],
    ["an operator receives no messages but the dead", false, operator, "sqs:ReceiveMessage", arn.queue],
    ["an operator reads no trail", false, operator, "s3:GetObject", trailFile, HEADER_SIGNED],

    ["S3 announces the content bucket's objects", true, s3, "sqs:SendMessage", arn.queue, fromBucket],
    [
      "another account's bucket cannot send",
      false,
      s3,
      "sqs:SendMessage",
      arn.queue,
      { "aws:SourceArn": "arn:aws:s3:::elsewhere", "aws:SourceAccount": OTHER_ACCOUNT },
    ],
    [
      "a bucket of that name in another account cannot send",
      false,
      s3,
      "sqs:SendMessage",
      arn.queue,
      { ...fromBucket, "aws:SourceAccount": OTHER_ACCOUNT },
    ],
    [
      "another bucket of this account cannot send",
      false,
      s3,
      "sqs:SendMessage",
      arn.queue,
      { ...fromBucket, "aws:SourceArn": arn.logs },
    ],
    ["S3 sends nothing that names no bucket", false, s3, "sqs:SendMessage", arn.queue],
    ["S3 cannot receive", false, s3, "sqs:ReceiveMessage", arn.queue, fromBucket],
    ["S3 sends nothing to the dead letters", false, s3, "sqs:SendMessage", arn.dead, fromBucket],
    ["another service cannot send", false, who.service("sns"), "sqs:SendMessage", arn.queue, fromBucket],

    ["the trail writes its files", true, trail, "s3:PutObject", trailFile, fromTrail],
    [
      "another trail of this account cannot",
      false,
      trail,
      "s3:PutObject",
      trailFile,
      { ...fromTrail, "aws:SourceArn": `${arn.trail}-other` },
    ],
    [
      "another account's trail of that name cannot",
      false,
      trail,
      "s3:PutObject",
      trailFile,
      { ...fromTrail, "aws:SourceArn": arn.trail.replace(accountId, OTHER_ACCOUNT) },
    ],
    [
      "the trail writes nothing that we do not own",
      false,
      trail,
      "s3:PutObject",
      trailFile,
      { ...fromTrail, "s3:x-amz-acl": undefined },
    ],
    ["the trail writes nothing among the payloads", false, trail, "s3:PutObject", payload, fromTrail],
    ["the trail cannot read", false, trail, "s3:GetObject", trailFile, fromTrail],
    ["the trail asks whose bucket it is", true, trail, "s3:GetBucketAcl", arn.trailBucket, fromTrail],

    [
      "S3 writes the content bucket's access logs",
      true,
      logging,
      "s3:PutObject",
      `${arn.logs}/${arn.content.split(":").at(-1)}/x`,
      fromBucket,
    ],
    [
      "but not where another bucket's go",
      false,
      logging,
      "s3:PutObject",
      `${arn.logs}/${arn.trailBucket.split(":").at(-1)}/x`,
      fromBucket,
    ],
    [
      "nor another account's",
      false,
      logging,
      "s3:PutObject",
      `${arn.logs}/${arn.content.split(":").at(-1)}/x`,
      { ...fromBucket, "aws:SourceAccount": OTHER_ACCOUNT },
    ],

    [
      "the API calls the producers' signer for putObject",
      true,
      gateway,
      "lambda:InvokeFunction",
      producerSigner,
      { "aws:SourceArn": arn.api("POST/putObject") },
    ],
    [
      "it does not call it for getObject",
      false,
      gateway,
      "lambda:InvokeFunction",
      producerSigner,
      { "aws:SourceArn": arn.api("POST/getObject") },
    ],
    [
      "nor the consumers' for putObject",
      false,
      gateway,
      "lambda:InvokeFunction",
      consumerSigner,
      { "aws:SourceArn": arn.api("POST/putObject") },
    ],
    [
      "nor for another method",
      false,
      gateway,
      "lambda:InvokeFunction",
      producerSigner,
      { "aws:SourceArn": arn.api("GET/putObject") },
    ],
    [
      "another API of this account calls neither",
      false,
      gateway,
      "lambda:InvokeFunction",
      producerSigner,
      { "aws:SourceArn": arn.api("POST/putObject").replace(LOCAL_API_ID, "other") },
    ],

    [
      "an administrator of another account cannot read",
      false,
      stranger,
      "s3:GetObject",
      payload,
      HEADER_SIGNED,
    ],
    ["he cannot write", false, stranger, "s3:PutObject", payload, HEADER_SIGNED],
    ["he cannot send", false, stranger, "sqs:SendMessage", arn.queue],
    ["he cannot receive", false, stranger, "sqs:ReceiveMessage", arn.queue],
    ["he cannot call a function", false, stranger, "lambda:InvokeFunction", producerSigner],
    [
      "an administrator of this account can read, which is what the trail is for",
      true,
      administrator,
      "s3:GetObject",
      payload,
      HEADER_SIGNED,
    ],
    [
      "but not over plain HTTP",
      false,
      administrator,
      "s3:GetObject",
      payload,
      { ...HEADER_SIGNED, ...PLAIN },
    ],
    [
      "nor with a signature of an hour ago",
      false,
      administrator,
      "s3:GetObject",
      payload,
      { "s3:signatureAge": "3600000" },
    ],
  ];

  // (Without the default, Jest takes the last parameter of a shorter row for its callback.)
  test.each<Case>(cases)("%s (%s)", (_, allowed, asking, action, resource, changes = {}) => {
    expect(may(asking, action, resource, changes)).toBe(allowed);
  });
});

describe("On dev, where nobody signs,", () => {
  const { arn, who, may } = world("dev");
  const signer = who.roleOf("signer");
  const payload = `${arn.content}/input/6f1c2f6e-0a4b-4c1d-9e2f-0123456789ab/cat.jpg`;
  const cases: Case[] = [
    ["the one signer puts by a URL", true, signer, "s3:PutObject", payload],
    ["it reads by a URL", true, signer, "s3:GetObject", payload],
    [
      "stolen, its credentials put nothing without one",
      false,
      signer,
      "s3:PutObject",
      payload,
      HEADER_SIGNED,
    ],
    ["nor do they read", false, signer, "s3:GetObject", payload, HEADER_SIGNED],
    [
      "it cannot list, so nobody finds a key that he was not told",
      false,
      signer,
      "s3:ListBucket",
      arn.content,
    ],
    ["it cannot send", false, signer, "sqs:SendMessage", arn.queue],
    [
      "a consumer asks for nothing signed: there is nothing that wants it",
      false,
      who.consumer,
      "execute-api:Invoke",
      arn.api("POST/getObject"),
    ],
  ];
  test.each<Case>(cases)("%s (%s)", (_, allowed, asking, action, resource, changes = {}) => {
    expect(may(asking, action, resource, changes)).toBe(allowed);
  });
});
