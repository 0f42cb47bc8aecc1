import { LIMITS } from "../functions/sign-url/limits";
import { Layout, MULTIPART_THRESHOLD_BYTES, PART_BYTES, RANGE_BYTES } from "../client/produce/layout";
import type { Prices, Quotas } from "./aws";

const GIB = 1024 ** 3;
const MONTH_SECONDS = 30 * 86_400;

/** What a message says beside the payload that it carries, in bytes: its key, digest and type. */
const ENVELOPE_BYTES = 400;
/** SQS counts each of these as a request, in bytes. */
const SQS_CHUNK_BYTES = 64 * 1024;

/** What is asked of each service for one message, from the producer to its last trace. */
export interface Work {
  readonly way: "inline" | "one PUT" | "parts";
  /** Requests to the API, each a call of a function. */
  readonly apiRequests: number;
  /** Those of one method, and of one function, that has the most. */
  readonly busiestMethod: number;
  readonly busiestFunction: number;
  /** Requests that store something, and are paid for. */
  readonly s3Writes: number;
  readonly s3Deletes: number;
  readonly s3Reads: number;
  readonly sqsRequests: number;
  readonly trailEvents: number;
  readonly storedBytes: number;
}

/** The work that a message of this size is, for our client: asked for, put, announced, received, fetched, deleted. */
export function workOf(size: number): Work {
  if (size + ENVELOPE_BYTES <= LIMITS.messageBytes) {
    const chunks = Math.ceil((size + ENVELOPE_BYTES) / SQS_CHUNK_BYTES);
    return {
      way: "inline",
      apiRequests: 1,
      busiestMethod: 1,
      busiestFunction: 1,
      s3Writes: 0,
      s3Deletes: 0,
      s3Reads: 0,
      // Sent and received with its payload, and deleted without.
      sqsRequests: 2 * chunks + 1,
      trailEvents: 0,
      storedBytes: 0,
    };
  }
  const whole = size <= MULTIPART_THRESHOLD_BYTES;
  const parts = whole ? 0 : Math.ceil(size / Layout.ofSize(size, PART_BYTES).sizeOf(1));
  // To begin, each part, to complete; or one PUT.
  const producer = whole ? 1 : parts + 2;
  // To read, where no connection is fast enough to be left alone, and to delete: one URL each.
  const consumer = 2;
  const s3Reads = whole ? 1 : Math.ceil(size / RANGE_BYTES);
  return {
    way: whole ? "one PUT" : "parts",
    apiRequests: producer + consumer,
    busiestMethod: Math.max(1, parts),
    busiestFunction: Math.max(producer, consumer),
    s3Writes: producer,
    s3Deletes: 1,
    s3Reads,
    sqsRequests: 3,
    trailEvents: producer + s3Reads + 1,
    storedBytes: size,
  };
}

/** A reader's own numbers. */
export interface Assumptions {
  /** How long a message waits for a consumer, in seconds. */
  readonly secondsInQueue: number;
  /** How long a consumer is busy with a message, from its receive to its delete, in seconds. */
  readonly handlerSeconds: number;
  /** How long one call of a signer takes, in seconds. */
  readonly signerSeconds: number;
  readonly signerMemoryGb: number;
  /** The stage's own throttle, for each method. */
  readonly stageRequests: number;
  /** Instances that the stage reserves for each function; Infinity for none. */
  readonly reservedInstances: number;
}

/** A limit, and how near a stream of messages comes to it. */
export interface Limit {
  readonly name: string;
  readonly quota: number;
  /** Of that, what one message a second takes. */
  readonly perMessage: number;
  /** Messages a second that it holds up to. */
  readonly holds: number;
  /** What to do where that is too few. */
  readonly remedy: string;
}

/** All limits for messages of one size, the lowest first. */
export function limitsOf(work: Work, quotas: Quotas, given: Assumptions): Limit[] {
  const { stageRequests, reservedInstances, signerSeconds, handlerSeconds } = given;
  const { lambdaRequestsAnInstance: callsAnInstance, s3Partitions } = quotas;
  const adjust = "ask AWS for more (Service Quotas)";
  const partitions = "S3 splits busy keys by itself; raise the rate over hours, not at once";
  const limit = (name: string, quota: number, perMessage: number, remedy: string): Limit => ({
    name,
    quota,
    perMessage,
    holds: perMessage === 0 ? Infinity : quota / perMessage,
    remedy,
  });
  // An instance is busy for as long as a call takes, or as if it took a tenth of a second.
  const instances = (calls: number) => calls * Math.max(signerSeconds, 1 / callsAnInstance);
  return [
    limit("stage's throttle, one method", stageRequests, work.busiestMethod, "raise throttlingRateLimit"),
    limit(
      "reserved instances, one function",
      reservedInstances,
      instances(work.busiestFunction),
      "raise reservedConcurrentExecutions",
    ),
    limit("API Gateway, requests", quotas.apiRequests, work.apiRequests, adjust),
    limit(
      "API Gateway, at one moment",
      quotas.apiBurst,
      work.busiestMethod,
      "let producers try again on a 429",
    ),
    limit("Lambda, instances", quotas.lambdaInstances, instances(work.apiRequests), adjust),
    limit("S3, writes", quotas.s3Writes * s3Partitions, work.s3Writes + work.s3Deletes, partitions),
    limit("S3, reads", quotas.s3Reads * s3Partitions, work.s3Reads, partitions),
    limit("SQS, in flight", quotas.sqsInFlight, handlerSeconds, "add consumers' speed, or a second queue"),
    limit("SQS, requests", quotas.sqsRequests, work.sqsRequests, ""),
  ].toSorted((a, b) => a.holds - b.holds);
}

/** What a million messages cost, in USD, by what is paid for. */
export function costOf(work: Work, prices: Prices, given: Assumptions) {
  const { secondsInQueue, handlerSeconds, signerSeconds, signerMemoryGb } = given;
  const storedMonths = (secondsInQueue + handlerSeconds) / MONTH_SECONDS;
  const each = {
    "API Gateway": work.apiRequests * prices.apiRequest,
    Lambda:
      work.apiRequests * (prices.lambdaRequest + signerSeconds * signerMemoryGb * prices.lambdaGbSecond),
    "S3, requests": work.s3Writes * prices.s3Write + work.s3Reads * prices.s3Read,
    "S3, storage": (work.storedBytes / GIB) * storedMonths * prices.s3GbMonth,
    SQS: work.sqsRequests * prices.sqsRequest,
    "CloudTrail, data events": work.trailEvents * prices.trailEvent,
  };
  return Object.fromEntries(Object.entries(each).map(([name, usd]) => [name, usd * 1e6]));
}
