import type { IncomingMessage } from "node:http";
import { type Place, queueArn } from "../../stacks/arns";
import { verifySignature } from "../api-gateway/signature";
import { type Principal, globalContext, isAllowed } from "../iam";
import type { StackQueue } from "../stack/stack";
import type { Parameters } from "./actions";
import { accessDenied, invalidSignature } from "./errors";

/** The credentials of a function's role, and what it may do. */
export interface Role extends Principal {
  readonly sessionToken: string;
}

export interface AuthorizeOptions extends Place {
  readonly queues: readonly StackQueue[];
  readonly roles: readonly Role[];
}

/** A request of SQS's JSON protocol. */
export interface SqsRequest {
  readonly request: IncomingMessage;
  readonly body: Buffer;
  /** SendMessage; empty where the request names none. */
  readonly action: string;
  readonly parameters: Parameters;
}

/** The key that a request says it is signed with. */
export const accessKeyIdOf = ({ headers }: IncomingMessage): string | undefined =>
  /Credential=([^/]+)\//.exec(headers.authorization ?? "")?.[1];

/**
 * Judges a request of one of the stack's functions as AWS does: its signature, its role's policies and the queue's.
 * All others are served as they come, with any credentials or none, as every local SQS does.
 *
 * @throws SqsError where the request is refused
 */
export function authorize(
  { request, body, action, parameters }: SqsRequest,
  options: AuthorizeOptions,
): void {
  const { headers } = request;
  const keyId = accessKeyIdOf(request);
  const role = options.roles.find(({ accessKeyId }) => accessKeyId === keyId);
  if (!role) return;
  const url = new URL(request.url ?? "/", "http://localhost");
  const verified = verifySignature(request, url, body, {
    service: "sqs",
    region: options.region,
    secretOf: () => role.secretAccessKey,
  });
  if ("fault" in verified) throw invalidSignature(verified.message);
  if (headers["x-amz-security-token"] !== role.sessionToken) {
    throw invalidSignature("The security token is invalid.");
  }
  const name = String(parameters["QueueUrl"]).split("/").at(-1) ?? "";
  // AWS grants a batch by the action that it is a batch of.
  const iamAction = `sqs:${action.replace(/Batch$/, "")}`;
  const resource = queueArn(options, name);
  const queue = options.queues.find(({ arn }) => arn === resource);
  const allowed = isAllowed([...role.policies, ...(queue ? [queue.policy] : [])], {
    principal: { account: options.accountId },
    action: iamAction,
    resource,
    context: globalContext(options.accountId),
  });
  if (!allowed) throw accessDenied(`The role is not authorized to perform: ${iamAction} on ${resource}`);
}
