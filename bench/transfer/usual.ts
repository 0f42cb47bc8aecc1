import { createReadStream } from "node:fs";
import { basename } from "node:path";
import type { Readable } from "node:stream";
import { DeleteObjectCommand, GetObjectCommand } from "@aws-sdk/client-s3";
import { DeleteMessageCommand, type Message, ReceiveMessageCommand } from "@aws-sdk/client-sqs";
import { Upload } from "@aws-sdk/lib-storage";
import { s3Client, sqsClient } from "./clients";
import {
  type Contender,
  type Endpoints,
  FILES_AT_ONCE,
  atOnce,
  delays,
  firstByteOf,
  newKey,
  save,
} from "./contender";

interface Notification {
  readonly Records?: readonly { readonly s3: { readonly object: { readonly key: string } } }[];
}

const keyIn = ({ Body = "" }: Message) => {
  const { Records: [record] = [] } = JSON.parse(Body) as Notification;
  return record && decodeURIComponent(record.s3.object.key.replaceAll("+", " "));
};

/** As people write it with the AWS SDK, and with the account's credentials at both ends. */
export const contender: Contender = {
  produce: async (chain, files) => {
    const client = s3Client(chain);
    return async () => ({
      keys: await atOnce(files, async (file) => {
        const Key = newKey(basename(file));
        const params = { Bucket: chain.bucketName, Key, Body: createReadStream(file) };
        await new Upload({ client, params }).done();
        return Key;
      }),
    });
  },
  consume: async (chain, keys, folder) => {
    const consume = consumer(chain, (body, key) => save(body, folder, key));
    return async () => {
      for (let received = 0; received < keys.length;) received += await consume();
    };
  },
  delay: async (chain) => {
    const client = s3Client(chain);
    let arrived: (at: number) => void = () => undefined;
    const consume = consumer(chain, async (body) => arrived(await firstByteOf(body)));
    const send = async (Body: Buffer) => {
      const params = { Bucket: chain.bucketName, Key: newKey("payload"), Body };
      await new Upload({ client, params }).done();
    };
    return async () => {
      // Until the process ends.
      void (async () => {
        for (;;) await consume();
      })();
      const next = () => new Promise<number>((resolve) => (arrived = resolve));
      const delaysMs = await delays(send, next);
      return { delaysMs };
    };
  },
};

/** @returns receives some messages and says of how many payloads, once they are handled and deleted */
function consumer(
  chain: Endpoints,
  handle: (body: Readable, key: string) => Promise<void>,
): () => Promise<number> {
  const { queueUrl: QueueUrl, bucketName: Bucket } = chain;
  const [s3, sqs] = [s3Client(chain), sqsClient(chain)];
  const receive = async (message: Message): Promise<number> => {
    const Key = keyIn(message);
    if (Key) {
      const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }));
      await handle(Body as Readable, Key);
    }
    await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message.ReceiptHandle }));
    if (Key) await s3.send(new DeleteObjectCommand({ Bucket, Key }));
    return Key ? 1 : 0;
  };
  return async () => {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: FILES_AT_ONCE, WaitTimeSeconds: 20 }),
    );
    return (await atOnce(Messages, receive)).reduce((sum, one) => sum + one, 0);
  };
}
