import type { IncomingMessage } from "node:http";
import { type Place, queueArn } from "../../stacks/arns";
import { verifySignature } from "../api-gateway/signature";
import { type Principal, globalContext, isAllowed } from "../iam";
import type { StackQueue } from "../stack/stack";

/** The credentials of a function's role, and what it may do. */
export interface Role extends Principal {
  readonly sessionToken: string;
}

export interface GuardOptions extends Place {
  readonly queues: readonly StackQueue[];
  readonly roles: readonly Role[];
}

/** An answer of SQS's that says no, in its JSON protocol. */
export interface Refusal {
  readonly status: number;
  readonly type: string;
  /** The error as x-amzn-query-error names it. */
  readonly code: string;
  readonly message: string;
}

/**
 * What a queue is made for where `max_message_size` is left out, as every version of the provider makes it: newer ones
 * say 1 MiB.
 */
const MAX_MESSAGE_BYTES = 256 * 1024;

const denied = (message: string): Refusal => ({
  status: 403,
  type: "com.amazon.coral.service#AccessDeniedException",
  code: "AccessDenied;Sender",
  message,
});

/**
 * Judges a request as AWS does where a function of the stack makes it: its signature, its role's policies and the
 * queue's. All others are served as they come: with the account's own key, with another or with none, as any local SQS
 * serves whoever reaches it.
 *
 * @returns why it is refused; undefined where it is not
 */
export function judge(request: IncomingMessage, body: Buffer, options: GuardOptions): Refusal | undefined {
  const { headers } = request;
  const [, keyId] = /Credential=([^/]+)\//.exec(headers.authorization ?? "") ?? [];
  const role = options.roles.find(({ accessKeyId }) => accessKeyId === keyId);
  if (!role) return undefined;
  const url = new URL(request.url ?? "/", "http://localhost");
  const verified = verifySignature(request, url, body, {
    service: "sqs",
    region: options.region,
    secretOf: () => role.secretAccessKey,
  });
  if ("fault" in verified || headers["x-amz-security-token"] !== role.sessionToken) {
    const message = "fault" in verified ? verified.message : "The security token is invalid.";
    const type = "com.amazon.coral.service#InvalidSignatureException";
    return { status: 403, type, code: "InvalidSignature;Sender", message };
  }
  const [, operation] = /^AmazonSQS\.(\w+)$/.exec(String(headers["x-amz-target"])) ?? [];
  if (!operation) return denied("The local chain judges requests of the JSON protocol only.");
  const parameters = JSON.parse(body.toString("utf8")) as { QueueUrl?: string };
  const name = String(parameters.QueueUrl).split("/").at(-1) ?? "";
  // A batch needs the right to what it is a batch of.
  const action = `sqs:${operation.replace(/Batch$/, "")}`;
  const resource = queueArn(options, name);
  const queue = options.queues.find(({ arn }) => arn === resource);
  const allowed = isAllowed([...role.policies, ...(queue ? [queue.policy] : [])], {
    principal: { account: options.accountId },
    action,
    resource,
    context: globalContext(options.accountId),
  });
  return allowed ? undefined : denied(`The role is not authorized to perform: ${action} on ${resource}`);
}

interface Attribute {
  readonly DataType?: string;
  readonly StringValue?: string;
  readonly BinaryValue?: string;
}

/** local-aws-sqs takes 1 MiB, and counts the base64 of a binary value; SQS counts its bytes. */
export function refuseLarge(message: {
  readonly MessageBody?: string;
  readonly MessageAttributes?: Readonly<Record<string, Attribute>>;
}): Refusal | undefined {
  const sizes = Object.entries(message.MessageAttributes ?? {}).map(
    ([name, { DataType = "", StringValue = "", BinaryValue = "" }]) =>
      Buffer.byteLength(name + DataType + StringValue) + Buffer.byteLength(BinaryValue, "base64"),
  );
  const bytes = sizes.reduce((sum, size) => sum + size, Buffer.byteLength(String(message.MessageBody)));
  if (bytes <= MAX_MESSAGE_BYTES) return undefined;
  return {
    status: 400,
    type: "com.amazon.coral.service#InvalidParameterValueException",
    code: "InvalidParameterValue;Sender",
    message: `One or more parameters are invalid. Reason: Message must be shorter than ${MAX_MESSAGE_BYTES} bytes.`,
  };
}
