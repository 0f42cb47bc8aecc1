import { type Policy, assertSupported, isAllowed } from "../../local/iam";
import { actionReference, hasKey, typesLike } from "./reference";

/** A request as IAM is asked about it. */
export interface IamRequest {
  readonly action: string;
  /** An ARN; "*" for a request that is about no resource. */
  readonly resource: string;
  /** The values of its condition keys. */
  readonly context: Readonly<Record<string, string>>;
}

/**
 * Tells whether policies allow a request, as AWS authorises it by its Service Authorization Reference: an action without resource types
 * is asked about for "*", and a condition key is there only if the action or the type of the resource has it.
 *
 * @throws Error where the reference does not have the action, or not for this resource
 */
export function isAuthorized(
  policies: readonly Policy[],
  { action, resource, context }: IamRequest,
  account: string,
): boolean {
  const reference = actionReference(action);
  const types = typesLike(reference, resource);
  if (reference.resourceTypes.length > 0 && types.length === 0)
    throw new Error(`The Service Authorization Reference has no ${action} of ${resource}.`);
  const keys = Object.keys(context).filter((key) => hasKey(reference, types, key));
  for (const policy of policies) assertJudgeable(policy);
  return isAllowed(policies, {
    principal: { account },
    action,
    resource: reference.resourceTypes.length > 0 ? resource : "*",
    context: Object.fromEntries(keys.map((key) => [key, context[key]])),
  });
}

const judgeable = new WeakSet<Policy>();

/** @throws Error where a policy has something that could not be judged */
function assertJudgeable(policy: Policy): void {
  if (!judgeable.has(policy)) assertSupported(policy, CONDITION_KEYS, "A policy");
  judgeable.add(policy);
}

/** The condition keys that a request here may have. A policy with another cannot be judged. */
const CONDITION_KEYS = [
  "aws:RequestTag/project",
  "aws:RequestTag/stage",
  "aws:ResourceAccount",
  "aws:ResourceTag/project",
  "aws:ResourceTag/stage",
  "aws:SecureTransport",
  "events:detail-type",
  "events:source",
  "iam:PassedToService",
  "iam:PermissionsBoundary",
  "kms:ViaService",
  "lambda:FunctionArn",
  "s3:authType",
  "s3:prefix",
  "s3:signatureAge",
];
