import { statSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { CREDENTIALS, type Chain } from "./chain";
import { typeOf } from "./deliver";
import { firstMessage, limitsOf } from "./first-message";

/** Where everything is, for programs. */
export function describe(chain: Chain): Record<string, string> {
  const [apiKey] = chain.stack.api.usagePlan?.apiKeys ?? [];
  return {
    api_url: chain.apiUrl,
    ...(apiKey && { api_key: apiKey.value }),
    queue_url: chain.queueUrl,
    dead_letter_queue_url: chain.deadLetterQueueUrl,
    bucket_name: chain.bucketName,
    s3_endpoint: chain.s3Endpoint,
    sqs_endpoint: chain.sqsEndpoint,
    region: chain.stack.region,
    access_key_id: CREDENTIALS.accessKeyId,
    secret_access_key: CREDENTIALS.secretAccessKey,
  };
}

/** The environment of `tweedle`, of the AWS CLI and of AWS's SDKs, boto3 among them. */
function environmentOf(chain: Chain): string[] {
  const { accessKeyId, secretAccessKey } = CREDENTIALS;
  const { region } = chain.stack;
  const [apiKey] = chain.stack.api.usagePlan?.apiKeys ?? [];
  return [
    `TWEEDLE_API_URL=${chain.apiUrl} TWEEDLE_QUEUE_URL=${chain.queueUrl}`,
    `TWEEDLE_DEAD_LETTER_QUEUE_URL=${chain.deadLetterQueueUrl}`,
    `TWEEDLE_BUCKET_NAME=${chain.bucketName}${apiKey ? ` TWEEDLE_API_KEY=${apiKey.value}` : ""}`,
    `AWS_ENDPOINT_URL_S3=${chain.s3Endpoint} AWS_ENDPOINT_URL_SQS=${chain.sqsEndpoint}`,
    // The AWS CLI and boto3 read the second, other SDKs the first.
    `AWS_REGION=${region} AWS_DEFAULT_REGION=${region}`,
    `AWS_ACCESS_KEY_ID=${accessKeyId} AWS_SECRET_ACCESS_KEY=${secretAccessKey}`,
  ];
}

/** Whether a stage wants the callers of an action to sign. */
const wantsSignature = ({ stack }: Chain, action: string): boolean =>
  (stack.api.definition.paths[`/${action}`]?.["post"]?.security ?? []).some((scheme) => "sigv4" in scheme);

/** What to do next: each line works as it is in a second shell, in this folder. */
export function instructions(chain: Chain): string {
  const { apiUrl, queueUrl, sqsEndpoint, stack } = chain;
  const limits = limitsOf(stack);
  const path = firstMessage(limits);
  const file = path === undefined ? "FILE" : relative(process.cwd(), path);
  const { accessKeyId, secretAccessKey } = CREDENTIALS;
  const [apiKey] = stack.api.usagePlan?.apiKeys ?? [];
  const signFor = (action: string) =>
    wantsSignature(chain, action)
      ? ` --aws-sigv4 aws:amz:${stack.region}:execute-api --user ${accessKeyId}:${secretAccessKey}`
      : "";
  const ask = (body: string, rest: string) =>
    `"$(curl -sf -H 'Accept: text/plain' -d ${body} ${apiUrl}${rest})"`;
  const sqs = (action: string, body: string) =>
    `curl -s -H 'Content-Type: application/x-amz-json-1.0' -H 'X-Amz-Target: AmazonSQS.${action}' -d ${body} ${sqsEndpoint}`;
  const rows = Object.entries(describe(chain)).map(([name, value]) => `  ${name.padEnd(22)} ${value}`);
  const type = limits.contentTypes && path !== undefined ? typeOf(path) : undefined;
  // What a stage limits is signed, and so required.
  const fields = {
    object_key: path === undefined ? "name" : basename(path),
    ...(limits.maxObjectBytes !== undefined && path !== undefined && { content_length: statSync(path).size }),
    ...(type !== undefined && { content_type: type }),
  };
  const key = apiKey ? ` -H 'x-api-key: ${apiKey.value}'` : "";
  const put = ask(`'${JSON.stringify(fields)}'`, `/putObject${key}${signFor("putObject")}`);
  const form = stack.api.definition.paths["/"]?.["get"] ? `Drop files in a browser:\n  ${apiUrl}\n\n` : "";
  const sign = signFor("getObject");
  return `
${rows.join("\n")}

${form}With the client, in a second shell and in this folder:
${environmentOf(chain)
  .map((line) => `  export ${line}`)
  .join("\n")}
  alias tweedle="node '${join(__dirname, "../dist/tweedle.js")}'"
  tweedle produce ${file}
  tweedle consume --out received --max 1

Or put a file ${apiKey || signFor("putObject") ? "with curl" : "as anybody may"}:
  curl -T ${file}${type === undefined ? "" : ` -H 'content-type: ${type}'`} ${put}

Receive its announcement, as a consumer:
  MESSAGE=$(${sqs("ReceiveMessage", `'{"QueueUrl": "${queueUrl}"}'`)})
  KEY=$(node -p 'const { Records } = JSON.parse(JSON.parse(process.argv[1]).Messages[0].Body);
    decodeURIComponent(Records[0].s3.object.key.replaceAll("+", " "))' "$MESSAGE")

Fetch what it names:
  curl -o /tmp/received ${ask(`"{\\"object_key\\": \\"$KEY\\"}"`, `/getObject${sign}`)}

Delete the message, then its payload:
  RECEIPT=$(node -p 'JSON.parse(process.argv[1]).Messages[0].ReceiptHandle' "$MESSAGE")
  ${sqs("DeleteMessage", `"{\\"QueueUrl\\": \\"${queueUrl}\\", \\"ReceiptHandle\\": \\"$RECEIPT\\"}"`)}
  curl -X DELETE ${ask(`"{\\"object_key\\": \\"$KEY\\"}"`, `/deleteObject${sign}`)}

Ctrl-C stops everything.`;
}
