import { resolve } from "node:path";
import { CloudwatchLogGroup } from "@cdktf/provider-aws/lib/cloudwatch-log-group";
import { IamRole } from "@cdktf/provider-aws/lib/iam-role";
import { IamRolePolicy } from "@cdktf/provider-aws/lib/iam-role-policy";
import { LambdaFunction } from "@cdktf/provider-aws/lib/lambda-function";
import { App, AssetType, TerraformAsset } from "cdktf";
import { Construct } from "constructs";
import { type Place, functionArn, logGroupArn } from "../arns";
import { type Statement, policyJson } from "../policy";
import { type Bundle, writeBundle } from "./bundle";

export interface BundledFunctionProps {
  readonly functionName: string;
  /** Where the function lives: its ARN is known before it exists. */
  readonly place: Place;
  /** The code, from {@link bundle}. Its handler is index.handler. */
  readonly bundle: Bundle;
  readonly environment: Readonly<Record<string, string>>;
  /** How long one call may take, in seconds. @default 10 */
  readonly timeoutSeconds?: number;
  /** Memory in MB, which also sets the share of a processor. @default 256 */
  readonly memorySizeMb?: number;
  /** Instances at once, taken from the account's. @default none reserved */
  readonly reservedConcurrentExecutions?: number | undefined;
}

/** A Node.js function with a role and a log group of its own. The role may write that log, and what it is granted. */
export class BundledFunction extends Construct {
  readonly function: LambdaFunction;
  readonly role: IamRole;
  readonly logGroup: CloudwatchLogGroup;
  readonly functionName: string;
  readonly arn: string;
  readonly timeoutSeconds: number;

  constructor(scope: Construct, id: string, props: BundledFunctionProps) {
    super(scope, id);
    const { functionName, place, timeoutSeconds = 10, memorySizeMb = 256 } = props;
    this.functionName = functionName;
    this.arn = functionArn(place, functionName);
    this.timeoutSeconds = timeoutSeconds;

    const logGroupName = `/aws/lambda/${functionName}`;
    this.logGroup = new CloudwatchLogGroup(this, "logs", { name: logGroupName, retentionInDays: 365 });
    this.role = new IamRole(this, "role", {
      name: functionName,
      assumeRolePolicy: JSON.stringify({
        Version: "2012-10-17",
        Statement: [
          { Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" },
        ],
      }),
    });
    const logs = this.grant("write-logs", [
      {
        Sid: "WriteLogs",
        Effect: "Allow",
        Action: ["logs:CreateLogStream", "logs:PutLogEvents"],
        Resource: `${logGroupArn(place, logGroupName)}:*`,
      },
    ]);

    const asset = new TerraformAsset(this, "zip", {
      path: resolve(writeBundle(props.bundle, App.of(this).outdir)),
      type: AssetType.FILE,
      assetHash: Buffer.from(props.bundle.hash, "base64").toString("hex").slice(0, 32),
    });
    this.function = new LambdaFunction(this, "function", {
      functionName,
      role: this.role.arn,
      // The newest that AWS provider 5.100 knows.
      runtime: "nodejs22.x",
      architectures: ["arm64"],
      handler: "index.handler",
      filename: asset.path,
      sourceCodeHash: props.bundle.hash,
      timeout: timeoutSeconds,
      memorySize: memorySizeMb,
      environment: { variables: { ...props.environment } },
      ...(props.reservedConcurrentExecutions !== undefined && {
        reservedConcurrentExecutions: props.reservedConcurrentExecutions,
      }),
      // Otherwise Lambda makes the log group itself at the first call, without an end to its retention.
      dependsOn: [this.logGroup, logs],
    });
  }

  /**
   * Allows the function's role more.
   *
   * @param id names the policy, within the role
   */
  grant(id: string, statements: readonly Statement[]): IamRolePolicy {
    return new IamRolePolicy(this, id, {
      name: id,
      role: this.role.id,
      policy: policyJson(statements),
    });
  }
}
