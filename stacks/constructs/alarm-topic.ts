import { SnsTopic } from "@cdktf/provider-aws/lib/sns-topic";
import { SnsTopicSubscription } from "@cdktf/provider-aws/lib/sns-topic-subscription";
import { Construct } from "constructs";
import { type Place, alarmArn, topicArn } from "../arns";
import { policyJson } from "../policy";
import { EncryptionKey } from "./encryption-key";

export interface AlarmTopicProps {
  readonly topicName: string;
  readonly place: Place;
  /** What the names of the alarms that may be told here begin with. */
  readonly alarmNamePrefix: string;
  /** Who gets them by e-mail, once he has confirmed it. @default nobody */
  readonly email?: string | undefined;
}

/** A topic that this account's alarms are told on, encrypted, and that takes TLS only. */
export class AlarmTopic extends Construct {
  readonly topic: SnsTopic;
  readonly key: EncryptionKey;

  constructor(scope: Construct, id: string, props: AlarmTopicProps) {
    super(scope, id);
    const { topicName, place, alarmNamePrefix, email } = props;
    const arn = topicArn(place, topicName);
    // With a key of its own, since CloudWatch may not use AWS's:
    // https://repost.aws/knowledge-center/cloudwatch-receive-sns-for-alarm-trigger
    this.key = new EncryptionKey(this, "key", {
      keyName: topicName,
      description: "What alarms say.",
      place,
      services: ["cloudwatch.amazonaws.com"],
    });
    // https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
    this.topic = new SnsTopic(this, "topic", {
      name: topicName,
      kmsMasterKeyId: this.key.key.arn,
      policy: policyJson([
        {
          Sid: "TellAlarms",
          Effect: "Allow",
          Principal: { Service: "cloudwatch.amazonaws.com" },
          Action: "sns:Publish",
          Resource: arn,
          Condition: {
            StringEquals: { "aws:SourceAccount": place.accountId },
            ArnLike: { "aws:SourceArn": alarmArn(place, `${alarmNamePrefix}-*`) },
          },
        },
        {
          Sid: "DenyPlainHttp",
          Effect: "Deny",
          Principal: { AWS: "*" },
          Action: "sns:Publish",
          Resource: arn,
          Condition: { Bool: { "aws:SecureTransport": "false" } },
        },
      ]),
    });
    if (email !== undefined) {
      new SnsTopicSubscription(this, "email", {
        topicArn: this.topic.arn,
        protocol: "email",
        endpoint: email,
      });
    }
  }
}
