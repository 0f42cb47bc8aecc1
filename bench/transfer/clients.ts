import { DeleteObjectCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import type { Endpoints } from "./contender";

export const s3Client = ({ s3Endpoint: endpoint, region, credentials }: Endpoints): S3Client =>
  new S3Client({ endpoint, region, credentials, forcePathStyle: true });

export const sqsClient = ({ sqsEndpoint: endpoint, region, credentials }: Endpoints): SQSClient =>
  new SQSClient({ endpoint, region, credentials });

/** Removes all messages and payloads. */
export async function clear(chain: Endpoints): Promise<void> {
  const { queueUrl: QueueUrl, bucketName: Bucket } = chain;
  const [s3, sqs] = [s3Client(chain), sqsClient(chain)];
  for (;;) {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 0 }),
    );
    if (Messages.length === 0) break;
    await Promise.all(
      Messages.map(({ ReceiptHandle }) => sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }))),
    );
  }
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket }));
  await Promise.all(Contents.map(({ Key }) => s3.send(new DeleteObjectCommand({ Bucket, Key }))));
}
