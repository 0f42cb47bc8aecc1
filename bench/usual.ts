import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import type { APIGatewayProxyEvent, APIGatewayProxyResult } from "aws-lambda";

const client = new S3Client({});

/** The signer as tutorials write it. */
export async function handler(event: APIGatewayProxyEvent): Promise<APIGatewayProxyResult> {
  const { object_key }: { object_key: string } = JSON.parse(event.body ?? "{}");
  const command = new PutObjectCommand({ Bucket: process.env["BUCKET_NAME"], Key: object_key });
  const url = await getSignedUrl(client, command, { expiresIn: 100 });
  return { statusCode: 200, headers: { "content-type": "application/json" }, body: JSON.stringify({ url }) };
}
