import { setTimeout } from "node:timers/promises";
import { remedyOf } from "../../contract/answers";
import type { SenderEnvironment } from "./environment";
import type { Message } from "./message";
import { signedHeaders } from "./signed-headers";

/** One attempt, in milliseconds. */
const ATTEMPT_MS = 3000;
const ATTEMPTS = 3;
/** The longest wait before the second attempt, in milliseconds; it doubles before each further one. */
const WAIT_MS = 100;

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

/** An error response of SQS. It names no payload. */
class SqsError extends Error {
  override readonly name = "SqsError";
  readonly isRetryable: boolean;

  constructor(status: number, code: string, message: string) {
    super(`SQS answered ${status} ${code}: ${message}`);
    // Each attempt is signed again.
    this.isRetryable = remedyOf("sqs", status, code) !== "final";
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
        const isRetryable = !(error instanceof SqsError) || error.isRetryable;
        if (!isRetryable || count === ATTEMPTS) throw error;
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
