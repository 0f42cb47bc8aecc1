import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { parseArgs } from "node:util";
import { isKey } from "../../functions/sign-url/keys";
import { LIMITS } from "../../functions/sign-url/limits";
import { type LocalFunction, loadFunction } from "../../local/lambda";
import { bundle } from "../../stacks/constructs/bundle";
import { bundleSigner } from "../../stacks/signer";
import { Coverage } from "./coverage";
import { type Input, SEEDS, mutate, randomOf } from "./mutate";

/*
 * A fuzz run of both functions, as they are deployed: what makes a bundle run code that nothing ran before is kept
 * and changed further, so the run works its way in. It ends with 1 where an answer is not what any caller may get.
 *
 *   node --import tsx __tests__/soak/fuzz.ts --seconds 600
 */

/** A promise that was broken, and by what. */
export interface Finding {
  readonly what: string;
  readonly input: Input;
  readonly answer: unknown;
}

const SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const BUCKET = "tweedle-fuzz-content";
/** An answer that takes longer has met a loop that grows faster than its request, in milliseconds. */
const SLOW_MS = 1000;
/** Requests between two looks at the coverage. */
const BATCH = 24;

interface Answer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What is wrong with an answer; undefined for nothing. */
function fault({ accept }: Input, { statusCode, headers, body }: Answer): string | undefined {
  if (![200, 400, 403, 404, 405, 413].includes(statusCode)) return `a status of ${statusCode}`;
  if (headers["cache-control"] !== "no-store" || headers["x-content-type-options"] !== "nosniff") {
    return "no security headers";
  }
  if (body.includes(SECRET)) return "the secret key";
  if (statusCode !== 200) {
    const { error } = JSON.parse(body) as { error: { code: string; message: string } };
    if (!/^[A-Z][A-Za-z0-9]+$/.test(error.code) || !/^.{10,900}\.$/s.test(error.message))
      return "no sentence";
    return /X-Amz-|amazonaws|tweedle-fuzz|FUZZKEY|\.[jt]s:\d/.test(body) ? "a word of ours" : undefined;
  }
  const json = headers["content-type"]?.startsWith("application/json") ?? false;
  if (!json) {
    if (!accept) return "text that nobody asked for";
    return body
      .split("\n")
      .map((url) => faultOfUrl(url))
      .find((what) => what !== undefined);
  }
  const said = JSON.parse(body) as {
    openapi?: string;
    object_key: string;
    url?: string;
    parts?: { url: string }[];
    expires_at: string;
  };
  if (said.openapi) return undefined;
  if (!isKey(said.object_key)) return "a key that is none";
  const urls = [...(said.url === undefined ? [] : [said.url]), ...(said.parts ?? []).map(({ url }) => url)];
  return urls.map((url) => faultOfUrl(url, said.object_key)).find((what) => what !== undefined);
}

/** A URL leads to one payload of our bucket, for no longer than the limit, and is what every parser takes it for. */
function faultOfUrl(text: string, key?: string): string | undefined {
  const url = new URL(text);
  if (url.href !== text) return "a URL that is read in two ways";
  if (url.origin !== `https://${BUCKET}.s3.eu-central-1.amazonaws.com`) return "a URL of another host";
  const path = decodeURIComponent(url.pathname.slice(1));
  if (!isKey(path) || (key !== undefined && path !== key)) return "a URL of another key";
  const life = Number(url.searchParams.get("X-Amz-Expires"));
  if (!(life >= 1 && life <= LIMITS.maxExpirySeconds)) return "a URL that lives too long";
  const known =
    /^(X-Amz-(Algorithm|Content-Sha256|Credential|Date|Expires|Security-Token|Signature|SignedHeaders)|x-id|uploads|uploadId|partNumber|part-number-marker|versionId|response-content-disposition)$/;
  return [...url.searchParams.keys()].some((name) => !known.test(name))
    ? "a parameter of the caller's"
    : undefined;
}

/** An SQS that takes every message, and counts them. */
async function startSqs() {
  let messages = 0;
  const server = createServer((request, response) => {
    request.resume().on("end", () => {
      messages += 1;
      response.end('{"MessageId":"m"}');
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { origin: `http://127.0.0.1:${port}`, messages: () => messages, stop: () => server.close() };
}

export interface Report {
  readonly requests: number;
  readonly seconds: number;
  readonly blocks: number;
  readonly corpus: number;
  readonly statuses: Readonly<Record<string, number>>;
  readonly findings: readonly Finding[];
}

/**
 * @param seconds how long
 * @param seed where the random numbers begin
 */
export async function fuzz(seconds: number, seed: number): Promise<Report> {
  const sqs = await startSqs();
  const environment = {
    AWS_REGION: "eu-central-1",
    AWS_ACCESS_KEY_ID: "FUZZKEYID",
    AWS_SECRET_ACCESS_KEY: SECRET,
    AWS_SESSION_TOKEN: "token",
    BUCKET_NAME: BUCKET,
    ROLES: "producer,consumer",
    QUEUE_URL: "https://sqs.eu-central-1.amazonaws.com/123456789012/tweedle-fuzz-queue",
    AWS_ENDPOINT_URL_SQS: sqs.origin,
  };
  const rules = { roles: ["producer", "consumer"], maxObjectBytes: undefined } as const;
  const load = ({ zip }: { zip: Uint8Array }) =>
    loadFunction({ zip, handler: "index.handler", environment, timeoutSeconds: 30 });
  const coverage = await Coverage.start((url) => url.includes("tweedle-function-"));
  const signer = load(bundleSigner(rules));
  const sender = load(bundle("functions/send-message/index.ts"));

  const random = randomOf(seed);
  const corpus: Input[] = [];
  const statuses: Record<string, number> = {};
  const findings = new Map<string, Finding>();
  let requests = 0;
  let sent = 0;

  async function run(input: Input): Promise<void> {
    const target: LocalFunction = input.path === "/sendMessage" ? sender : signer;
    const began = performance.now();
    let answer: unknown;
    let what: string | undefined;
    try {
      answer = await target.invoke({
        httpMethod: input.path === "/openapi.json" ? "GET" : "POST",
        resource: input.path,
        headers: input.accept === undefined ? {} : { accept: input.accept },
        body: input.body,
        isBase64Encoded: input.isBase64Encoded,
      });
      const { statusCode } = answer as Answer;
      statuses[statusCode] = (statuses[statusCode] ?? 0) + 1;
      what = fault(input, answer as Answer);
      sent += statusCode === 200 && target === sender ? 1 : 0;
      if (sent !== sqs.messages()) what ??= `${sqs.messages()} messages for ${sent} answers`;
    } catch (error) {
      what = `an error: ${String(error)}`;
    }
    if (performance.now() - began > SLOW_MS) what ??= "an answer that takes long";
    requests += 1;
    if (what !== undefined && !findings.has(what)) findings.set(what, { what, input, answer });
  }

  // The first request runs what none has run, so there is always one.
  const one = (inputs: readonly Input[]) => inputs[Math.floor(random() * inputs.length)]!;
  const next = () => mutate(one(corpus), one(SEEDS), random);
  const until = performance.now() + seconds * 1000;
  try {
    const keepIfNew = async (input: Input) => {
      await run(input);
      if (await coverage.keepIfNew()) corpus.push(input);
    };
    for (const input of SEEDS) await keepIfNew(input);
    while (performance.now() < until) {
      const batch = Array.from({ length: BATCH }, next);
      for (const input of batch) await run(input);
      // A look takes as long as some requests, so most are looked at together.
      if (await coverage.isNew()) for (const input of batch) await keepIfNew(input);
      else await keepIfNew(next());
    }
  } finally {
    coverage.stop();
    signer.stop();
    sender.stop();
    sqs.stop();
  }
  return {
    requests,
    seconds,
    blocks: coverage.size,
    corpus: corpus.length,
    statuses,
    findings: [...findings.values()],
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "20" },
      seed: { type: "string", default: String(Date.now()) },
    },
  });
  const seed = Number(values.seed);
  const report = await fuzz(Number(values.seconds), seed);
  console.log(JSON.stringify({ seed, ...report }));
  process.exitCode = report.findings.length > 0 ? 1 : 0;
}

if (require.main === module) void main();
