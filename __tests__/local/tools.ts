import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { S3Client } from "@aws-sdk/client-s3";
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  type Message,
  ReceiveMessageCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { CREDENTIALS, type Chain } from "../../local/chain";
import { createApp } from "../../main";

/** A folder that is there until the tests of the file are done. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "tweedle-test-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Synthesizes the stages and says where a stage's stack lies. */
export function synthesize(): (stage: string) => string {
  const folder = temporaryFolder();
  createApp(folder).synth();
  return (stage) => join(folder, "stacks", `producer-consumer-${stage}`);
}

export interface Answer {
  readonly status: number;
  readonly object_key: string;
  readonly url: string;
  readonly parts: { part_number: number; url: string }[];
  readonly headers: Record<string, string>;
  readonly error: { code: string; message: string; request_id?: string };
}

/** Asks a chain's API. */
export async function ask(chain: Chain, path: string, body: object, headers = {}): Promise<Answer> {
  const response = await fetch(chain.apiUrl + path, { method: "POST", body: JSON.stringify(body), headers });
  return { status: response.status, ...((await response.json()) as object) } as Answer;
}

/** The SDK's own client of a chain's S3, with the account's own key. s3rver knows no checksums in trailers. */
export const s3Client = (chain: Chain): S3Client =>
  new S3Client({
    endpoint: chain.s3Endpoint,
    forcePathStyle: true,
    region: chain.stack.region,
    credentials: CREDENTIALS,
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });

export interface Announced {
  readonly message: Message;
  readonly eventName: string;
  readonly key: string;
  readonly size: number;
  readonly eTag: string;
  readonly versionId: string;
  readonly sequencer: string;
}

/** A consumer with the real SDK. */
export class Consumer {
  readonly sqs: SQSClient;

  constructor(private readonly chain: Chain) {
    this.sqs = new SQSClient({
      endpoint: chain.sqsEndpoint,
      region: chain.stack.region,
      credentials: CREDENTIALS,
    });
  }

  /** The next message of a queue; undefined where none comes within a long poll. */
  async receive(queueUrl = this.chain.queueUrl, WaitTimeSeconds = 10): Promise<Message | undefined> {
    const { Messages } = await this.sqs.send(
      new ReceiveMessageCommand({
        QueueUrl: queueUrl,
        WaitTimeSeconds,
        MessageSystemAttributeNames: ["All"],
      }),
    );
    return Messages?.[0];
  }

  /** What a queue has at once, up to so many messages. */
  async receiveMany(MaxNumberOfMessages: number): Promise<Message[]> {
    const QueueUrl = this.chain.queueUrl;
    const { Messages } = await this.sqs.send(
      new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20, MaxNumberOfMessages }),
    );
    return Messages ?? [];
  }

  async delete({ ReceiptHandle }: Message, QueueUrl = this.chain.queueUrl): Promise<void> {
    await this.sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
  }

  /** Gives a message back, as a consumer that failed, or keeps it for longer. */
  async giveBack(
    { ReceiptHandle }: Message,
    QueueUrl = this.chain.queueUrl,
    VisibilityTimeout = 0,
  ): Promise<void> {
    await this.sqs.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout }));
  }

  /** Receives and deletes the next announcement of an object. */
  async announced(): Promise<Announced> {
    for (;;) {
      const message = await this.receive();
      if (!message) throw new Error("No announcement came.");
      await this.delete(message);
      const [record] = (JSON.parse(message.Body ?? "") as { Records?: S3Record[] }).Records ?? [];
      if (!record) continue;
      const { key, ...object } = record.s3.object;
      return {
        message,
        eventName: record.eventName,
        ...object,
        key: decodeURIComponent(key.replaceAll("+", " ")),
      };
    }
  }
}

interface S3Record {
  readonly eventName: string;
  readonly s3: { readonly object: Omit<Announced, "message" | "eventName"> };
}
