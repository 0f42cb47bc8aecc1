import { CloudwatchMetricAlarm } from "@cdktf/provider-aws/lib/cloudwatch-metric-alarm";
import { Aspects } from "cdktf";
import { Construct } from "constructs";
import { type Metric, apiMetric, functionMetric, queueMetric, ruleMetric } from "../metrics";
import type { AlarmTopic } from "./alarm-topic";
import { BundledFunction } from "./bundled-function";
import type { Queue } from "./queue";
import type { UrlApi } from "./url-api";

export interface AlarmsProps {
  /** What every alarm's name begins with. */
  readonly namePrefix: string;
  readonly queue: Queue;
  readonly api: UrlApi;
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
function alarmsOf({ queue, api }: AlarmsProps): Alarm[] {
  return [
    {
      id: "dead-letters",
      description:
        queue.eventRuleName === undefined
          ? "A message failed again and again. See tweedle dlq list."
          : "A message failed again and again, or the queue took none from EventBridge for a day. See tweedle dlq list.",
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
    ...(queue.eventRuleName === undefined ? [] : alarmsOfRule(queue.eventRuleName)),
    {
      id: "api-5xx",
      description: "The API answered 5xx. The functions' logs have a line with the stack.",
      metric: apiMetric(api.apiName, api.stageName, "5XXError"),
      statistic: "Sum",
    },
  ];
}

function alarmsOfRule(name: string): Alarm[] {
  return [
    {
      id: "not-announced",
      description: "EventBridge has given up on announcing payloads. See tweedle dlq list.",
      metric: ruleMetric(name, "FailedInvocations"),
      statistic: "Sum",
    },
    {
      id: "not-kept",
      description: "Nor did the dead-letter queue take what tells of them. See tweedle reconcile --announce.",
      metric: ruleMetric(name, "InvocationsFailedToBeSentToDlq"),
      statistic: "Sum",
    },
  ];
}

/** What somebody has to be told of a function, named by its path within the stack. */
function alarmsOfFunction({ node, functionName }: BundledFunction): Alarm[] {
  const id = node.path.split("/").slice(1).join("-");
  return [
    {
      id: `${id}-errors`,
      description: `${functionName} threw, did not start, or took too long.`,
      metric: functionMetric(functionName, "Errors"),
      statistic: "Sum",
    },
    {
      id: `${id}-throttles`,
      description: `${functionName} has too few instances: see reservedConcurrentExecutions, or the account's quota.`,
      metric: functionMetric(functionName, "Throttles"),
      statistic: "Sum",
    },
  ];
}

/** The alarms of a stage. Where a metric says nothing, nothing happened. */
export class Alarms extends Construct {
  readonly #props: AlarmsProps;
  readonly #watched = new Set<BundledFunction>();

  constructor(scope: Construct, id: string, props: AlarmsProps) {
    super(scope, id);
    this.#props = props;
    for (const alarm of alarmsOf(props)) this.#add(alarm);
    // At synth, when all functions are there: those of a stack that extends this one, too.
    Aspects.of(this.node.scope as Construct).add({
      visit: (node) => {
        if (node instanceof BundledFunction) this.#watch(node);
      },
    });
  }

  #watch(watched: BundledFunction): void {
    // An app may be synthesized twice.
    if (this.#watched.has(watched)) return;
    this.#watched.add(watched);
    for (const alarm of alarmsOfFunction(watched)) this.#add(alarm);
  }

  #add({ id, description, metric: { dimensions, ...metric }, statistic, over = 0 }: Alarm): void {
    const { namePrefix, topic } = this.#props;
    const actions = topic ? [topic.topic.arn] : undefined;
    new CloudwatchMetricAlarm(this, id, {
      alarmName: `${namePrefix}-${id}`,
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
    });
  }
}
