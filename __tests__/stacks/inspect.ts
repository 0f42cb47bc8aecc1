import { SignatureV4 } from "@smithy/signature-v4";
import type { S3EventRecord, SQSHandler, SQSRecord } from "aws-lambda";
import type { Announcement } from "../../functions/send-message/message";
import { Sha256 } from "../../functions/sign-url/sha256";

/** A consumer such as a third stack may have: it logs each payload's type and length. Messages that fail come again. */
export const handler: SQSHandler = async ({ Records }) => {
  const outcomes = await Promise.allSettled(Records.map(inspect));
  const failed = Records.filter((_, index) => outcomes[index]?.status === "rejected");
  return { batchItemFailures: failed.map(({ messageId }) => ({ itemIdentifier: messageId })) };
};

async function inspect({ body, messageAttributes }: SQSRecord): Promise<void> {
  const message = JSON.parse(body) as Announcement | { source?: never; Records?: S3EventRecord[] };
  if (message.source === "tweedle") {
    const payload = Buffer.from(messageAttributes["payload"]?.binaryValue ?? "", "base64");
    if (payload.length !== message.size) throw new Error(`The payload has ${payload.length} bytes.`);
    console.log(message.content_type, payload.length);
    return;
  }
  // S3's test event has no records.
  const { Records = [] } = message;
  for (const { bucket, object } of Records.map(({ s3 }) => s3)) {
    if (bucket.name !== process.env["BUCKET_NAME"])
      throw new Error(`This is another's bucket: ${bucket.name}.`);
    const key = decodeURIComponent(object.key.replaceAll("+", " "));
    const { url, method } = await ask("headObject", { object_key: key, version_id: object.versionId });
    const { ok, status, headers } = await fetch(url, { method });
    if (!ok) throw new Error(`S3 answered ${status}.`);
    console.log(headers.get("content-type"), headers.get("content-length"));
  }
}

/** Asks the API for a URL, signed as a stage may want it of consumers. */
async function ask(action: string, fields: object): Promise<{ url: string; method: string }> {
  const { API_URL, AWS_REGION = "", AWS_ACCESS_KEY_ID = "", AWS_SECRET_ACCESS_KEY = "" } = process.env;
  const { href, protocol, host, hostname, pathname } = new URL(`${API_URL}/${action}`);
  const { AWS_SESSION_TOKEN: sessionToken } = process.env;
  const { method, headers, body } = await new SignatureV4({
    service: "execute-api",
    region: AWS_REGION,
    credentials: {
      accessKeyId: AWS_ACCESS_KEY_ID,
      secretAccessKey: AWS_SECRET_ACCESS_KEY,
      ...(sessionToken && { sessionToken }),
    },
    sha256: Sha256,
  }).sign({
    method: "POST",
    protocol,
    hostname,
    path: pathname,
    headers: { host },
    body: JSON.stringify(fields),
  });
  const answer = await fetch(href, { method, headers, body });
  if (!answer.ok) throw new Error(`The API answered ${answer.status}.`);
  return (await answer.json()) as { url: string; method: string };
}
