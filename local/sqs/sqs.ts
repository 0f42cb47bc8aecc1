import { randomUUID } from "node:crypto";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { join } from "node:path";
import { queueArn } from "../../stacks/arns";
import { close, listen, urlOf } from "../server";
import type { StackQueue } from "../stack/stack";
import { type Parameters, SQS_ACTIONS, type SqsAction, type SqsContext, sendMessage } from "./actions";
import { type Role, type SqsRequest, accessKeyIdOf, authorize } from "./authorize";
import {
  SqsError,
  malformedInput,
  queueDoesNotExist,
  requestTooLarge,
  unknownOperation,
  unsupportedOperation,
} from "./errors";
import { inMemory, messageFiles } from "./message-files";
import { MoveTasks } from "./move-tasks";
import { Queue } from "./queue";

export interface SqsOptions {
  readonly queues: readonly StackQueue[];
  readonly region: string;
  readonly accountId: string;
  /** The stack's functions: their requests are judged by their roles' policies. */
  readonly roles: readonly Role[];
  readonly port: number;
  /** The folder of the messages, which survive a restart in it. @default they end with the process */
  readonly directory?: string | undefined;
  /** Called with what a consumer is about to receive. @default not at all */
  readonly onReceived?: (received: Received) => void;
}

/** Messages that a consumer receives. */
export interface Received {
  /** The key that signed the request; undefined for an unsigned one. */
  readonly accessKeyId: string | undefined;
  readonly bodies: readonly string[];
}

export interface LocalSqs {
  readonly endpoint: string;
  readonly urlOf: (queueArn: string) => string;
  /** Sends a message as S3 or EventBridge does. @throws SqsError where the queue does not take it */
  readonly send: (queueArn: string, body: string) => void;
  /** The bodies of all messages, of every queue. */
  readonly bodies: () => string[];
  readonly stop: () => Promise<void>;
}

/** The largest request, in bytes: JSON's escapes may double a message. */
const MAX_REQUEST_BYTES = 4 * 1024 ** 2;
const CONTENT_TYPE = "application/x-amz-json-1.0";

/**
 * SQS on this machine, with the stack's queues and the actions of its JSON protocol that a producer, a consumer and an
 * operator need.
 *
 * @throws Error where a queue's dead-letter queue is not among them
 */
export async function startSqs(options: SqsOptions): Promise<LocalSqs> {
  const { accountId, directory } = options;
  const queues: Queue[] = [];
  const findQueue = (arn: string) => queues.find((queue) => queue.arn === arn);
  const addQueue = (queue: StackQueue) => {
    const store = directory === undefined ? inMemory : messageFiles(join(directory, queue.name));
    const added = new Queue({ queue, store, findQueue });
    queues.push(added);
    return added;
  };
  for (const queue of options.queues) addQueue(queue);
  for (const { name, redrivePolicy } of queues) {
    if (redrivePolicy && !findQueue(redrivePolicy.deadLetterTargetArn)) {
      throw new Error(
        `The dead-letter queue of ${name} is ${redrivePolicy.deadLetterTargetArn}, which is not in this stack.`,
      );
    }
  }
  // Not before all are there: a message that was received too often belongs to another.
  for (const queue of queues) queue.restore();
  const moveTasks = new MoveTasks(findQueue);
  const urlOfName = (name: string | undefined) => `${endpoint}/${accountId}/${name}`;
  const contextOf = (signal: AbortSignal): SqsContext => ({
    queues,
    createQueue: (name, attributes) =>
      addQueue({ name, arn: queueArn(options, name), policy: { Statement: [] }, attributes }),
    deleteQueue: (queue) => void queues.splice(queues.indexOf(queue), 1),
    moveTasks,
    urlOf: ({ name }) => urlOfName(name),
    accountId,
    signal,
  });

  async function answer(request: SqsRequest, signal: AbortSignal): Promise<object> {
    authorize(request, options);
    if (!Object.hasOwn(SQS_ACTIONS, request.action)) throw unknownAction(request);
    const action = SQS_ACTIONS[request.action] as SqsAction;
    const result = await action(request.parameters, contextOf(signal));
    if (request.action === "ReceiveMessage") {
      const { Messages = [] } = result as { Messages?: { Body: string }[] };
      const bodies = Messages.map(({ Body }) => Body);
      if (bodies.length > 0) options.onReceived?.({ accessKeyId: accessKeyIdOf(request.request), bodies });
    }
    return result;
  }

  const handle: RequestListener = (request, response) => {
    // A page's form reaches this server without a preflight, and no page has business with the queues.
    if (request.headers.origin !== undefined) {
      response.writeHead(403, { connection: "close" }).end();
      return;
    }
    const gone = new AbortController();
    response.on("close", () => gone.abort());
    readRequest(request)
      .then((read) => answer(read, gone.signal))
      .then((result) => respond(response, 200, result))
      .catch((error: unknown) => respondError(response, error));
  };
  const server = await listen(handle, options.port, "SQS");
  const endpoint = urlOf(server);
  return {
    endpoint,
    urlOf: (arn) => urlOfName(arn.split(":").at(-1)),
    send: (arn, body) => {
      const queue = findQueue(arn);
      if (!queue) throw queueDoesNotExist(`There is no queue ${arn}.`);
      sendMessage(queue, { MessageBody: body });
    },
    bodies: () => queues.flatMap(({ messages }) => messages.map(({ body }) => body)),
    stop: async () => {
      for (const queue of queues) queue.stop();
      await close(server);
    },
  };
}

async function readRequest(request: IncomingMessage): Promise<SqsRequest> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_REQUEST_BYTES) throw requestTooLarge(`A request may have ${MAX_REQUEST_BYTES} bytes.`);
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks);
  const [, action = ""] = /^AmazonSQS\.(\w+)$/.exec(String(request.headers["x-amz-target"])) ?? [];
  return { request, body, action, parameters: action === "" ? {} : parse(body) };
}

function parse(body: Buffer): Parameters {
  try {
    const parameters: unknown = JSON.parse(body.toString("utf8") || "{}");
    if (typeof parameters === "object" && parameters !== null && !Array.isArray(parameters)) {
      return parameters as Parameters;
    }
  } catch {
    // It is refused below.
  }
  throw malformedInput("The request must be a JSON object.");
}

function unknownAction({ request, action }: SqsRequest): SqsError {
  if (String(request.headers["content-type"]).startsWith("application/x-www-form-urlencoded")) {
    return unsupportedOperation(
      "The local SQS speaks the JSON protocol only, as AWS's SDKs do since November 2023.",
    );
  }
  return unknownOperation(
    `The local SQS does not know ${action || "a request without x-amz-target"}. It knows ${Object.keys(SQS_ACTIONS).join(", ")}.`,
  );
}

function respond(response: ServerResponse, status: number, result: object, headers = {}): void {
  response
    .writeHead(status, { "content-type": CONTENT_TYPE, "x-amzn-requestid": randomUUID(), ...headers })
    .end(JSON.stringify(result));
}

function respondError(response: ServerResponse, error: unknown): void {
  if (response.destroyed) return;
  if (!(error instanceof SqsError)) {
    console.error(error);
    respond(response, 500, {
      __type: "com.amazon.coral.service#InternalFailure",
      message: "Something broke.",
    });
    return;
  }
  const { status, type, queryCode, message } = error;
  respond(response, status, { __type: type, message }, { "x-amzn-query-error": `${queryCode};Sender` });
}
