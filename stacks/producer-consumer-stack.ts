import { TerraformOutput } from "cdktf";
import type { Construct } from "constructs";
import { VARIABLES } from "../functions/send-message/environment";
import type { ActionName } from "../functions/sign-url/actions";
import { KEY_PREFIX } from "../functions/sign-url/keys";
import { queueArn, queueUrl } from "./arns";
import { AlarmTopic } from "./constructs/alarm-topic";
import { Alarms } from "./constructs/alarms";
import { bundle } from "./constructs/bundle";
import { BundledFunction } from "./constructs/bundled-function";
import { Dashboard } from "./constructs/dashboard";
import { Queue, announcer } from "./constructs/queue";
import { Trail } from "./constructs/trail";
import { type Statement, consumeStatement, policyJson, sendStatement } from "./policy";
import { ConfigurationError, type StageConfig } from "./stage";
import { UploadFormStack } from "./upload-form-stack";

/**
 * The whole of Tweedle: uploads are announced on a queue, from which consumers fetch them, and a trail records who
 * read and wrote what.
 *
 * A stack of your own may extend it, and use its `bucket`, `queue` and `api`.
 */
export class ProducerConsumerStack extends UploadFormStack {
  readonly trail: Trail;
  readonly queue: Queue;

  constructor(scope: Construct, id: string, config: StageConfig) {
    super(scope, id, config);
    this.trail = new Trail(this, "trail", {
      trailName: this.name("trail"),
      place: this.place,
      source: this.bucket,
      bucketName: this.bucketName("trail"),
      accessLogs: this.accessLogs,
      ...(config.forceDestroy !== undefined && { forceDestroy: config.forceDestroy }),
    });
    this.queue = new Queue(this, "queue", {
      queueName: this.name("queue"),
      place: this.place,
      source: this.bucket,
      prefix: KEY_PREFIX,
      eventRuleName: this.eventRuleName,
      key: this.key,
      ...(config.forceDestroy !== undefined && { forceDestroy: config.forceDestroy }),
    });
    this.refuseShortRetention();
    const alarmTopic = this.watch();

    const outputs = {
      queue_url: this.queue.queue.url,
      queue_arn: this.queue.queue.arn,
      dead_letter_queue_url: this.queue.deadLetterQueue.url,
      dead_letter_queue_arn: this.queue.deadLetterQueue.arn,
      trail_arn: this.trail.trail.arn,
      consumer_policy_json: policyJson(this.consumerStatements()),
      operator_policy_json: policyJson(this.operatorStatements()),
      ...(alarmTopic && { alarm_topic_arn: alarmTopic.topic.arn }),
    };
    for (const [name, value] of Object.entries(outputs)) new TerraformOutput(this, name, { value });
  }

  protected override get loggedBuckets(): readonly string[] {
    return [...super.loggedBuckets, this.bucketName("trail")];
  }

  /** The service that sends to the queue, which is encrypted with the key, uses it. */
  protected override get keyServices(): readonly string[] {
    return [...super.keyServices, announcer(this.eventRuleName)];
  }

  private get eventRuleName(): string | undefined {
    return this.config.eventBridge ? this.name("payloads") : undefined;
  }

  /** What goes on the queue without the bucket is sent by a function of its own, which may do nothing else. */
  protected override createActionFunctions(): Readonly<Partial<Record<ActionName, BundledFunction>>> {
    const { environment, ...common } = this.openFunctionProps;
    const sender = new BundledFunction(this, "sender", {
      ...common,
      functionName: this.name("sender"),
      bundle: bundle("functions/send-message/index.ts"),
      environment: { [VARIABLES.queueUrl]: queueUrl(this.place, this.name("queue")), ...environment },
      // Three attempts of 3 s, and the waits between them.
      timeoutSeconds: 15,
    });
    sender.grant("send-messages", [
      sendStatement(queueArn(this.place, this.name("queue")), this.place.accountId),
    ]);
    if (this.key) sender.grant("use-key", [this.key.useStatement("encrypt", ["sqs"])]);
    return { sendMessage: sender };
  }

  /** A redriven message is new and lives as long again, so both queues' retentions add up, and what comes before them. */
  private refuseShortRetention(): void {
    const { announcementSeconds, messageRetentionSeconds, deadLetterRetentionSeconds } = this.queue;
    const messageDays = (announcementSeconds + messageRetentionSeconds + deadLetterRetentionSeconds) / 86_400;
    if (this.payloadExpirationDays <= messageDays) {
      throw new ConfigurationError(
        `Stage "${this.config.stage}": payloadExpirationDays must be over ${messageDays}, not ` +
          `${this.payloadExpirationDays}: a message may name its payload for that long, in the queue and redriven.`,
      );
    }
  }

  /**
   * Makes the alarms and the dashboard.
   *
   * @returns where alarms are told, if the stage has it
   */
  private watch(): AlarmTopic | undefined {
    const namePrefix = this.name("alarm");
    const { alarmTopic, alarmEmail } = this.config;
    const topic = alarmTopic
      ? new AlarmTopic(this, "alarm-topic", {
          topicName: this.name("alarms"),
          place: this.place,
          alarmNamePrefix: namePrefix,
          email: alarmEmail,
        })
      : undefined;
    const functions = [
      ...new Set([...Object.values(this.signers), ...Object.values(this.actionFunctions)]),
      ...(this.form ? [this.form] : []),
    ];
    const watched = { queue: this.queue, api: this.api };
    new Alarms(this, "alarms", { ...watched, namePrefix, topic });
    new Dashboard(this, "dashboard", {
      ...watched,
      functions,
      dashboardName: this.name("dashboard"),
      place: this.place,
      bucket: this.bucket,
    });
    return topic;
  }

  /** Least privilege for a consumer that is not a function of this stack. */
  private consumerStatements(): Statement[] {
    return [
      consumeStatement(this.queue.arn),
      ...(this.key ? [this.key.useStatement("decrypt", ["sqs"])] : []),
      ...(this.config.consumerAuthorization === "AWS_IAM" ? [this.api.invokeStatement(["consumer"])] : []),
    ];
  }

  /**
   * Least privilege for somebody who looks at dead letters, sends them back or drops them with their payloads, and
   * announces again what is left in the bucket.
   */
  private operatorStatements(): Statement[] {
    // https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html
    return [
      {
        Sid: "RedriveDeadLetters",
        Effect: "Allow",
        Action: [
          "sqs:ReceiveMessage",
          "sqs:DeleteMessage",
          "sqs:ChangeMessageVisibility",
          "sqs:GetQueueAttributes",
          "sqs:StartMessageMoveTask",
          "sqs:CancelMessageMoveTask",
          "sqs:ListMessageMoveTasks",
        ],
        Resource: this.queue.deadLetterArn,
      },
      {
        Sid: "SendBack",
        Effect: "Allow",
        Action: ["sqs:SendMessage", "sqs:GetQueueAttributes"],
        Resource: this.queue.arn,
      },
      {
        Sid: "ListPayloads",
        Effect: "Allow",
        Action: "s3:ListBucket",
        Resource: this.bucket.arn,
        Condition: { StringLike: { "s3:prefix": `${KEY_PREFIX}*` } },
      },
      ...(this.key ? [this.key.useStatement("encrypt", ["sqs"])] : []),
      ...(this.config.consumerAuthorization === "AWS_IAM"
        ? [this.api.invokeActionsStatement(["deleteObject"])]
        : []),
    ];
  }
}
