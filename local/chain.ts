import { randomBytes } from "node:crypto";
import { EventEmitter } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFolderSync } from "../common/create-folder";
import { KEY_PREFIX } from "../functions/sign-url/keys";
import { keysOf } from "./announced-keys";
import { type GatewayStep, startGateway } from "./api-gateway/gateway";
import { type Principal, assertSupported } from "./iam";
import { loadFunction } from "./lambda";
import {
  assertDeliverable,
  notificationsFor,
  objectCreatedEvent,
  objectCreatedMessage,
  testMessage,
} from "./s3/notifications";
import { API_ORIGIN, LOCAL_API_ID } from "./stack/references";
import { S3_CONDITION_KEYS } from "./s3/guard";
import { type CreatedObject, type LocalS3, startS3 } from "./s3/s3";
import { type ConsumedBatch, startEventSource } from "./sqs/event-source";
import type { Role } from "./sqs/authorize";
import { type LocalSqs, type Received, startSqs } from "./sqs/sqs";
import { type Stack, type StackBucket, type StackFunction, readStack } from "./stack/stack";

/** The ports that people use: the API, S3 and SQS. */
export const PORTS = { api: 4600, s3: 4601, sqs: 4602 } as const;

/** Who may do everything, short of what a bucket's policy denies: the account's own key, for people and tests. */
export const CREDENTIALS = { accessKeyId: "tweedle", secretAccessKey: "tweedle-on-this-machine" } as const;

/** The key of the demonstration's own consumer: a message that another key receives has been taken by another consumer. */
export const DEMO_CREDENTIALS = {
  accessKeyId: "tweedle-demo",
  secretAccessKey: "tweedle-on-this-machine",
} as const;

const EVERYTHING = { Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }] } as const;

export interface ChainOptions {
  /** The synthesized stack: cdktf.out/stacks/<stack>. */
  readonly stack: string;
  /** @default any free ports */
  readonly ports?: { readonly api: number; readonly s3: number; readonly sqs: number };
  /** The folder of objects and messages, which survive a restart in it. @default a temporary folder, removed by {@link Chain.stop} */
  readonly dataDirectory?: string;
}

/** What happens in the chain, as it happens. */
export interface ChainEvents {
  gateway: [GatewayStep];
  /** An object has been announced: the message that S3 sent. */
  announced: [CreatedObject, message: string];
  /** A consumer receives messages. */
  received: [Received];
  /** A function of the stack is done with messages. */
  consumed: [ConsumedBatch];
  /** A function has written to its log. */
  logged: [functionName: string, text: string];
}

export interface Chain {
  readonly stack: Stack;
  readonly apiUrl: string;
  readonly bucketName: string;
  readonly queueUrl: string;
  readonly deadLetterQueueUrl: string;
  readonly s3Endpoint: string;
  readonly sqsEndpoint: string;
  readonly events: EventEmitter<ChainEvents>;
  /** How many messages an earlier run has left in the queues. */
  readonly messagesLeft: number;
  /**
   * Announces the payloads in the data directory that no message names: an earlier run was killed before it could, or a
   * consumer has kept them.
   *
   * @returns how many payloads
   */
  readonly announceLeft: () => Promise<number>;
  /** Stops everything at once, and removes what was temporary. */
  readonly stop: () => Promise<void>;
}

/**
 * Starts the whole chain on this machine, as the stack's JSON wires it.
 *
 * @throws StartError where a port is taken
 * @throws Error where the stack holds something that the chain should honour and cannot
 */
export async function start({ stack: folder, ports, dataDirectory }: ChainOptions): Promise<Chain> {
  const stack = readStack(folder);
  for (const { name, policies } of [...stack.buckets, ...stack.functions]) {
    for (const policy of policies) {
      // What a role may do with a key has no meaning where nothing is encrypted.
      assertSupported(policy, [...S3_CONDITION_KEYS, "kms:ViaService"], `A policy of ${name}`);
    }
  }
  for (const bucket of stack.buckets) assertDeliverable(stack, bucket);
  const stops: (() => unknown)[] = [];
  const stop = async () => {
    for (const step of stops.splice(0).toReversed()) await step();
  };
  try {
    return await startParts(stack, ports ?? { api: 0, s3: 0, sqs: 0 }, dataDirectory, stops, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startParts(
  stack: Stack,
  ports: { readonly api: number; readonly s3: number; readonly sqs: number },
  dataDirectory: string | undefined,
  stops: (() => unknown)[],
  stop: () => Promise<void>,
): Promise<Chain> {
  const { region, accountId, buckets, functions } = stack;
  const events = new EventEmitter<ChainEvents>();
  const directory = dataDirectory ?? mkdtempSync(join(tmpdir(), "tweedle-data-"));
  if (dataDirectory === undefined) stops.push(() => rmSync(directory, { recursive: true, force: true }));
  createFolderSync(directory);

  const roles = functions.map((code) => ({ ...temporaryCredentials(), policies: code.policies, code }));
  const messages = dataDirectory === undefined ? undefined : join(dataDirectory, ".sqs");
  // S3 sends its test message when a notification is set, which an earlier run has done.
  const isNew = messages === undefined || !existsSync(messages);
  const sqs = await startSqs({
    queues: stack.queues,
    region,
    accountId,
    roles,
    port: ports.sqs,
    directory: messages,
    onReceived: (received) => events.emit("received", received),
  });
  stops.push(sqs.stop);
  const messagesLeft = sqs.bodies().length;
  const announce = announcer(stack, sqs, events);
  const announceOrReport = (object: CreatedObject) => {
    try {
      announce(object);
    } catch (error) {
      console.error(error);
    }
  };
  const own = [CREDENTIALS, DEMO_CREDENTIALS].map((keys) => ({ ...keys, policies: [EVERYTHING] }));
  const principals: Principal[] = [...own, ...roles];
  const s3 = await startS3({
    buckets,
    accountId,
    principals,
    directory,
    port: ports.s3,
    // Announced a moment later, as S3 does: the writer has its answer first.
    onObjectCreated: (object) => setImmediate(announceOrReport, object),
  });
  stops.push(s3.stop);

  const load = (role: FunctionRole, apiOrigin?: string) => {
    const local = loadFunction({
      ...role.code,
      environment: environmentOf(role, region, { s3, sqs, apiOrigin }),
      log: (text) => {
        events.emit("logged", role.code.name, text);
        // What went well is seen in the steps; what broke is for whoever runs this.
        if (text.startsWith('{"level":"ERROR"')) process.stderr.write(text);
      },
    });
    stops.push(local.stop);
    return local;
  };
  const isConsumer = ({ code }: FunctionRole) =>
    stack.eventSources.some(({ functionArn }) => functionArn === code.arn);
  const gateway = await startGateway({
    ...stack.api,
    apiId: LOCAL_API_ID,
    accountId,
    region,
    functions: new Map(roles.filter((role) => !isConsumer(role)).map((role) => [role.code.arn, load(role)])),
    principals,
    port: ports.api,
    onStep: (step) => events.emit("gateway", step),
  });
  stops.push(gateway.stop);
  // A consumer may ask the API, so it comes after it.
  const apiOrigin = new URL(gateway.url).origin;
  for (const source of stack.eventSources) {
    const consumer = load(
      roles.find(({ code }) => code.arn === source.functionArn) as FunctionRole,
      apiOrigin,
    );
    const queueUrl = sqs.urlOf(source.queueArn);
    const onBatch = (batch: ConsumedBatch) => events.emit("consumed", batch);
    stops.push(
      startEventSource({ source, region, endpoint: sqs.endpoint, queueUrl, consumer, onBatch }).stop,
    );
  }

  for (const { name, corsRules, notifications } of buckets) {
    const rules = corsRules.map(({ allowed_origins, ...rule }) => ({
      ...rule,
      allowed_origins: allowed_origins.map((origin) => origin.replace(API_ORIGIN, apiOrigin)),
    }));
    await s3.setCors(name, rules);
    for (const { queueArn, ruleArn } of notifications) {
      if (isNew && !ruleArn) sqs.send(queueArn, testMessage(name));
    }
  }

  const announceLeft = async () => {
    const named = new Set(sqs.bodies().flatMap(keysOf));
    const objects = (await Promise.all(buckets.map(({ name }) => s3.list(name, KEY_PREFIX)))).flat();
    const left = objects.filter(({ key }) => !named.has(key));
    for (const object of left) announce(object);
    return left.length;
  };
  const { bucket_name = "", queue_arn = "", dead_letter_queue_arn = "" } = stack.outputs;
  return {
    stack,
    apiUrl: gateway.url,
    bucketName: bucket_name,
    queueUrl: sqs.urlOf(queue_arn),
    deadLetterQueueUrl: sqs.urlOf(dead_letter_queue_arn),
    s3Endpoint: s3.endpoint,
    sqsEndpoint: sqs.endpoint,
    events,
    messagesLeft,
    announceLeft,
    stop,
  };
}

/** Sends what S3, or EventBridge, sends of a new object, to the queues that its bucket's notifications name. */
function announcer(stack: Stack, sqs: LocalSqs, events: EventEmitter<ChainEvents>) {
  return (object: CreatedObject): void => {
    const bucket = stack.buckets.find(({ name }) => name === object.bucket) as StackBucket;
    for (const { id, queueArn, ruleArn, deadLetterArn } of notificationsFor(bucket, object)) {
      const message = ruleArn
        ? objectCreatedEvent(stack, bucket, object)
        : objectCreatedMessage(stack, bucket, object, id);
      try {
        sqs.send(queueArn, message);
      } catch (error) {
        // EventBridge tries for a day before.
        if (deadLetterArn === undefined) throw error;
        sqs.send(deadLetterArn, message);
        continue;
      }
      events.emit("announced", object, message);
    }
  };
}

/** A function, and the credentials that its role gives it. */
interface FunctionRole extends Role {
  readonly code: StackFunction;
}

/** Credentials as a function's role gets them. */
function temporaryCredentials() {
  const random = (bytes: number) => randomBytes(bytes).toString("hex").toUpperCase();
  return { accessKeyId: `ASIA${random(8)}`, secretAccessKey: random(20), sessionToken: random(64) };
}

/** A function's variables: the stack's, what Lambda gives every function, and where the services are here. */
function environmentOf(
  { code, accessKeyId, secretAccessKey, sessionToken }: FunctionRole,
  region: string,
  { s3, sqs, apiOrigin = "" }: { s3: LocalS3; sqs: LocalSqs; apiOrigin: string | undefined },
): Record<string, string> {
  const own = Object.entries(code.environment).map(
    ([name, value]) => [name, value.replace(API_ORIGIN, apiOrigin)] as const,
  );
  return {
    ...Object.fromEntries(own),
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: sessionToken,
    AWS_ENDPOINT_URL_S3: s3.endpoint,
    AWS_ENDPOINT_URL_SQS: sqs.endpoint,
  };
}
