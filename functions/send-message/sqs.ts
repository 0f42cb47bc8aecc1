import { setTimeout } from "node:timers/promises";
import type { SenderEnvironment } from "./environment";
import type { Message } from "./message";
import { signedHeaders } from "./signed-headers";

/** One attempt, in milliseconds. */
const ATTEMPT_MS = 3000;
const ATTEMPTS = 3;
/** The longest wait before the second attempt, in milliseconds; it doubles before each further one. */
const WAIT_MS = 100;

/** What SQS says where it is asked too much for the moment: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html */
const THROTTLING: readonly string[] = [
  "RequestThrottled",
  "RequestThrottledException",
  "Throttling",
  "ThrottlingException",
  "TooManyRequestsException",
];

export interface SqsOptions {
  /** @default the global one */
  readonly fetch?: typeof fetch;
  /** Waits, in milliseconds. @default by the clock */
  readonly wait?: (milliseconds: number) => Promise<unknown>;
  /** From 0 to 1. @default Math.random */
  readonly random?: () => number;
  /** How long one attempt may take, in milliseconds. @default 3000 */
  readonly attemptMs?: number;
}

/** An answer of SQS's that says no. It names no payload. */
class SqsError extends Error {
  override readonly name = "SqsError";
  /** Whether asking again may help. */
  readonly passing: boolean;

  constructor(status: number, code: string, message: string) {
    super(`SQS answered ${status} ${code}: ${message}`);
    this.passing = status >= 500 || status === 429 || THROTTLING.includes(code);
  }
}

/**
 * Sends messages to the queue. A message whose answer was lost is sent again, so it may be there twice: under one key,
 * by which a consumer knows it.
 *
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-json.html
 *
 * @returns a function that answers the message's id, and rejects where SQS does not take it
 */
export function createSqs({ queueUrl, region, credentials }: SenderEnvironment, options: SqsOptions = {}) {
  const { wait = setTimeout, random = Math.random, attemptMs = ATTEMPT_MS } = options;
  const endpoint = new URL("/", queueUrl);
  const signer = { service: "sqs", region, credentials };

  async function attempt(body: string): Promise<string> {
    const headers = await signedHeaders(endpoint, body, signer, {
      "content-type": "application/x-amz-json-1.0",
      "x-amz-target": "AmazonSQS.SendMessage",
    });
    const response = await (options.fetch ?? fetch)(endpoint, {
      method: "POST",
      headers,
      body,
      // A redirect is an answer that says no: a payload goes nowhere else.
      redirect: "manual",
      signal: AbortSignal.timeout(attemptMs),
    });
    const text = await response.text();
    if (!response.ok) throw refusal(response.status, text);
    return (JSON.parse(text) as { MessageId: string }).MessageId;
  }

  return async (message: Message): Promise<string> => {
    const body = JSON.stringify({ QueueUrl: queueUrl.href, ...message });
    for (let count = 1; ; count += 1) {
      try {
        return await attempt(body);
      } catch (error) {
        // What is no answer of SQS's is the network: a reset, a timeout, half an answer.
        const passing = !(error instanceof SqsError) || error.passing;
        if (!passing || count === ATTEMPTS) throw error;
        // Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
        await wait(random() * WAIT_MS * 2 ** (count - 1));
      }
    }
  };
}

/** {"__type": "com.amazon.coral.service#AccessDeniedException", "message": …}; a proxy's answer may be anything. */
function refusal(status: number, text: string): SqsError {
  try {
    const { __type: type, message } = JSON.parse(text) as { __type?: unknown; message?: unknown };
    return new SqsError(status, String(type).split("#").at(-1) ?? "", String(message).slice(0, 500));
  } catch {
    return new SqsError(status, "Unknown", "no JSON");
  }
}
