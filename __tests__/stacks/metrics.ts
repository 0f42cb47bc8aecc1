/** What AWS documents of a namespace: its page, each metric's sets of dimensions, and where a dimension's value comes from. */
interface Documented {
  readonly page: string;
  readonly metrics: readonly string[];
  readonly dimensions: readonly (readonly string[])[];
}

/** The metrics that Tweedle's services publish by themselves and that this stack may show or watch. */
export const DOCUMENTED: Readonly<Record<string, Documented>> = {
  "AWS/SQS": {
    page: "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html",
    metrics: [
      "ApproximateAgeOfOldestMessage",
      "ApproximateNumberOfMessagesDelayed",
      "ApproximateNumberOfMessagesNotVisible",
      "ApproximateNumberOfMessagesVisible",
      "NumberOfEmptyReceives",
      "NumberOfMessagesDeleted",
      "NumberOfMessagesReceived",
      "NumberOfMessagesSent",
      "SentMessageSize",
    ],
    dimensions: [["QueueName"]],
  },
  "AWS/Lambda": {
    page: "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html",
    metrics: ["Invocations", "Errors", "Throttles", "Duration", "ConcurrentExecutions"],
    dimensions: [["FunctionName"]],
  },
  "AWS/ApiGateway": {
    page: "https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html",
    metrics: ["4XXError", "5XXError", "Count", "IntegrationLatency", "Latency"],
    dimensions: [
      ["ApiName", "Stage"],
      ["ApiName", "Stage", "Resource", "Method"],
    ],
  },
  "AWS/Events": {
    page: "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html",
    metrics: [
      "FailedInvocations",
      "Invocations",
      "InvocationsFailedToBeSentToDlq",
      "InvocationsSentToDlq",
      "MatchedEvents",
      "TriggeredRules",
    ],
    dimensions: [["RuleName"]],
  },
  "AWS/S3": {
    // Of the daily ones: those of requests are paid for, and off.
    page: "https://docs.aws.amazon.com/AmazonS3/latest/userguide/metrics-dimensions.html",
    metrics: ["BucketSizeBytes", "NumberOfObjects"],
    dimensions: [["BucketName", "StorageType"]],
  },
};

/** The storage types that go with S3's metrics. */
export const STORAGE_TYPES: Readonly<Record<string, readonly string[]>> = {
  BucketSizeBytes: ["StandardStorage"],
  NumberOfObjects: ["AllStorageTypes"],
};
