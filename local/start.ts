import { statSync } from "node:fs";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { VARIABLES } from "../functions/sign-url/environment";
import { CREDENTIALS, type Chain, PORTS } from "./chain";
import {
  CHAIN_OPTIONS,
  chainFlags,
  chainHelp,
  interrupted,
  run,
  startChain,
  terminalReporter,
  unlessInterrupted,
} from "./command";
import { deliver } from "./deliver";

const HELP = `Usage: npm start -- [options]

Runs the whole chain on this machine, sends a first message through it, and stays up.

${chainHelp(PORTS.api)}
  --json          print one line of JSON once all is up, and nothing else; sends no message`;

/** A real file, in every clone, that is bigger than the 256 KB that SQS took. */
const FIRST_MESSAGE = join(__dirname, "../package-lock.json");

void run(async () => {
  const { values } = parseArgs({ options: { ...CHAIN_OPTIONS, json: { type: "boolean", default: false } } });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const flags = chainFlags(values);
  const stopAsked = interrupted();
  if (values.json) {
    const chain = await startChain(flags);
    try {
      await chain.announceLeft();
      console.log(JSON.stringify(describe(chain)));
      await stopAsked;
    } finally {
      await chain.stop();
    }
    return;
  }
  const reporter = terminalReporter();
  const chain = await startChain(flags, reporter);
  try {
    reporter.line("");
    await unlessInterrupted(deliver(chain, FIRST_MESSAGE, reporter), stopAsked);
    const left = await chain.announceLeft();
    if (left > 0) reporter.line(`\nAnnounced again, from an earlier run: ${left}.`);
    reporter.line(instructions(chain));
    await stopAsked;
  } finally {
    await chain.stop();
  }
});

function describe(chain: Chain): Record<string, string> {
  return {
    api_url: chain.apiUrl,
    queue_url: chain.queueUrl,
    dead_letter_queue_url: chain.deadLetterQueueUrl,
    bucket_name: chain.bucketName,
    s3_endpoint: chain.s3Endpoint,
    region: chain.stack.region,
    access_key_id: CREDENTIALS.accessKeyId,
    secret_access_key: CREDENTIALS.secretAccessKey,
  };
}

/** What `tweedle` goes by. */
function environmentOf({
  apiUrl,
  queueUrl,
  deadLetterQueueUrl,
  bucketName,
  s3Endpoint,
  stack,
}: Chain): string[] {
  const { accessKeyId, secretAccessKey } = CREDENTIALS;
  return [
    `TWEEDLE_API_URL=${apiUrl} TWEEDLE_QUEUE_URL=${queueUrl}`,
    `TWEEDLE_DEAD_LETTER_QUEUE_URL=${deadLetterQueueUrl}`,
    `TWEEDLE_BUCKET_NAME=${bucketName} AWS_ENDPOINT_URL_S3=${s3Endpoint}`,
    `AWS_REGION=${stack.region} AWS_ACCESS_KEY_ID=${accessKeyId} AWS_SECRET_ACCESS_KEY=${secretAccessKey}`,
  ];
}

function instructions(chain: Chain): string {
  const { apiUrl, queueUrl, sqsEndpoint, stack } = chain;
  const file = relative(process.cwd(), FIRST_MESSAGE);
  const ask = (body: string, rest: string) =>
    `"$(curl -sf -H 'Accept: text/plain' -d ${body} ${apiUrl}${rest})"`;
  const sqs = (action: string, body: string) =>
    `curl -s -H 'Content-Type: application/x-amz-json-1.0' -H 'X-Amz-Target: AmazonSQS.${action}' -d ${body} ${sqsEndpoint}`;
  const rows = Object.entries(describe(chain)).map(([name, value]) => `  ${name.padEnd(22)} ${value}`);
  // A stage that caps objects wants their length, and one may make consumers sign.
  const capped = stack.functions.some(({ environment }) => VARIABLES.maxObjectBytes in environment);
  const length = capped ? `, "content_length": ${statSync(FIRST_MESSAGE).size}` : "";
  const form = stack.api.definition.paths["/"]?.["get"] ? `Drop files in a browser:\n  ${apiUrl}\n\n` : "";
  const { accessKeyId, secretAccessKey } = CREDENTIALS;
  const sign = stack.api.definition.paths["/getObject"]?.["post"]?.security?.length
    ? ` --aws-sigv4 aws:amz:${stack.region}:execute-api --user ${accessKeyId}:${secretAccessKey}`
    : "";
  return `
${rows.join("\n")}

${form}With the client, in a second shell and in this folder:
${environmentOf(chain)
  .map((line) => `  export ${line}`)
  .join("\n")}
  npx tweedle produce ${file}
  npx tweedle consume --out received --max 1

Or put a file as anybody may:
  curl -T ${file} ${ask(`'{"object_key": "lock.json"${length}}'`, "/putObject")}

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
