import { ApiGatewayAccount } from "@cdktf/provider-aws/lib/api-gateway-account";
import { IamRole } from "@cdktf/provider-aws/lib/iam-role";
import { IamRolePolicyAttachment } from "@cdktf/provider-aws/lib/iam-role-policy-attachment";
import { Construct } from "constructs";
import { policyJson } from "../policy";

/**
 * The region's role that API Gateway writes its logs with, whosever the API. API Gateway asks for the rights of AWS's own
 * policy before it takes the role.
 *
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
 */
export class ApiGatewayLogging extends Construct {
  constructor(scope: Construct, id: string, { roleName }: { readonly roleName: string }) {
    super(scope, id);
    const role = new IamRole(this, "role", {
      name: roleName,
      description: "API Gateway writes its logs with it, in every region that says so.",
      assumeRolePolicy: policyJson([
        {
          Sid: "ApiGateway",
          Effect: "Allow",
          Principal: { Service: "apigateway.amazonaws.com" },
          Action: "sts:AssumeRole",
        },
      ]),
    });
    const rights = new IamRolePolicyAttachment(this, "rights", {
      role: role.name,
      policyArn: "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs",
    });
    new ApiGatewayAccount(this, "account", { cloudwatchRoleArn: role.arn, dependsOn: [rights] });
  }
}
