import { Fn, Token } from "cdktf";
import { ACTIONS, type ActionName, type Role, hasUrl } from "../functions/sign-url/actions";
import { KEY_PREFIX } from "../functions/sign-url/keys";
import { LIMITS } from "../functions/sign-url/limits";

/** What must hold, by operator and condition key. */
type Condition = Record<string, Record<string, string | string[]>>;

/** One statement of an IAM policy, in IAM's own words. */
export interface Statement {
  readonly Sid: string;
  readonly Effect: "Allow" | "Deny";
  readonly Principal?: { readonly AWS?: string; readonly Service?: string; readonly Federated?: string };
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: Condition;
}

/** A statement of a role's trust policy, which is about the role itself. */
export type TrustStatement = Omit<Statement, "Resource">;

/**
 * A policy document in JSON. It stands in the plan as it is, unless a statement holds a reference, which only
 * Terraform's own jsonencode can put into JSON.
 */
export function policyJson(statements: readonly (Statement | TrustStatement)[]): string {
  // Without the version, the provider waits for ever for SQS to give the policy back unchanged.
  const document = { Version: "2012-10-17", Statement: statements };
  const json = JSON.stringify(document);
  return Token.isUnresolved(json) ? Fn.jsonencode(document) : json;
}

/** The event of a new object on EventBridge's default bus: https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventBridge.html */
export const OBJECT_CREATED = { source: "aws.s3", detailType: "Object Created" };

/** What a consumer may do with a queue. */
export const consumeStatement = (queueArn: string): Statement => ({
  Sid: "ConsumeQueue",
  Effect: "Allow",
  Action: [
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibility",
    "sqs:GetQueueAttributes",
  ],
  Resource: queueArn,
});

/** The age at which the content bucket refuses a signature, in milliseconds as S3 counts it. */
export const MAX_SIGNATURE_AGE = String(LIMITS.maxExpirySeconds * 1000);

/**
 * What a signer's role may do: the table's actions of its roles, on payloads, and only by a URL that is not old.
 * Whoever steals its credentials cannot make an ordinary request with them.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/bucket-policy-s3-sigv4-conditions.html
 */
export function signerStatements(roles: readonly Role[], bucketArn: string, accountId: string): Statement[] {
  return roles.map((role) => ({
    Sid: `${role === "producer" ? "Producer" : "Consumer"}Urls`,
    Effect: "Allow",
    Action: [
      ...new Set(
        Object.values(ACTIONS)
          .filter((action) => hasUrl(action) && action.role === role)
          .flatMap((action) => action.iamActions),
      ),
    ],
    Resource: `${bucketArn}/${KEY_PREFIX}*`,
    Condition: {
      StringEquals: { "s3:authType": "REST-QUERY-STRING", "aws:ResourceAccount": accountId },
      NumericLessThanEquals: { "s3:signatureAge": MAX_SIGNATURE_AGE },
      Bool: { "aws:SecureTransport": "true" },
    },
  }));
}

/** What the sender's role may do: the table's permission of sendMessage, on its queue. */
export const sendStatement = (queueArn: string, accountId: string): Statement => ({
  Sid: "SendMessages",
  Effect: "Allow",
  Action: ACTIONS["sendMessage" satisfies ActionName]?.iamActions ?? [],
  Resource: queueArn,
  Condition: {
    StringEquals: { "aws:ResourceAccount": accountId },
    Bool: { "aws:SecureTransport": "true" },
  },
});
