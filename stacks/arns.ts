/*
 * ARNs, and a queue's URL, as plain strings. A stage knows its account, its region and its resources' names before anything exists, so
 * policies stand in a plan as they are, and no policy's reference makes a cycle.
 */

/** Where a stage lives. */
export interface Place {
  readonly accountId: string;
  readonly region: string;
}

export const bucketArn = (name: string) => `arn:aws:s3:::${name}`;
export const queueArn = ({ accountId, region }: Place, name: string) =>
  `arn:aws:sqs:${region}:${accountId}:${name}`;
export const queueUrl = ({ accountId, region }: Place, name: string) =>
  `https://sqs.${region}.amazonaws.com/${accountId}/${name}`;
export const functionArn = ({ accountId, region }: Place, name: string) =>
  `arn:aws:lambda:${region}:${accountId}:function:${name}`;
export const logGroupArn = ({ accountId, region }: Place, name: string) =>
  `arn:aws:logs:${region}:${accountId}:log-group:${name}`;
/** The prefix of a log group that takes AWS WAF's logs: https://docs.aws.amazon.com/waf/latest/developerguide/logging-cw-logs.html */
export const WAF_LOGS = "aws-waf-logs-";
/** A method of an API, with its stage: dev/POST/getObject. */
export const executeApiArn = ({ accountId, region }: Place, apiId: string, method: string) =>
  `arn:aws:execute-api:${region}:${accountId}:${apiId}/${method}`;
export const trailArn = ({ accountId, region }: Place, name: string) =>
  `arn:aws:cloudtrail:${region}:${accountId}:trail/${name}`;
export const topicArn = ({ accountId, region }: Place, name: string) =>
  `arn:aws:sns:${region}:${accountId}:${name}`;
export const alarmArn = ({ accountId, region }: Place, name: string) =>
  `arn:aws:cloudwatch:${region}:${accountId}:alarm:${name}`;
export const ruleArn = ({ accountId, region }: Place, name: string) =>
  `arn:aws:events:${region}:${accountId}:rule/${name}`;
/** The account itself: whom its IAM policies let in. */
export const rootArn = ({ accountId }: Place) => `arn:aws:iam::${accountId}:root`;
export const roleArn = ({ accountId }: Place, name: string) => `arn:aws:iam::${accountId}:role/${name}`;
export const policyArn = ({ accountId }: Place, name: string) => `arn:aws:iam::${accountId}:policy/${name}`;
export const oidcProviderArn = ({ accountId }: Place, host: string) =>
  `arn:aws:iam::${accountId}:oidc-provider/${host}`;
export const keyArn = ({ accountId, region }: Place, id: string) =>
  `arn:aws:kms:${region}:${accountId}:key/${id}`;
export const aliasArn = ({ accountId, region }: Place, name: string) =>
  `arn:aws:kms:${region}:${accountId}:alias/${name}`;
export const eventSourceMappingArn = ({ accountId, region }: Place, id: string) =>
  `arn:aws:lambda:${region}:${accountId}:event-source-mapping:${id}`;
export const dashboardArn = ({ accountId }: Place, name: string) =>
  `arn:aws:cloudwatch::${accountId}:dashboard/${name}`;
export const webAclArn = ({ accountId, region }: Place, name: string) =>
  `arn:aws:wafv2:${region}:${accountId}:regional/webacl/${name}`;
/** What API Gateway's own operations are about, by the path of its REST API: /restapis. */
export const apiGatewayArn = ({ region }: Place, path: string) => `arn:aws:apigateway:${region}::${path}`;
