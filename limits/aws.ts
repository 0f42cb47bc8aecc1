/*
 * What AWS allows and what it asks for it: list prices of us-east-1, and the quotas of a new account. Each has the
 * page that says so; look there before you build on it, they change.
 */

/** A number of AWS's or ours, and where it stands. */
export interface Fact {
  readonly is: string;
  readonly value: number;
  readonly source: string;
}

/** In USD. */
export const PRICES = {
  apiRequest: {
    is: "a request to a REST API, of the first 333 million a month",
    value: 3.5 / 1e6,
    source: "https://aws.amazon.com/api-gateway/pricing/",
  },
  lambdaRequest: {
    is: "a call of a function",
    value: 0.2 / 1e6,
    source: "https://aws.amazon.com/lambda/pricing/",
  },
  lambdaGbSecond: {
    is: "a second of a function with 1 GB on arm64",
    value: 0.0000133334,
    source: "https://aws.amazon.com/lambda/pricing/",
  },
  s3Write: {
    is: "a PUT or POST, of a part too; a DELETE is free",
    value: 0.005 / 1e3,
    source: "https://aws.amazon.com/s3/pricing/",
  },
  s3Read: { is: "a GET or HEAD", value: 0.0004 / 1e3, source: "https://aws.amazon.com/s3/pricing/" },
  s3GbMonth: {
    is: "a GB (of 2^30 bytes) for a month, of the first 50 TB",
    value: 0.023,
    source: "https://aws.amazon.com/s3/pricing/",
  },
  sqsRequest: {
    is: "a request to a standard queue, each 64 KiB of it",
    value: 0.4 / 1e6,
    source: "https://aws.amazon.com/sqs/pricing/",
  },
  trailEvent: {
    is: "a data event of a trail",
    value: 0.1 / 1e5,
    source: "https://aws.amazon.com/cloudtrail/pricing/",
  },
} as const satisfies Readonly<Record<string, Fact>>;

export const QUOTAS = {
  apiRequests: {
    is: "requests a second to all REST APIs of the account in a region",
    value: 10_000,
    source: "https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html",
  },
  apiBurst: {
    is: "requests at one moment beyond that",
    value: 5_000,
    source: "https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html",
  },
  lambdaInstances: {
    is: "instances of all functions of the account at once",
    value: 1_000,
    source: "https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html",
  },
  lambdaRequestsAnInstance: {
    is: "calls a second that one instance takes, however short",
    value: 10,
    source: "https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html",
  },
  s3Writes: {
    is: "PUT, POST and DELETE a second for one partition of a bucket's keys",
    value: 3_500,
    source: "https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html",
  },
  s3Reads: {
    is: "GET and HEAD a second for one partition of a bucket's keys",
    value: 5_500,
    source: "https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html",
  },
  s3Partitions: {
    is: "partitions: S3 makes more by itself, within minutes to hours, since keys are random",
    value: 1,
    source: "https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html",
  },
  sqsInFlight: {
    is: "messages of a standard queue that are received and not yet deleted",
    value: 120_000,
    source: "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html",
  },
  sqsRequests: {
    is: "requests a second to a standard queue: nearly unlimited",
    value: Infinity,
    source: "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html",
  },
} as const satisfies Readonly<Record<string, Fact>>;

type Values<T> = Readonly<Record<keyof T, number>>;

export type Prices = Values<typeof PRICES>;
export type Quotas = Values<typeof QUOTAS>;

/** The numbers alone. */
export const valuesOf = <T extends Readonly<Record<string, Fact>>>(facts: T): Values<T> =>
  Object.fromEntries(Object.entries(facts).map(([name, { value }]) => [name, value])) as Values<T>;
