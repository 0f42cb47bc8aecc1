import { CloudwatchMetricAlarm } from "@cdktf/provider-aws/lib/cloudwatch-metric-alarm";
import { Construct } from "constructs";
import { type Metric, apiMetric, functionMetric, queueMetric, ruleMetric } from "../metrics";
import type { AlarmTopic } from "./alarm-topic";
import type { BundledFunction } from "./bundled-function";
import type { Queue } from "./queue";
import type { UrlApi } from "./url-api";

export interface AlarmsProps {
  /** What every alarm's name begins with. */
  readonly namePrefix: string;
  readonly queue: Queue;
  readonly api: UrlApi;
  /** The functions that the API calls. */
  readonly functions: readonly BundledFunction[];
  /** Where it is told that an alarm goes off, and that it is over. @default it is seen in CloudWatch */
  readonly topic?: AlarmTopic | undefined;
}

/** What sets an alarm off: a metric over a threshold, for 5 minutes. */
interface Alarm {
  readonly id: string;
  /** What has happened, and what to do. */
  readonly description: string;
  readonly metric: Metric;
  readonly statistic: "Maximum" | "Sum";
  /** In the metric's own unit. @default 0: once is enough */
  readonly over?: number;
}

/** How long a message may wait until somebody is told, in seconds. */
const LONGEST_WAIT = 3600;

/** What somebody has to be told of: nothing here mends itself. */
function alarmsOf({ queue, api, functions }: AlarmsProps): Alarm[] {
  return [
    {
      id: "dead-letters",
      description: "A message failed again and again. See tweedle dlq list.",
      metric: queueMetric(queue.deadLetterName, "ApproximateNumberOfMessagesVisible"),
      statistic: "Maximum",
    },
    {
      id: "dead-letters-expire",
      description: "Dead letters will soon be gone. Send them back: tweedle dlq redrive.",
      metric: queueMetric(queue.deadLetterName, "ApproximateAgeOfOldestMessage"),
      statistic: "Maximum",
      // SQS counts this age from when a message became a dead letter, and its retention from when it was first sent: at
      // half of it, there are days left even of one that had waited for days.
      over: queue.deadLetterRetentionSeconds / 2,
    },
    {
      id: "oldest-message",
      description: "A message has waited for an hour: consumers are gone, or too few.",
      metric: queueMetric(queue.queueName, "ApproximateAgeOfOldestMessage"),
      statistic: "Maximum",
      over: LONGEST_WAIT,
    },
    ...(queue.eventRuleName === undefined
      ? []
      : [
          {
            id: "not-announced",
            description: "EventBridge could not send to the queue. See tweedle reconcile --announce.",
            metric: ruleMetric(queue.eventRuleName, "FailedInvocations"),
            statistic: "Sum",
          } as const,
        ]),
    {
      id: "api-5xx",
      description: "The API answered 5xx. The functions' logs have a line with the stack.",
      metric: apiMetric(api.apiName, api.stageName, "5XXError"),
      statistic: "Sum",
    },
    ...functions.flatMap(({ node, functionName }): Alarm[] => [
      {
        id: `${node.id}-errors`,
        description: `${functionName} did not start, or took too long.`,
        metric: functionMetric(functionName, "Errors"),
        statistic: "Sum",
      },
      {
        id: `${node.id}-throttles`,
        description: `${functionName} has too few instances: see reservedConcurrentExecutions, or the account's quota.`,
        metric: functionMetric(functionName, "Throttles"),
        statistic: "Sum",
      },
    ]),
  ];
}

/** The alarms of a stage. Where a metric says nothing, nothing happened. */
export class Alarms extends Construct {
  readonly alarms: readonly CloudwatchMetricAlarm[];

  constructor(scope: Construct, id: string, props: AlarmsProps) {
    super(scope, id);
    const actions = props.topic ? [props.topic.topic.arn] : undefined;
    this.alarms = alarmsOf(props).map(
      ({ id: alarm, description, metric: { dimensions, ...metric }, statistic, over = 0 }) =>
        new CloudwatchMetricAlarm(this, alarm, {
          alarmName: `${props.namePrefix}-${alarm}`,
          alarmDescription: description,
          ...metric,
          dimensions: { ...dimensions },
          statistic,
          comparisonOperator: "GreaterThanThreshold",
          threshold: over,
          period: 300,
          evaluationPeriods: 1,
          treatMissingData: "notBreaching",
          ...(actions && { alarmActions: actions, okActions: actions }),
        }),
    );
  }
}
