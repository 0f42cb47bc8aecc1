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
