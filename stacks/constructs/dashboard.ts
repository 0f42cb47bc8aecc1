import { CloudwatchDashboard } from "@cdktf/provider-aws/lib/cloudwatch-dashboard";
import { Construct } from "constructs";
import { ACTIONS, type Role } from "../../functions/sign-url/actions";
import type { Place } from "../arns";
import { type Metric, apiMetric, bucketMetric, functionMetric, methodMetric, queueMetric } from "../metrics";
import type { BundledFunction } from "./bundled-function";
import type { PrivateBucket } from "./private-bucket";
import type { Queue } from "./queue";
import type { UrlApi } from "./url-api";

export interface DashboardProps {
  readonly dashboardName: string;
  readonly place: Place;
  readonly api: UrlApi;
  /** Where payloads live. */
  readonly bucket: PrivateBucket;
  readonly queue: Queue;
  /** The functions that the API calls. */
  readonly functions: readonly BundledFunction[];
}

/** A metric on a widget: what it is called there, and what of each period is shown. */
type Line = readonly [label: string, metric: Metric, stat?: string];

interface Widget {
  readonly title: string;
  readonly lines: readonly Line[];
  /** In seconds. @default 300 */
  readonly period?: number;
}

const DAY = 86_400;
/** Of the grid's 24 columns; in its rows. */
const SIZE = { width: 6, height: 6 };
const WIDGETS_PER_ROW = 24 / SIZE.width;

/** A payload's way, and below it what it passes through. */
function widgetsOf({ api, bucket, queue, functions }: DashboardProps): Widget[] {
  const { apiName, stageName } = api;
  const asked = (role: Role): Line[] =>
    api.actions
      .filter((action) => ACTIONS[action]?.role === role)
      .map((action) => [action, methodMetric(apiName, stageName, "POST", `/${action}`, "Count")]);
  const ofStage = (metric: string) => apiMetric(apiName, stageName, metric);
  const ofBucket = (type: string, metric: string) => bucketMetric(bucket.bucketName, type, metric);
  const ofQueue = (metric: string) => queueMetric(queue.queueName, metric);
  const ofDeadLetters = (metric: string) => queueMetric(queue.deadLetterName, metric);
  const ofFunctions = (metric: string, stat: string): Line[] =>
    functions.map(({ node, functionName }) => [
      `${node.id}: ${metric}`,
      functionMetric(functionName, metric),
      stat,
    ]);
  return [
    {
      title: "Asked: requests of producers",
      lines: [["POST /", methodMetric(apiName, stageName, "POST", "/", "Count")], ...asked("producer")],
    },
    {
      title: "Uploaded: what the bucket holds, once a day",
      lines: [
        ["objects and versions", ofBucket("AllStorageTypes", "NumberOfObjects"), "Average"],
        ["bytes", ofBucket("StandardStorage", "BucketSizeBytes"), "Average"],
      ],
      period: DAY,
    },
    { title: "Announced: messages sent", lines: [["sent", ofQueue("NumberOfMessagesSent")]] },
    {
      title: "Waiting",
      lines: [
        ["messages", ofQueue("ApproximateNumberOfMessagesVisible"), "Maximum"],
        ["age of the oldest, s", ofQueue("ApproximateAgeOfOldestMessage"), "Maximum"],
      ],
    },
    {
      title: "In flight",
      lines: [["received, not deleted", ofQueue("ApproximateNumberOfMessagesNotVisible"), "Maximum"]],
    },
    {
      title: "Delivered: messages deleted, requests of consumers",
      lines: [["deleted", ofQueue("NumberOfMessagesDeleted")], ...asked("consumer")],
    },
    {
      title: "Dead",
      lines: [
        ["dead letters", ofDeadLetters("ApproximateNumberOfMessagesVisible"), "Maximum"],
        ["age of the oldest, s", ofDeadLetters("ApproximateAgeOfOldestMessage"), "Maximum"],
      ],
    },
    {
      title: "API",
      lines: [
        ["4xx", ofStage("4XXError")],
        ["5xx", ofStage("5XXError")],
        ["latency p99, ms", ofStage("Latency"), "p99"],
      ],
    },
    {
      title: "Functions: errors and throttles",
      lines: [...ofFunctions("Errors", "Sum"), ...ofFunctions("Throttles", "Sum")],
    },
    { title: "Functions: milliseconds, p99", lines: ofFunctions("Duration", "p99") },
    { title: "Functions: at once", lines: ofFunctions("ConcurrentExecutions", "Maximum") },
  ];
}

/**
 * A stage as a person thinks of it: asked, uploaded, announced, waiting, in flight, delivered, dead.
 *
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
 */
export class Dashboard extends Construct {
  readonly dashboard: CloudwatchDashboard;

  constructor(scope: Construct, id: string, props: DashboardProps) {
    super(scope, id);
    const widgets = widgetsOf(props).map(({ title, lines, period = 300 }, index) => ({
      type: "metric",
      x: (index % WIDGETS_PER_ROW) * SIZE.width,
      y: Math.floor(index / WIDGETS_PER_ROW) * SIZE.height,
      ...SIZE,
      properties: {
        title,
        region: props.place.region,
        view: "timeSeries",
        period,
        stat: "Sum",
        metrics: lines.map(([label, { namespace, metricName, dimensions }, stat]) => [
          namespace,
          metricName,
          ...Object.entries(dimensions).flat(),
          { label, ...(stat && { stat }) },
        ]),
      },
    }));
    this.dashboard = new CloudwatchDashboard(this, "dashboard", {
      dashboardName: props.dashboardName,
      dashboardBody: JSON.stringify({ widgets }),
    });
  }
}
