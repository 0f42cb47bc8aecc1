/** A metric that an AWS service publishes by itself, as CloudWatch names it. */
export interface Metric {
  readonly namespace: string;
  readonly metricName: string;
  readonly dimensions: Readonly<Record<string, string>>;
}

/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html */
export const queueMetric = (QueueName: string, metricName: string): Metric => ({
  namespace: "AWS/SQS",
  metricName,
  dimensions: { QueueName },
});

/** https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html */
export const functionMetric = (FunctionName: string, metricName: string): Metric => ({
  namespace: "AWS/Lambda",
  metricName,
  dimensions: { FunctionName },
});

/** https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html */
export const ruleMetric = (RuleName: string, metricName: string): Metric => ({
  namespace: "AWS/Events",
  metricName,
  dimensions: { RuleName },
});

/** Of a whole stage: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html */
export const apiMetric = (ApiName: string, Stage: string, metricName: string): Metric => ({
  namespace: "AWS/ApiGateway",
  metricName,
  dimensions: { ApiName, Stage },
});

/** Of one method, where the stage has detailed metrics: POST /putObject. */
export const methodMetric = (
  apiName: string,
  stage: string,
  Method: string,
  Resource: string,
  metricName: string,
): Metric => {
  const { dimensions, ...metric } = apiMetric(apiName, stage, metricName);
  return { ...metric, dimensions: { ...dimensions, Resource, Method } };
};

/**
 * Once a day and free; S3's metrics of requests are neither.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/metrics-dimensions.html
 */
export const bucketMetric = (BucketName: string, StorageType: string, metricName: string): Metric => ({
  namespace: "AWS/S3",
  metricName,
  dimensions: { BucketName, StorageType },
});
