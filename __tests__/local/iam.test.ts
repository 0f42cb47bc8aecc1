import {
  type AccessRequest,
  GLOBAL_CONDITION_KEYS,
  type Policy,
  assertSupported,
  isAllowed,
} from "../../local/iam";
import { type Statement, sendStatement, signerStatements } from "../../stacks/policy";

const ACCOUNT = "123456789012";
const BUCKET = "arn:aws:s3:::content";

/** A signer's URL, as S3 sees it. */
const byUrl: AccessRequest = {
  principal: { account: ACCOUNT },
  action: "s3:PutObject",
  resource: `${BUCKET}/input/6f/cat.jpg`,
  context: {
    "s3:authType": "REST-QUERY-STRING",
    "s3:signatureAge": "1000",
    "aws:ResourceAccount": ACCOUNT,
    "aws:SecureTransport": "true",
  },
};
const within = (changes: Record<string, string | undefined>): AccessRequest => ({
  ...byUrl,
  context: { ...byUrl.context, ...changes },
});

describe("a producers' signer", () => {
  const policies = [{ Statement: signerStatements(["producer"], BUCKET, ACCOUNT) as Policy["Statement"] }];
  test.each<[string, AccessRequest, boolean]>([
    ["puts by a URL", byUrl, true],
    ["cannot use its credentials without one", within({ "s3:authType": "REST-HEADER" }), false],
    ["puts at 15 minutes", within({ "s3:signatureAge": "900000" }), true],
    ["cannot put later", within({ "s3:signatureAge": "900001" }), false],
    ["cannot put without TLS", within({ "aws:SecureTransport": "false" }), false],
    ["cannot put into another account", within({ "aws:ResourceAccount": "999999999999" }), false],
    ["cannot put where no account is known", within({ "aws:ResourceAccount": undefined }), false],
    ["cannot read", { ...byUrl, action: "s3:GetObject" }, false],
    ["cannot delete", { ...byUrl, action: "s3:DeleteObject" }, false],
    ["cannot list", { ...byUrl, action: "s3:ListBucket", resource: BUCKET }, false],
    ["cannot put elsewhere", { ...byUrl, resource: `${BUCKET}/output/cat.jpg` }, false],
    ["cannot put into another bucket", { ...byUrl, resource: "arn:aws:s3:::other/input/a" }, false],
  ])("%s", (_, request, allowed) => {
    expect(isAllowed(policies, request)).toBe(allowed);
  });
});

test("a consumers' signer reads and deletes, and cannot write", () => {
  const policies = [{ Statement: signerStatements(["consumer"], BUCKET, ACCOUNT) as Policy["Statement"] }];
  const may = (action: string) => isAllowed(policies, { ...byUrl, action });
  expect(
    ["s3:GetObject", "s3:GetObjectVersion", "s3:DeleteObject", "s3:DeleteObjectVersion"].map(may),
  ).toEqual([true, true, true, true]);
  expect(["s3:PutObject", "s3:AbortMultipartUpload", "s3:PutObjectAcl"].map(may)).toEqual([
    false,
    false,
    false,
  ]);
});

test("the sender sends to its queue over TLS, and does nothing else", () => {
  const QUEUE = "arn:aws:sqs:eu-central-1:123456789012:tweedle-dev-queue";
  const policies = [{ Statement: [sendStatement(QUEUE, ACCOUNT)] as Policy["Statement"] }];
  const send: AccessRequest = { ...byUrl, action: "sqs:SendMessage", resource: QUEUE };
  const may = (changes: Partial<AccessRequest>) => isAllowed(policies, { ...send, ...changes });
  expect(may({})).toBe(true);
  for (const changes of [
    { resource: `${QUEUE}-dead-letter` },
    { action: "sqs:ReceiveMessage" },
    { action: "sqs:PurgeQueue" },
    { context: { ...send.context, "aws:SecureTransport": "false" } },
    { context: { ...send.context, "aws:ResourceAccount": "999999999999" } },
  ]) {
    expect(may(changes)).toBe(false);
  }
});

describe("of policies", () => {
  const allow: Statement = { Sid: "A", Effect: "Allow", Action: "*", Resource: "*" };
  const judge = (...statements: object[]) =>
    isAllowed([{ Statement: statements as Policy["Statement"] }], {
      ...byUrl,
      context: { ...byUrl.context, absent: undefined },
    });

  test("nothing allows nothing, and a deny wins", () => {
    expect(judge()).toBe(false);
    expect(judge(allow)).toBe(true);
    expect(judge(allow, { ...allow, Effect: "Deny" })).toBe(false);
  });

  test("a key that a request lacks satisfies Null and the negated operators only", () => {
    const given = (Condition: object) => judge({ ...allow, Condition });
    expect(given({ StringEquals: { absent: "x" } })).toBe(false);
    expect(given({ Bool: { absent: "true" } })).toBe(false);
    expect(given({ NumericLessThan: { absent: "1" } })).toBe(false);
    expect(given({ StringNotEquals: { absent: "x" } })).toBe(true);
    expect(given({ Null: { absent: "true" } })).toBe(true);
    expect(given({ Null: { absent: "false" } })).toBe(false);
  });

  test("a service's statement is not an account's", () => {
    expect(judge({ ...allow, Principal: { Service: "s3.amazonaws.com" } })).toBe(false);
    expect(judge({ ...allow, Principal: { AWS: "*" } })).toBe(true);
    expect(judge({ ...allow, Principal: { AWS: "arn:aws:iam::999999999999:root" } })).toBe(false);
  });

  test("a pattern is no regular expression", () => {
    expect(judge({ ...allow, Resource: "arn:aws:s3:::conten./input/*" })).toBe(false);
    expect(judge({ ...allow, Resource: "arn:aws:s3:::conten?/input/*" })).toBe(true);
  });
});

test.each([
  [{ Effect: "Deny", NotAction: "s3:*", Resource: "*" }, "the element NotAction"],
  [
    { Effect: "Allow", Action: "*", Resource: "*", Principal: { AWS: "arn:aws:iam::1:role/x" } },
    "the principal arn:",
  ],
  [
    { Effect: "Allow", Action: "*", Resource: "*", Condition: { DateEquals: {} } },
    "the condition operator DateEquals",
  ],
  [
    { Effect: "Allow", Action: "*", Resource: "*", Condition: { Bool: { "aws:x": "true" } } },
    "the condition key aws:x",
  ],
])("a statement that could not be judged is refused at start: %j", (statement, what) => {
  const policy = { Statement: [statement] } as unknown as Policy;
  expect(() => assertSupported(policy, GLOBAL_CONDITION_KEYS, "A policy")).toThrow(
    `A policy: the local chain does not know ${what}`,
  );
});
