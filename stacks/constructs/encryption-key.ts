import { KmsAlias } from "@cdktf/provider-aws/lib/kms-alias";
import { KmsKey } from "@cdktf/provider-aws/lib/kms-key";
import { Construct } from "constructs";
import { type Place, rootArn } from "../arns";
import { type Statement, policyJson } from "../policy";

export interface EncryptionKeyProps {
  /** Its alias, after "alias/". */
  readonly keyName: string;
  readonly description: string;
  readonly place: Place;
  /** The AWS services that use it themselves: s3.amazonaws.com. */
  readonly services: readonly string[];
  /** Whether Terraform refuses every plan that would destroy it, and with it what it encrypts. @default false */
  readonly preventDestroy?: boolean;
}

/** What is needed to encrypt, and to decrypt what others encrypted. */
const ENCRYPT = ["kms:GenerateDataKey", "kms:Decrypt"];

/**
 * A key of the account's own, which AWS renews every year. People and roles may use it as far as IAM lets them.
 *
 * A service may use it without a condition on its source. CloudWatch and EventBridge do not tell KMS the alarm or the rule that they
 * act for, so that a condition would lose messages without a trace: the policy of the topic or queue names the source.
 *
 * https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
 * https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
 */
export class EncryptionKey extends Construct {
  readonly key: KmsKey;

  constructor(
    scope: Construct,
    id: string,
    private readonly props: EncryptionKeyProps,
  ) {
    super(scope, id);
    const { keyName, description, place, services, preventDestroy = false } = props;
    this.key = new KmsKey(this, "key", {
      description,
      enableKeyRotation: true,
      // What is encrypted with a key is lost with it: 30 days, KMS's longest, are for thinking again.
      deletionWindowInDays: 30,
      ...(preventDestroy && { lifecycle: { preventDestroy } }),
      policy: policyJson([
        // Without it, nobody could ever change the key again. The policy is the key's own, so "*" is the key.
        {
          Sid: "LeaveItToIam",
          Effect: "Allow",
          Principal: { AWS: rootArn(place) },
          Action: "kms:*",
          Resource: "*",
        },
        ...services.map((Service, index): Statement => ({
          Sid: `ServiceUse${index + 1}`,
          Effect: "Allow",
          Principal: { Service },
          Action: ENCRYPT,
          Resource: "*",
        })),
      ]),
    });
    new KmsAlias(this, "alias", { name: `alias/${keyName}`, targetKeyId: this.key.keyId });
  }

  /**
   * Lets a role decrypt, or encrypt too, but only by way of a service: s3, sqs.
   *
   * https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service
   */
  useStatement(what: "decrypt" | "encrypt", services: readonly string[]): Statement {
    return {
      Sid: "UseKey",
      Effect: "Allow",
      Action: what === "decrypt" ? "kms:Decrypt" : ENCRYPT,
      Resource: this.key.arn,
      Condition: {
        StringEquals: {
          "kms:ViaService": services.map((service) => `${service}.${this.props.place.region}.amazonaws.com`),
        },
      },
    };
  }
}
