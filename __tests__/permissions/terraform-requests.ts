import {
  type Place,
  alarmArn,
  aliasArn,
  apiGatewayArn,
  bucketArn,
  dashboardArn,
  eventSourceMappingArn,
  functionArn,
  keyArn,
  logGroupArn,
  queueArn,
  roleArn,
  ruleArn,
  topicArn,
  trailArn,
  webAclArn,
} from "../../stacks/arns";
import type { Passed } from "../terraform/moto-proxy";
import type { IamRequest } from "./judge";

/** A call of Terraform's, as far as its authorization depends on it. */
type Call = Pick<Passed, "action" | "method" | "path" | "input" | "output">;

/** Parameters, or tags, that are text. */
type Texts = Readonly<Record<string, string>>;

const lastSegment = (path: string) => path.split("/").at(-1) ?? "";
const given = (values: readonly (string | undefined)[]) => values.filter((value) => value !== undefined);

/** The parameters of a form that are a list: AlarmNames.member.1. */
const members = (input: Texts, name: string) =>
  Object.entries(input).flatMap(([key, value]) => (key.startsWith(`${name}.member.`) ? [value] : []));

/** The ARNs of what a call is about, by the service of its action. */
const RESOURCES: Readonly<Record<string, (input: Texts, place: Place, call: Call) => readonly string[]>> = {
  s3: (_, __, { action, method, path }) => {
    const [, bucket = "", ...segments] = path.split("/");
    const key = segments.join("/");
    const isOfObjects = /:(Get|Put|Delete)Object/.test(action);
    return [isOfObjects ? `${bucketArn(bucket)}/${method === "POST" ? "any" : key}` : bucketArn(bucket)];
  },
  sqs: ({ QueueName, QueueUrl = "" }, place) => [queueArn(place, QueueName ?? lastSegment(QueueUrl))],
  iam: ({ RoleName = "" }, place) => [roleArn(place, RoleName)],
  // https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
  logs: ({ resourceArn, logGroupName }, place) =>
    given([resourceArn, logGroupName && `${logGroupArn(place, logGroupName)}:log-stream:`]),
  cloudtrail: ({ Name, TrailName }, place, { input }) => {
    const [named = Name ?? TrailName ?? ""] = (input["ResourceIdList"] ?? []) as string[];
    return [named.startsWith("arn:") ? named : trailArn(place, named)];
  },
  cloudwatch: (input, place) => {
    const alarms = given([input["AlarmName"], ...members(input, "AlarmNames")]);
    const dashboards = given([input["DashboardName"], ...members(input, "DashboardNames")]);
    return [
      ...given([input["ResourceARN"]]),
      ...alarms.map((name) => alarmArn(place, name)),
      ...dashboards.map((name) => dashboardArn(place, name)),
    ];
  },
  events: ({ ResourceARN, Name, Rule = "" }, place) => [ResourceARN ?? ruleArn(place, Name ?? Rule)],
  sns: ({ TopicArn, ResourceArn, Name }, place) =>
    given([TopicArn, ResourceArn, Name && topicArn(place, Name)]),
  wafv2: ({ WebACLArn, ResourceArn, ResourceARN, Name, Id = "new" }, place, { input }) => {
    const { ResourceArn: logged } = (input["LoggingConfiguration"] ?? {}) as Texts;
    return given([WebACLArn, ResourceArn, ResourceARN, logged, Name && webAclArn(place, `${Name}/${Id}`)]);
  },
  // A change of an alias is authorised for the alias and for the key.
  kms: ({ AliasName, KeyId, TargetKeyId = AliasName && "of-the-alias" }, place) => {
    const key = KeyId ?? TargetKeyId;
    return given([
      key && (key.startsWith("arn:") ? key : keyArn(place, key)),
      AliasName && aliasArn(place, AliasName.replace(/^alias\//, "")),
    ]);
  },
  apigateway: (_, place, { path }) => [apiGatewayArn(place, path)],
  lambda: ({ FunctionName = "" }, place, { path }) => {
    const [, , kind, id] = path.split("/");
    if (kind === "tags") return [decodeURIComponent(id ?? "")];
    if (kind === "event-source-mappings") return given([id && eventSourceMappingArn(place, id)]);
    return [functionArn(place, id ?? FunctionName)];
  },
};

/** How AWS authorises the tags of something that is made with them, where it is not by TagResource of it. */
const TAGGING: Readonly<
  Record<string, { readonly action?: string; readonly resource?: (place: Place, call: Call) => string }>
> = {
  apigateway: {
    action: "apigateway:PUT",
    resource: (place, { path }) =>
      apiGatewayArn(place, `/tags/${encodeURIComponent(apiGatewayArn(place, `${path}/new`))}`),
  },
  cloudtrail: { action: "cloudtrail:AddTags" },
  iam: { action: "iam:TagRole" },
  kms: { resource: (place) => keyArn(place, "new") },
  logs: { resource: (place, { input }) => logGroupArn(place, String(input["logGroupName"])) },
  sqs: { action: "sqs:TagQueue" },
};

/** The tags that a call gives, as AWS's services have them: a map, a list, or a form's list. */
function tagsOf(input: Call["input"]): Texts {
  const tags = Object.entries(input).find(([name]) => /^tags(list)?$/i.test(name))?.[1] ?? {};
  const listed = (Array.isArray(tags) ? tags : []) as Texts[];
  const ofForm = Object.keys(input).flatMap((name) => {
    const [, prefix] = /^(Tags\.\w+\.\d+)\.Key$/.exec(name) ?? [];
    return prefix === undefined ? [] : [{ Key: input[name], Value: input[`${prefix}.Value`] } as Texts];
  });
  return {
    ...(Array.isArray(tags) ? {} : (tags as Texts)),
    ...Object.fromEntries(
      [...listed, ...ofForm].map(({ Key = "", TagKey = Key, Value = "", TagValue = Value }) => [
        TagKey,
        TagValue,
      ]),
    ),
  };
}

/** Tags as condition keys. */
const tagKeys = (kind: "RequestTag" | "ResourceTag", tags: Texts): IamRequest["context"] =>
  Object.fromEntries(Object.entries(tags).map(([name, value]) => [`aws:${kind}/${name}`, value]));

const request = (
  action: string,
  resource: string | undefined,
  context: IamRequest["context"] = {},
): IamRequest => ({ action, resource: resource ?? "*", context });

const passRole = ({ Role }: Texts) =>
  Role === undefined
    ? []
    : [request("iam:PassRole", Role, { "iam:PassedToService": "lambda.amazonaws.com" })];
const setWebAcl = ({ ResourceArn }: Texts, tags: Texts) => [
  request("apigateway:SetWebACL", ResourceArn, tagKeys("ResourceTag", tags)),
];

/** Further requests that AWS authorises where a call makes one service use another. */
const DEPENDENT: Readonly<Record<string, (input: Texts, tags: Texts) => readonly IamRequest[]>> = {
  // https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
  "lambda:CreateFunction": passRole,
  "lambda:UpdateFunctionConfiguration": passRole,
  // https://docs.aws.amazon.com/waf/latest/APIReference/API_AssociateWebACL.html
  "wafv2:AssociateWebACL": setWebAcl,
  "wafv2:DisassociateWebACL": setWebAcl,
  // https://docs.aws.amazon.com/waf/latest/developerguide/logging-cw-logs.html. The resource policy is there already.
  "wafv2:PutLoggingConfiguration": () =>
    ["logs:CreateLogDelivery", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups"].map((action) =>
      request(action, undefined),
    ),
  "wafv2:DeleteLoggingConfiguration": () => [request("logs:DeleteLogDelivery", undefined)],
};

/**
 * Turns Terraform's calls into the requests that AWS authorises. It remembers what later calls are about: the boundaries of roles and the functions of
 * event source mappings.
 *
 * @param tags what the provider tags everything with
 */
export function createTranslator(place: Place, tags: Texts) {
  const boundaries = new Map<string, string>();
  const functions = new Map<string, string>();

  function contextOf(call: Call, input: Texts, isFresh: boolean): IamRequest["context"] {
    const { action, path, output } = call;
    const [service] = action.split(":");
    if (action === "lambda:CreateEventSourceMapping") {
      const { UUID } = JSON.parse(output) as { readonly UUID: string };
      functions.set(UUID, functionArn(place, input["FunctionName"] ?? ""));
      return { "lambda:FunctionArn": functions.get(UUID) ?? "" };
    }
    if (service === "lambda") {
      const arn = functions.get(lastSegment(path));
      return arn === undefined ? {} : { "lambda:FunctionArn": arn };
    }
    if (service === "iam") {
      const { RoleName = "", PermissionsBoundary } = input;
      if (PermissionsBoundary !== undefined) boundaries.set(RoleName, PermissionsBoundary);
      const boundary = boundaries.get(RoleName);
      return boundary === undefined ? {} : { "iam:PermissionsBoundary": boundary };
    }
    if (action === "events:PutRule") {
      const { source, "detail-type": type } = JSON.parse(input["EventPattern"] ?? "{}") as Record<
        string,
        readonly string[]
      >;
      return { "events:source": String(source), "events:detail-type": String(type) };
    }
    // Resources that names do not tell apart. A new key's tags count after minutes.
    if (service === "apigateway") return path.split("/").length > 2 ? tagKeys("ResourceTag", tags) : {};
    return service === "kms" && !isFresh ? tagKeys("ResourceTag", tags) : {};
  }

  /** @param isFresh whether what the call is about may have been made by this very run of Terraform */
  return function translate(call: Call, isFresh: boolean): readonly IamRequest[] {
    const { action } = call;
    const [service = ""] = action.split(":");
    const input = call.input as Texts;
    const requestTags = tagKeys("RequestTag", tagsOf(call.input));
    const resources = RESOURCES[service]?.(input, place, call) ?? [];
    const context = { ...contextOf(call, input, isFresh), ...requestTags };
    const { action: tagging = `${service}:TagResource`, resource: tagged } = TAGGING[service] ?? {};
    const isTagged = Object.keys(requestTags).length > 0 && action !== tagging;
    const newMapping =
      action === "lambda:CreateEventSourceMapping" ? eventSourceMappingArn(place, "new") : undefined;
    return [
      ...(resources.length > 0 ? resources : ["*"]).map((resource) => request(action, resource, context)),
      ...(isTagged
        ? [request(tagging, newMapping ?? tagged?.(place, call) ?? resources[0], requestTags)]
        : []),
      ...(DEPENDENT[action]?.(input, tags) ?? []),
    ];
  };
}
