import { CloudwatchLogResourcePolicy } from "@cdktf/provider-aws/lib/cloudwatch-log-resource-policy";
import { IamPolicy } from "@cdktf/provider-aws/lib/iam-policy";
import { TerraformOutput } from "cdktf";
import type { Construct } from "constructs";
import { type Place, WAF_LOGS, logGroupArn } from "./arns";
import { type BootstrapConfig, type GitHubConfig, validateBootstrap } from "./bootstrap-config";
import { AccessLogBucket } from "./constructs/access-log-bucket";
import { ApiGatewayLogging } from "./constructs/api-gateway-logging";
import { GitHubProvider } from "./constructs/github-provider";
import { PipelineRole } from "./constructs/pipeline-role";
import { StateBucket } from "./constructs/state-bucket";
import { type Statement, policyJson } from "./policy";
import {
  PIPELINE_ROLES,
  boundaryName,
  boundaryRights,
  deployRights,
  namePrefix,
  planRights,
  stateRights,
} from "./rights";
import { stackName } from "./stage";
import { PlacedStack, stateBucketName, stateKey } from "./terraform";

const API_GATEWAY_ROLE = "tweedle-api-gateway-logs";

/**
 * What the stages of an account and region need before they are: the bucket that their states live in, the policies that
 * bound their roles, and the roles that GitHub's workflows plan and deploy with. It is nobody's stage, and its own state is in
 * the bucket that it makes.
 */
export class StateStack extends PlacedStack {
  readonly bucket: StateBucket;
  readonly #place: Place;

  constructor(
    scope: Construct,
    id: string,
    private readonly config: BootstrapConfig,
  ) {
    super(scope, id);
    validateBootstrap(config);
    const { accountId, region, stages, github, apiGatewayAccount = true } = config;
    this.#place = { accountId, region };
    this.configureTerraform(this.#place, { stage: "bootstrap" });

    const bucketName = stateBucketName(this.#place);
    const accessLogs = new AccessLogBucket(this, "access-logs", {
      bucketName: `tweedle-state-access-logs-${accountId}-${region}`,
      accountId,
      sources: [bucketName],
    });
    this.bucket = new StateBucket(this, "state", {
      bucketName,
      place: this.#place,
      accessLogs,
      roleNames: [
        PIPELINE_ROLES.plan,
        ...stages.flatMap(({ stage }) => [PIPELINE_ROLES.deploy(stage), `${namePrefix(stage)}*`]),
      ],
    });
    for (const { stage } of stages) {
      new IamPolicy(this, `boundary-${stage}`, {
        name: boundaryName(stage),
        description: `The most that a role of ${stage} may ever do.`,
        policy: policyJson(boundaryRights(this.#place, stage)),
      });
    }
    new CloudwatchLogResourcePolicy(this, "waf-logs", {
      policyName: "tweedle-waf-logs",
      policyDocument: policyJson([this.#deliverWafLogs()]),
    });
    if (apiGatewayAccount) new ApiGatewayLogging(this, "api-gateway", { roleName: API_GATEWAY_ROLE });
    const outputs = {
      state_bucket_name: this.bucket.bucket.id,
      ...(github && this.#createPipelineRoles(github)),
    };
    for (const [name, value] of Object.entries(outputs)) new TerraformOutput(this, name, { value });
  }

  /**
   * Lets AWS deliver the logs of the stages' firewalls. Without it, the role that sets a stage's logging would need the right to write
   * any of the account's policies for logs.
   *
   * https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-infrastructure-CWL.html
   */
  #deliverWafLogs(): Statement {
    const { accountId, region } = this.#place;
    return {
      Sid: "DeliverWafLogs",
      Effect: "Allow",
      Principal: { Service: "delivery.logs.amazonaws.com" },
      Action: ["logs:CreateLogStream", "logs:PutLogEvents"],
      Resource: logGroupArn(this.#place, `${WAF_LOGS}${namePrefix("*")}*:log-stream:*`),
      Condition: {
        StringEquals: { "aws:SourceAccount": accountId },
        ArnLike: { "aws:SourceArn": `arn:aws:logs:${region}:${accountId}:*` },
      },
    };
  }

  /** @returns what a workflow has to know of them */
  #createPipelineRoles(github: GitHubConfig) {
    const { stages } = this.config;
    const names = stages.map(({ stage }) => stage);
    const provider = new GitHubProvider(this, "github", { place: this.#place, github });
    const states = (stage: string, write: boolean) =>
      stateRights(this.bucket.bucketName, stateKey(stackName(stage)), write);
    const plan = new PipelineRole(this, "plan", {
      roleName: PIPELINE_ROLES.plan,
      description: "Workflows plan with it: it reads how the stages are set, and their states.",
      trust: provider.trustStatement(["pull_request", `ref:refs/heads/${github.branch ?? "main"}`]),
      after: provider.ready,
      policies: { state: states("*", false), read: planRights(this.#place, names) },
    });
    const deploy = stages.map((stage) => [
      stage.stage,
      new PipelineRole(this, `deploy-${stage.stage}`, {
        roleName: PIPELINE_ROLES.deploy(stage.stage),
        description: `Workflows deploy ${stage.stage} with it, in the environment of that name.`,
        trust: provider.trustStatement([`environment:${stage.stage}`]),
        after: provider.ready,
        policies: { state: states(stage.stage, true), deploy: deployRights(this.#place, stage) },
      }).role.arn,
    ]);
    return {
      plan_role_arn: plan.role.arn,
      deploy_role_arns: Object.fromEntries(deploy) as Record<string, string>,
      github_oidc_provider_arn: provider.arn,
    };
  }
}
