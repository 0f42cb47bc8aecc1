import { type Place, bucketArn, functionArn, logGroupArn, queueArn, topicArn } from "../../stacks/arns";

type Json = Record<string, unknown>;

/** The id of the API where there is no API Gateway. */
export const LOCAL_API_ID = "local";

/** The id of every key where there is no KMS. */
const LOCAL_KEY_ID = "local";

/** What the API's own origin would be at AWS; the chain puts the gateway's in its place. */
export const API_ORIGIN = /https:\/\/local\.execute-api\.[^/]*/g;

/** A resource of a stack's JSON. */
export interface Resource {
  readonly type: string;
  readonly address: string;
  readonly settings: Json;
}

/** Attributes that AWS gives a resource, from what its settings say. */
const ATTRIBUTES: Readonly<Record<string, (settings: Json, place: Place) => Json>> = {
  aws_s3_bucket: ({ bucket }) => ({ id: bucket, arn: bucketArn(String(bucket)) }),
  aws_iam_role: ({ name }, { accountId }) => ({ id: name, arn: `arn:aws:iam::${accountId}:role/${name}` }),
  aws_sqs_queue: ({ name }, place) => ({ id: name, arn: queueArn(place, String(name)) }),
  aws_lambda_function: ({ function_name }, place) => ({ arn: functionArn(place, String(function_name)) }),
  aws_sns_topic: ({ name }, place) => ({ arn: topicArn(place, String(name)) }),
  aws_kms_key: (_, { region, accountId }) => ({
    key_id: LOCAL_KEY_ID,
    arn: `arn:aws:kms:${region}:${accountId}:key/${LOCAL_KEY_ID}`,
  }),
  aws_api_gateway_rest_api: (_, { region, accountId }) => ({
    id: LOCAL_API_ID,
    execution_arn: `arn:aws:execute-api:${region}:${accountId}:${LOCAL_API_ID}`,
  }),
  aws_api_gateway_stage: ({ stage_name }, { region }) => ({
    arn: `arn:aws:apigateway:${region}::/restapis/${LOCAL_API_ID}/stages/${stage_name}`,
    invoke_url: `https://${LOCAL_API_ID}.execute-api.${region}.amazonaws.com/${stage_name}`,
  }),
  aws_api_gateway_api_key: ({ name }) => ({ id: name }),
  aws_api_gateway_usage_plan: ({ name }) => ({ id: name }),
  aws_cloudwatch_log_group: ({ name }, place) => ({ arn: logGroupArn(place, String(name)) }),
  aws_wafv2_web_acl: ({ name }, { region, accountId }) => ({
    arn: `arn:aws:wafv2:${region}:${accountId}:regional/webacl/${name}/local`,
  }),
  aws_api_gateway_deployment: () => ({ id: "deployment" }),
};

/**
 * What cdktf writes for a policy that holds references: an object in HCL, whose keys and strings are quoted as JSON's
 * are, and in which a reference that is a whole value is not.
 */
const toJson = (hcl: string): string =>
  hcl.replace(/("(?:[^"\\]|\\.)*")( = )?|[a-z]\w*\.[\w-]+\.\w+/g, (found, text?: string, equals?: string) =>
    text === undefined ? `"\${${found}}"` : `${text}${equals ? ": " : ""}`,
  );

/**
 * Replaces Terraform's references between resources by what they lead to here.
 *
 * @returns a function that resolves a value, whatever it holds
 */
export function resolver(resources: readonly Resource[], place: Place): (value: unknown) => unknown {
  const byAddress = new Map(
    resources.map(({ type, address, settings }) => [
      address,
      { ...settings, ...ATTRIBUTES[type]?.(settings, place) },
    ]),
  );
  const resolve = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(resolve);
    if (typeof value === "object" && value !== null) {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolve(item)]));
    }
    if (typeof value !== "string") return value;
    const [, encoded] = /^\$\{jsonencode\((.*)\)\}$/s.exec(value) ?? [];
    if (encoded) return JSON.stringify(resolve(JSON.parse(toJson(encoded))));
    return value.replace(/\$\{([^}]*)\}/g, (reference, expression: string) => {
      const dot = expression.lastIndexOf(".");
      const attribute = byAddress.get(expression.slice(0, dot))?.[expression.slice(dot + 1)];
      if (typeof attribute !== "string") throw new Error(`The local chain cannot resolve ${reference}.`);
      return resolve(attribute) as string;
    });
  };
  return resolve;
}
