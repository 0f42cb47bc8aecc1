import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, readlinkSync } from "node:fs";
import { basename, join } from "node:path";
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  type S3Client,
} from "@aws-sdk/client-s3";
import {
  DeleteMessageCommand,
  type Message,
  ReceiveMessageCommand,
  SQSClient,
  SendMessageCommand,
} from "@aws-sdk/client-sqs";
import { contentsOf } from "../../client/consume/contents";
import { newKey } from "../../functions/sign-url/keys";
import { CREDENTIALS, type Chain, start } from "../../local/chain";
import { s3Client, synthesize, temporaryFolder } from "../local/tools";
import { type FaultProxy, startFaultProxy } from "./fault-proxy";

export const MIB = 1024 ** 2;

/** Tries again without a pause worth mentioning. */
export const AT_ONCE = { baseDelayMs: 1, maxDelayMs: 4 } as const;

export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("base64");

/** What a consumer would find: a payload, by whichever way it went. */
export interface Arrived {
  readonly key: string;
  readonly bytes: Buffer;
  readonly contentType: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}

/** A running chain, a proxy in front of it, and ways to look behind it. */
export class World {
  private constructor(
    readonly chain: Chain,
    readonly proxy: FaultProxy,
    readonly sqs: SQSClient,
    /** An SQS client whose requests pass the proxy. */
    readonly faultySqs: SQSClient,
    readonly s3: S3Client,
    private readonly data: string,
  ) {}

  static async create(stack: string, data: string): Promise<World> {
    const chain = await start({ stack, dataDirectory: data });
    const proxy = await startFaultProxy();
    const settings = { endpoint: chain.sqsEndpoint, region: chain.stack.region, credentials: CREDENTIALS };
    const sqs = new SQSClient(settings);
    const faulty = new SQSClient({ ...settings, requestHandler: { httpAgent: proxy.connections.http } });
    const world = new World(chain, proxy, sqs, faulty, s3Client(chain), data);
    await world.clear();
    return world;
  }

  async stop(): Promise<void> {
    // What is still being announced should find its queue.
    await this.messages();
    for (const client of [this.sqs, this.faultySqs, this.s3]) client.destroy();
    await this.proxy.stop();
    await this.chain.stop();
  }

  /** Takes all messages off a queue, as they are. */
  async messages(QueueUrl = this.chain.queueUrl, WaitTimeSeconds = 0): Promise<Message[]> {
    const all: Message[] = [];
    for (let wait = WaitTimeSeconds; ; wait = 0) {
      const { Messages = [] } = await this.sqs.send(
        new ReceiveMessageCommand({
          QueueUrl,
          WaitTimeSeconds: wait,
          MaxNumberOfMessages: 10,
          MessageAttributeNames: ["All"],
          MessageSystemAttributeNames: ["All"],
        }),
      );
      if (Messages.length === 0) return all;
      for (const { ReceiptHandle } of Messages)
        await this.sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
      all.push(...Messages);
    }
  }

  /** Waits for a payload to be announced, and takes all that are. */
  async arrived(): Promise<Arrived[]> {
    const all: Arrived[] = [];
    for (const message of await this.messages(this.chain.queueUrl, 10)) {
      const contents = contentsOf(message);
      if (contents.kind === "inline") all.push(contents.payload);
      if (contents.kind !== "objects") continue;
      for (const object of contents.objects) if ("key" in object) all.push(await this.stored(object.key));
    }
    return all;
  }

  async stored(Key: string): Promise<Arrived> {
    const object = await this.s3.send(new GetObjectCommand({ Bucket: this.chain.bucketName, Key }));
    const bytes = Buffer.from((await object.Body?.transformToByteArray()) ?? []);
    const { "tweedle-part-bytes": _, ...metadata } = object.Metadata ?? {};
    return { key: Key, bytes, contentType: object.ContentType, metadata };
  }

  async objects(): Promise<string[]> {
    const { bucketName: Bucket } = this.chain;
    const { Contents = [] } = await this.s3.send(new ListObjectsV2Command({ Bucket }));
    return Contents.map(({ Key = "" }) => Key);
  }

  /** How many uploads in parts S3 holds that are neither complete nor given up. */
  uploadsLeft(): number {
    return this.#uploads().length;
  }

  /** Gives up all uploads behind their producers' backs, as S3 does after a day. */
  async dropUploads(): Promise<void> {
    for (const folder of this.#uploads()) {
      const { key: Key } = JSON.parse(readFileSync(join(folder, "upload.json"), "utf8")) as { key: string };
      const { bucketName: Bucket } = this.chain;
      await this.s3.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId: basename(folder) }));
    }
  }

  #uploads(): string[] {
    const folder = join(this.data, this.chain.bucketName, "._S3rver_bodies");
    const names = existsSync(folder) ? readdirSync(folder) : [];
    return names.map((name) => join(folder, name)).filter((path) => existsSync(join(path, "upload.json")));
  }

  /** Puts a message on the queue that nobody of ours has written. */
  async send(body: unknown, MessageAttributes?: Message["MessageAttributes"]): Promise<void> {
    const MessageBody = typeof body === "string" ? body : JSON.stringify(body);
    await this.sqs.send(
      new SendMessageCommand({
        QueueUrl: this.chain.queueUrl,
        MessageBody,
        ...(MessageAttributes && { MessageAttributes }),
      }),
    );
  }

  /** Leaves no message, no object, no upload, no fault. */
  async clear(): Promise<void> {
    this.proxy.reset();
    const { bucketName: Bucket, queueUrl, deadLetterQueueUrl } = this.chain;
    await Promise.all([this.messages(queueUrl), this.messages(deadLetterQueueUrl)]);
    await this.dropUploads();
    for (const Key of await this.objects()) await this.s3.send(new DeleteObjectCommand({ Bucket, Key }));
  }
}

/** A world of its own for the tests of a file, cleared before each. */
export function setUp(stage = "dev"): () => World {
  let world: World;
  // Before the folder of its messages is removed.
  afterAll(() => world.stop());
  const stackOf = synthesize();
  const data = temporaryFolder();
  beforeAll(async () => {
    // s3rver tells of each client that goes away, as an error of another realm than the tests'.
    jest.spyOn(console, "error").mockImplementation(() => undefined);
    world = await World.create(stackOf(stage), data);
  });
  beforeEach(() => world.clear());
  return () => world;
}

/** The files of parts that this process has open, as the kernel names them: those that are removed end in "(deleted)". */
export function spooledParts(): string[] {
  const links = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return "";
    }
  });
  return links.filter((link) => link.includes("tweedle-part-"));
}

/** What S3 says of an object that was created. */
export function recordOf(
  bucket: string,
  object: { readonly key?: string; readonly [fact: string]: unknown } = {},
) {
  const key = object.key ?? newKey("cat.jpg");
  const encoded = new URLSearchParams({ key }).toString().slice("key=".length).replaceAll("%2F", "/");
  return {
    eventName: "ObjectCreated:Put",
    s3: { bucket: { name: bucket }, object: { ...object, key: encoded } },
  };
}

/** Resolves once something holds that a condition looks at, asked at each turn of the event loop. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => void setTimeout(resolve, 5));
}
