import { STAGES, createApp } from "../../main";
import { DOCUMENTED, STORAGE_TYPES } from "./metrics";
import { type Resource, SynthesizedStack, statements, temporaryFolder, text } from "./tools";

const outdir = temporaryFolder();
createApp(outdir).synth();

interface Metric {
  readonly namespace: string;
  readonly metricName: string;
  readonly dimensions: Readonly<Record<string, string>>;
}

interface Widget {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly properties: {
    readonly title: string;
    readonly region: string;
    readonly period: number;
    readonly metrics: readonly (readonly [...string[], object])[];
  };
}

/** A line of a widget: its namespace, its metric, its dimensions in pairs, and how it is drawn. */
function metricOf([namespace = "", metricName = "", ...rest]: readonly (string | object)[]): Metric {
  const pairs = rest.slice(0, -1) as string[];
  const dimensions = Object.fromEntries(
    pairs.flatMap((name, index) => (index % 2 === 0 ? [[name, pairs[index + 1] ?? ""]] : [])),
  );
  return { namespace: namespace as string, metricName: metricName as string, dimensions };
}

describe.each(STAGES)("The stage $stage", ({ stage, region, ...config }) => {
  const stack = new SynthesizedStack(outdir, `producer-consumer-${stage}`);
  const alarms = stack.ofType("aws_cloudwatch_metric_alarm");
  const dashboard = stack.only("aws_cloudwatch_dashboard");
  const { widgets } = JSON.parse(text(dashboard, "dashboard_body")) as { widgets: Widget[] };
  const alarmMetric = ({ attributes }: Resource): Metric => ({
    namespace: String(attributes["namespace"]),
    metricName: String(attributes["metric_name"]),
    dimensions: attributes["dimensions"] as Record<string, string>,
  });
  const names = (type: string, attribute: string) =>
    stack.ofType(type).map((resource) => text(resource, attribute));

  it("watches and shows only metrics that AWS documents, of resources that it has", () => {
    const { paths } = JSON.parse(text(stack.only("aws_api_gateway_rest_api"), "body")) as {
      paths: Record<string, object>;
    };
    const values: Readonly<Record<string, readonly string[]>> = {
      QueueName: names("aws_sqs_queue", "name"),
      FunctionName: names("aws_lambda_function", "function_name"),
      ApiName: names("aws_api_gateway_rest_api", "name"),
      Stage: names("aws_api_gateway_stage", "stage_name"),
      BucketName: names("aws_s3_bucket", "bucket"),
      Method: ["POST"],
      Resource: Object.keys(paths).filter((path) => "post" in (paths[path] ?? {})),
    };
    const shown = widgets.flatMap(({ properties }) => properties.metrics).map(metricOf);
    expect(shown.length).toBeGreaterThan(20);
    for (const { namespace, metricName, dimensions } of [...alarms.map(alarmMetric), ...shown]) {
      const documented = DOCUMENTED[namespace];
      expect(documented?.metrics).toContain(metricName);
      expect(documented?.dimensions).toContainEqual(Object.keys(dimensions));
      for (const [dimension, value] of Object.entries(dimensions)) {
        expect(dimension === "StorageType" ? STORAGE_TYPES[metricName] : values[dimension]).toContain(value);
      }
    }
  });

  it("has detailed metrics on, without which no method has a count of its own", () => {
    expect(stack.only("aws_api_gateway_method_settings").attributes["settings"]).toMatchObject({
      metrics_enabled: true,
    });
  });

  it("has an alarm for each thing that does not mend itself", () => {
    const queue = `tweedle-${stage}-queue`;
    const functions = names("aws_lambda_function", "function_name");
    const seen = alarms.map((alarm) => {
      const { dimensions, metricName } = alarmMetric(alarm);
      const { statistic, threshold } = alarm.attributes;
      return [Object.values(dimensions).join(), metricName, statistic, threshold].join(" ");
    });
    expect(seen.toSorted()).toEqual(
      [
        `${queue}-dead-letter ApproximateNumberOfMessagesVisible Maximum 0`,
        `${queue}-dead-letter ApproximateAgeOfOldestMessage Maximum ${7 * 86_400}`,
        `${queue} ApproximateAgeOfOldestMessage Maximum 3600`,
        `tweedle-${stage}-api,${stage} 5XXError Sum 0`,
        ...functions.flatMap((name) => [`${name} Errors Sum 0`, `${name} Throttles Sum 0`]),
      ].toSorted(),
    );
    for (const { attributes } of alarms) {
      expect(attributes).toMatchObject({
        alarm_name: expect.stringMatching(`^tweedle-${stage}-alarm-[a-z0-9-]+$`),
        alarm_description: expect.stringMatching(/^[^\n]{20,}\.$/),
        comparison_operator: "GreaterThanThreshold",
        treat_missing_data: "notBreaching",
        period: 300,
        evaluation_periods: 1,
      });
    }
  });

  it("tells of dead letters while there are days left to send them back", () => {
    const deadLetters = stack.at("queue/dead-letter-queue");
    const [alarm] = alarms.filter(({ path }) => path === "alarms/dead-letters-expire");
    expect(Number(alarm?.attributes["threshold"])).toBeLessThanOrEqual(
      Number(deadLetters.attributes["message_retention_seconds"]) - 7 * 86_400,
    );
  });

  it("shows a payload's way, in its order, on widgets that do not overlap", () => {
    const steps = ["Asked", "Uploaded", "Announced", "Waiting", "In flight", "Delivered", "Dead"];
    const titles = widgets.map(({ properties }) => properties.title);
    expect(titles.slice(0, steps.length).map((title) => title.split(":")[0])).toEqual(steps);
    expect(new Set(widgets.map(({ x, y }) => `${x} ${y}`)).size).toBe(widgets.length);
    for (const { x, width, properties } of widgets) {
      expect(x + width).toBeLessThanOrEqual(24);
      expect(properties.region).toBe(region);
    }
  });

  it(`tells its alarms ${config.alarmTopic ? "on a topic of its own" : "nobody"}`, () => {
    const topics = stack.ofType("aws_sns_topic").map(({ address }) => `\${${address}.arn}`);
    expect(topics).toHaveLength(config.alarmTopic ? 1 : 0);
    for (const { attributes } of alarms) {
      expect([attributes["alarm_actions"] ?? [], attributes["ok_actions"] ?? []]).toEqual([topics, topics]);
    }
  });
});

describe("The topic of a stage's alarms", () => {
  const { accountId, region } = STAGES[2] ?? { accountId: "", region: "" };
  const stack = new SynthesizedStack(outdir, "producer-consumer-prod");
  const topic = stack.only("aws_sns_topic");
  const arn = `arn:aws:sns:${region}:${accountId}:tweedle-prod-alarms`;

  it("takes this stage's alarms, and no plain HTTP", () => {
    expect(statements(text(topic, "policy"))).toEqual([
      {
        Sid: expect.any(String),
        Effect: "Allow",
        Principal: { Service: "cloudwatch.amazonaws.com" },
        Action: "sns:Publish",
        Resource: arn,
        Condition: {
          StringEquals: { "aws:SourceAccount": accountId },
          ArnLike: {
            "aws:SourceArn": `arn:aws:cloudwatch:${region}:${accountId}:alarm:tweedle-prod-alarm-*`,
          },
        },
      },
      {
        Sid: expect.any(String),
        Effect: "Deny",
        Principal: { AWS: "*" },
        Action: "sns:Publish",
        Resource: arn,
        Condition: { Bool: { "aws:SecureTransport": "false" } },
      },
    ]);
  });

  it("is encrypted with a key that CloudWatch may use, and that is renewed", () => {
    const key = stack.only("aws_kms_key");
    expect(stack.referred(text(topic, "kms_master_key_id"))).toBe(key);
    expect(key.attributes).toMatchObject({ enable_key_rotation: true, deletion_window_in_days: 30 });
    expect(statements(text(key, "policy"))).toEqual([
      {
        Sid: expect.any(String),
        Effect: "Allow",
        Principal: { AWS: `arn:aws:iam::${accountId}:root` },
        Action: "kms:*",
        Resource: "*",
      },
      {
        Sid: expect.any(String),
        Effect: "Allow",
        Principal: { Service: "cloudwatch.amazonaws.com" },
        Action: ["kms:GenerateDataKey", "kms:Decrypt"],
        Resource: "*",
      },
    ]);
  });
});
