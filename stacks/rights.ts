import { KEY_PREFIX } from "../functions/sign-url/keys";
import {
  type Place,
  WAF_LOGS,
  aliasArn,
  alarmArn,
  apiGatewayArn,
  bucketArn,
  dashboardArn,
  eventSourceMappingArn,
  executeApiArn,
  functionArn,
  keyArn,
  logGroupArn,
  policyArn,
  queueArn,
  roleArn,
  ruleArn,
  topicArn,
  trailArn,
  webAclArn,
} from "./arns";
import { OBJECT_CREATED, type Statement } from "./policy";
import type { StageConfig } from "./stage";

/*
 * What Terraform asks AWS for where a stage is planned, deployed and destroyed, with every switch that a stage has. It is known
 * from the provider's requests, and from the pages of the Service Authorization Reference:
 * https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
 */

/** What the names of a stage's resources begin with. */
export const namePrefix = (stage: string) => `tweedle-${stage}-`;

/** The names of the roles that workflows take. */
export const PIPELINE_ROLES = { plan: "tweedle-plan", deploy: (stage: string) => `tweedle-deploy-${stage}` };

/** The name of the policy that bounds the roles of a stage. */
export const boundaryName = (stage: string) => `tweedle-boundary-${stage}`;

/** The ARN of that policy, which a stage's `permissionsBoundary` names. */
export const boundaryArn = (place: Place, stage: string) => policyArn(place, boundaryName(stage));

/** A service, by the prefix of its actions. */
interface Service {
  /** What a stage has there. */
  readonly resources: (place: Place, stage: string) => readonly string[];
  /** What a plan asks for. */
  readonly read: readonly string[];
  /** What a deploy, or a destroy, asks for beside. */
  readonly write: readonly string[];
}

const SERVICES: Readonly<Record<string, Service>> = {
  s3: {
    resources: (_, stage) => [bucketArn(`${namePrefix(stage)}*`)],
    read: [
      // Whether the bucket is there is asked by HeadBucket, which is the right to list it.
      "ListBucket",
      "GetAccelerateConfiguration",
      "GetBucketAcl",
      "GetBucketCORS",
      "GetBucketLocation",
      "GetBucketLogging",
      "GetBucketNotification",
      "GetBucketObjectLockConfiguration",
      "GetBucketOwnershipControls",
      "GetBucketPolicy",
      "GetBucketPublicAccessBlock",
      "GetBucketRequestPayment",
      "GetBucketTagging",
      "GetBucketVersioning",
      "GetBucketWebsite",
      "GetEncryptionConfiguration",
      "GetLifecycleConfiguration",
      "GetReplicationConfiguration",
      "ListTagsForResource",
    ],
    write: [
      "CreateBucket",
      "DeleteBucket",
      "DeleteBucketPolicy",
      "PutBucketCORS",
      "PutBucketLogging",
      "PutBucketNotification",
      "PutBucketOwnershipControls",
      "PutBucketPolicy",
      "PutBucketPublicAccessBlock",
      "PutBucketTagging",
      "PutBucketVersioning",
      "PutEncryptionConfiguration",
      "PutLifecycleConfiguration",
      "TagResource",
      "UntagResource",
    ],
  },
  sqs: {
    resources: (place, stage) => [queueArn(place, `${namePrefix(stage)}*`)],
    read: ["GetQueueAttributes", "GetQueueUrl", "ListQueueTags"],
    write: ["CreateQueue", "DeleteQueue", "SetQueueAttributes", "TagQueue", "UntagQueue"],
  },
  lambda: {
    resources: (place, stage) => [functionArn(place, `${namePrefix(stage)}*`)],
    read: [
      "GetFunction",
      "GetFunctionCodeSigningConfig",
      "GetFunctionConcurrency",
      "GetFunctionConfiguration",
      "GetPolicy",
      "GetRuntimeManagementConfig",
      "ListTags",
      "ListVersionsByFunction",
    ],
    write: [
      "AddPermission",
      "CreateFunction",
      "DeleteFunction",
      "DeleteFunctionConcurrency",
      "PutFunctionConcurrency",
      "RemovePermission",
      "TagResource",
      "UntagResource",
      "UpdateFunctionCode",
      "UpdateFunctionConfiguration",
    ],
  },
  iam: {
    resources: (place, stage) => [roleArn(place, `${namePrefix(stage)}*`)],
    read: [
      "GetRole",
      "GetRolePolicy",
      "ListAttachedRolePolicies",
      "ListInstanceProfilesForRole",
      "ListRolePolicies",
      "ListRoleTags",
    ],
    // What gives a role rights is in boundedRights. Whom it trusts stays: whoever is to change that makes another.
    write: ["DeleteRole", "TagRole", "UntagRole", "UpdateRole", "UpdateRoleDescription"],
  },
  logs: {
    resources: (place, stage) =>
      [
        `/aws/lambda/${namePrefix(stage)}*`,
        `/aws/apigateway/${namePrefix(stage)}*`,
        `${WAF_LOGS}${namePrefix(stage)}*`,
        executionLogs(stage),
        // Tags are authorised by a log group's own ARN, all else by one with ":*" after it, which a pattern that ends in "*" has too.
        // https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
        `${executionLogs(stage)}:*`,
      ].map((name) => logGroupArn(place, name)),
    read: ["ListTagsForResource"],
    write: ["CreateLogGroup", "DeleteLogGroup", "PutRetentionPolicy", "TagResource", "UntagResource"],
  },
  cloudtrail: {
    resources: (place, stage) => [trailArn(place, `${namePrefix(stage)}*`)],
    read: ["GetEventSelectors", "GetInsightSelectors", "GetTrail", "GetTrailStatus", "ListTags"],
    write: [
      "AddTags",
      "CreateTrail",
      "DeleteTrail",
      "PutEventSelectors",
      "RemoveTags",
      "StartLogging",
      "StopLogging",
      "UpdateTrail",
    ],
  },
  cloudwatch: {
    resources: (place, stage) => [
      alarmArn(place, `${namePrefix(stage)}*`),
      dashboardArn(place, `${namePrefix(stage)}*`),
    ],
    read: ["DescribeAlarms", "GetDashboard", "ListTagsForResource"],
    write: [
      "DeleteAlarms",
      "DeleteDashboards",
      "PutDashboard",
      "PutMetricAlarm",
      "TagResource",
      "UntagResource",
    ],
  },
  events: {
    resources: (place, stage) => [ruleArn(place, `${namePrefix(stage)}*`)],
    read: ["DescribeRule", "ListTagsForResource", "ListTargetsByRule"],
    write: [
      "DeleteRule",
      "DisableRule",
      "EnableRule",
      "PutTargets",
      "RemoveTargets",
      "TagResource",
      "UntagResource",
    ],
  },
  sns: {
    resources: (place, stage) => [topicArn(place, `${namePrefix(stage)}*`)],
    read: ["GetTopicAttributes", "ListSubscriptionsByTopic", "ListTagsForResource"],
    write: ["CreateTopic", "DeleteTopic", "SetTopicAttributes", "Subscribe", "TagResource", "UntagResource"],
  },
  wafv2: {
    resources: (place, stage) => [
      webAclArn(place, `${namePrefix(stage)}*/*`),
      apiGatewayArn(place, `/restapis/*/stages/${stage}`),
    ],
    read: ["GetLoggingConfiguration", "GetWebACL", "GetWebACLForResource", "ListTagsForResource"],
    write: [
      "AssociateWebACL",
      "CreateWebACL",
      "DeleteLoggingConfiguration",
      "DeleteWebACL",
      "DisassociateWebACL",
      "PutLoggingConfiguration",
      "TagResource",
      "UntagResource",
      "UpdateWebACL",
    ],
  },
};

/** API Gateway's own name for the log of its errors, with the API's id, which is not known before. */
const executionLogs = (stage: string) => `API-Gateway-Execution-Logs_*/${stage}`;

/** A service where resources have no name, but an id that AWS makes up: whose one is, is told by its tags. */
interface TaggedService {
  /** What a stage has there, among what others have. */
  readonly resources: (place: Place) => readonly string[];
  readonly read: readonly string[];
  readonly write: readonly string[];
  /** What makes one, with its tags, and where. */
  readonly create: readonly string[];
  readonly collections: (place: Place) => readonly string[];
  /** What changes tags, and where. */
  readonly tag: readonly string[];
  readonly tags: (place: Place) => readonly string[];
  /**
   * What may be done whosever it is, since it harms nobody, and has to work where there are no tags: a plan asks for what
   * somebody has deleted, and a new key's tags count after minutes.
   */
  readonly anybodys: {
    readonly resources: (place: Place) => readonly string[];
    readonly read: readonly string[];
    readonly write: readonly string[];
  };
}

const TAGGED: Readonly<Record<string, TaggedService>> = {
  // What is in an API has the API's tags: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-tagging-supported-resources.html
  apigateway: {
    resources: (place) =>
      ["/restapis/*", "/apikeys/*", "/usageplans/*", "/tags/*"].map((path) => apiGatewayArn(place, path)),
    read: ["GET"],
    write: ["DELETE", "PATCH", "POST", "PUT", "SetWebACL"],
    create: ["POST"],
    collections: (place) =>
      ["/restapis", "/apikeys", "/usageplans"].map((path) => apiGatewayArn(place, path)),
    tag: ["PUT"],
    tags: (place) => [apiGatewayArn(place, "/tags/*")],
    // Not of plans and keys: what is read there are secrets.
    anybodys: { resources: (place) => [apiGatewayArn(place, "/restapis/*")], read: ["GET"], write: [] },
  },
  // https://docs.aws.amazon.com/kms/latest/developerguide/tag-authorization.html
  kms: {
    resources: (place) => [keyArn(place, "*")],
    read: [],
    write: ["PutKeyPolicy", "ScheduleKeyDeletion", "TagResource", "UntagResource", "UpdateKeyDescription"],
    create: ["CreateKey"],
    // There is no key yet that could be named.
    collections: () => ["*"],
    tag: ["TagResource"],
    tags: (place) => [keyArn(place, "*")],
    anybodys: {
      resources: (place) => [keyArn(place, "*")],
      read: ["DescribeKey", "GetKeyPolicy", "GetKeyRotationStatus", "ListResourceTags"],
      // An alias is its stage's by name.
      write: ["CreateAlias", "DeleteAlias", "EnableKeyRotation", "UpdateAlias"],
    },
  },
};

const actions = (service: string, names: readonly string[]) => names.map((name) => `${service}:${name}`);
const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);

/** Actions that AWS authorises on no resource: a statement with an ARN grants none of them. They reach every stage of the account. */
const UNSCOPED = {
  read: [
    "cloudtrail:DescribeTrails",
    "kms:ListAliases",
    "lambda:ListEventSourceMappings",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "sns:GetSubscriptionAttributes",
  ],
  // The deliveries are of AWS WAF's logs; a resource policy of the bootstrap app lets them in.
  write: [
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "sns:SetSubscriptionAttributes",
    "sns:Unsubscribe",
  ],
};

const unscopedRights = (names: readonly string[]): Statement => ({
  Sid: "Unscoped",
  Effect: "Allow",
  Action: names,
  Resource: "*",
});

/** Actions on mappings by their ARN. Tags of a mapping grant nothing, so that no condition protects another stage's. */
const EVENT_SOURCES = {
  read: ["GetEventSourceMapping", "ListTags"],
  write: ["TagResource", "UntagResource"],
};

/**
 * Event source mappings by their ARN, which has an id that AWS makes up. One that is gone names no function, so there is no
 * condition on one.
 */
const eventSourceRights = (place: Place, names: readonly string[]): Statement => ({
  Sid: "EventSources",
  Effect: "Allow",
  Action: actions("lambda", names),
  Resource: eventSourceMappingArn(place, "*"),
});

/**
 * Makes and changes event source mappings of a stage's functions. AWS authorises their creation on no resource.
 *
 * https://docs.aws.amazon.com/lambda/latest/dg/lambda-api-permissions-ref.html
 */
function mapEventSources(place: Place, stage: string): Statement[] {
  const Condition = { ArnLike: { "lambda:FunctionArn": functionArn(place, `${namePrefix(stage)}*`) } };
  return [
    {
      Sid: "CreateEventSources",
      Effect: "Allow",
      Action: "lambda:CreateEventSourceMapping",
      Resource: "*",
      Condition,
    },
    {
      Sid: "ChangeEventSources",
      Effect: "Allow",
      Action: actions("lambda", ["DeleteEventSourceMapping", "UpdateEventSourceMapping"]),
      Resource: eventSourceMappingArn(place, "*"),
      Condition,
    },
  ];
}

/**
 * Rules match S3's events for new objects and no others: a rule on the default bus could watch the whole account. A stack of yours
 * that has rules for other events adds those here.
 */
const ruleRights = (place: Place, stage: string): Statement => ({
  Sid: "Rules",
  Effect: "Allow",
  Action: "events:PutRule",
  Resource: ruleArn(place, `${namePrefix(stage)}*`),
  // https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html
  Condition: {
    StringEquals: {
      "events:source": OBJECT_CREATED.source,
      "events:detail-type": OBJECT_CREATED.detailType,
    },
  },
});

/**
 * Permissions that a plan needs: it reads how stages are set up, and none of their contents. It can list the names of payloads, since
 * AWS has no other right to ask whether a bucket exists. Names are matched for every stage at once: listed one by one, a role has room
 * for five stages.
 */
export function planRights(place: Place, stages: readonly string[]): Statement[] {
  const named = Object.entries(SERVICES).map(([service, { resources, read }]): Statement => ({
    Sid: `Read${capital(service)}`,
    Effect: "Allow",
    Action: actions(service, read),
    Resource: resources(place, "*"),
  }));
  const tagged = Object.entries(TAGGED).flatMap(([service, { resources, read, anybodys }]): Statement[] => [
    ...(read.length === 0
      ? []
      : [
          {
            Sid: `Read${capital(service)}`,
            Effect: "Allow",
            Action: actions(service, read),
            Resource: resources(place),
            Condition: { StringEquals: ofStages(stages) },
          } as const,
        ]),
    {
      Sid: `ReadAny${capital(service)}`,
      Effect: "Allow",
      Action: actions(service, anybodys.read),
      Resource: anybodys.resources(place),
    },
  ]);
  return [
    ...named,
    ...tagged,
    eventSourceRights(place, EVENT_SOURCES.read),
    unscopedRights(UNSCOPED.read),
    ...noPayload(stages),
  ];
}

/** Whose a resource is, by the tags that a stage gives all that it has. */
const ofStages = (stages: readonly string[]) => ({
  "aws:ResourceTag/project": "tweedle",
  "aws:ResourceTag/stage": [...stages],
});

/** The tags that a request gives to what is new, as the stage's own. */
const requested = (stage: string) => ({
  "aws:RequestTag/project": "tweedle",
  "aws:RequestTag/stage": stage,
});

/** Tags for what has none of a stage's: what another stage has is not to be had by tagging it. */
const untagged = (stage: string) => ({
  StringEquals: requested(stage),
  Null: { "aws:ResourceTag/stage": "true" },
});

/** Whatever else a role may do: it sees no payload, no message, no trail, and no log. */
const noPayload = (stages: readonly string[]): Statement[] => [
  {
    Sid: "DenyObjects",
    Effect: "Deny",
    Action: ["s3:GetObject", "s3:GetObjectVersion"],
    Resource: stages.map((stage) => `${bucketArn(`${namePrefix(stage)}*`)}/*`),
  },
  {
    Sid: "DenyPayloads",
    Effect: "Deny",
    Action: [
      "execute-api:Invoke",
      "kms:Decrypt",
      "lambda:InvokeFunction",
      "logs:FilterLogEvents",
      "logs:GetLogEvents",
      "sqs:ReceiveMessage",
    ],
    Resource: "*",
  },
];

/** What a deploy of a stage may do with what is its own, and with nothing else. */
export function deployRights(
  place: Place,
  { stage, forceDestroy = false }: Pick<StageConfig, "stage" | "forceDestroy">,
): Statement[] {
  const named = Object.entries(SERVICES).map(([service, { resources, read, write }]): Statement => ({
    Sid: capital(service),
    Effect: "Allow",
    Action: actions(service, [...read, ...write]),
    Resource: resources(place, stage),
  }));
  const tagged = Object.entries(TAGGED).flatMap(([service, one]): Statement[] => [
    {
      Sid: capital(service),
      Effect: "Allow",
      Action: actions(service, [...one.read, ...one.write]),
      Resource: one.resources(place),
      Condition: { StringEquals: ofStages([stage]) },
    },
    {
      Sid: `Any${capital(service)}`,
      Effect: "Allow",
      Action: actions(service, [...one.anybodys.read, ...one.anybodys.write]),
      Resource: one.anybodys.resources(place),
    },
    {
      Sid: `Create${capital(service)}`,
      Effect: "Allow",
      Action: actions(service, one.create),
      Resource: one.collections(place),
      Condition: { StringEquals: requested(stage) },
    },
    {
      Sid: `Tag${capital(service)}`,
      Effect: "Allow",
      Action: actions(service, one.tag),
      Resource: one.tags(place),
      Condition: untagged(stage),
    },
  ]);
  return [
    ...named,
    ...tagged,
    {
      Sid: "Aliases",
      Effect: "Allow",
      Action: ["kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias"],
      Resource: aliasArn(place, `${namePrefix(stage)}*`),
    },
    ruleRights(place, stage),
    eventSourceRights(place, [...EVENT_SOURCES.read, ...EVENT_SOURCES.write]),
    ...mapEventSources(place, stage),
    ...boundedRights(place, stage),
    ...(forceDestroy ? [emptyBuckets(stage)] : []),
    unscopedRights([...UNSCOPED.read, ...UNSCOPED.write]),
  ];
}

/**
 * Roles get rights only as far as the stage's boundary reaches: whoever may deploy could otherwise make a role that may do
 * everything, and a function that uses it.
 *
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html#access_policies_boundaries-delegate
 */
const boundedRights = (place: Place, stage: string): Statement[] => [
  {
    Sid: "BoundedRoles",
    Effect: "Allow",
    Action: actions("iam", ["CreateRole", "DeleteRolePolicy", "PutRolePermissionsBoundary", "PutRolePolicy"]),
    Resource: roleArn(place, `${namePrefix(stage)}*`),
    Condition: { StringEquals: { "iam:PermissionsBoundary": boundaryArn(place, stage) } },
  },
  {
    Sid: "RolesOfFunctions",
    Effect: "Allow",
    Action: "iam:PassRole",
    Resource: roleArn(place, `${namePrefix(stage)}*`),
    Condition: { StringEquals: { "iam:PassedToService": "lambda.amazonaws.com" } },
  },
];

/** A stage that nobody would miss is destroyed with what is in its buckets. */
const emptyBuckets = (stage: string): Statement => ({
  Sid: "EmptyBuckets",
  Effect: "Allow",
  Action: ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:ListBucketVersions"],
  Resource: [bucketArn(`${namePrefix(stage)}*`), `${bucketArn(`${namePrefix(stage)}*`)}/*`],
});

/**
 * The most that a role of a stage may ever do, with functions of your own: write its log, use payloads and messages of this
 * stage, ask its API for URLs. A stack of yours whose functions need more adds it here, where a person applies it.
 */
export const boundaryRights = (place: Place, stage: string): Statement[] => [
  {
    Sid: "Logs",
    Effect: "Allow",
    Action: ["logs:CreateLogStream", "logs:PutLogEvents"],
    Resource: `${logGroupArn(place, `/aws/lambda/${namePrefix(stage)}*`)}:*`,
  },
  {
    Sid: "Payloads",
    Effect: "Allow",
    Action: [
      "s3:AbortMultipartUpload",
      "s3:DeleteObject",
      "s3:DeleteObjectVersion",
      "s3:GetObject",
      "s3:GetObjectVersion",
      "s3:ListMultipartUploadParts",
      "s3:PutObject",
    ],
    Resource: `${bucketArn(`${namePrefix(stage)}content-${place.accountId}-${place.region}`)}/${KEY_PREFIX}*`,
  },
  {
    Sid: "Messages",
    Effect: "Allow",
    Action: [
      "sqs:ChangeMessageVisibility",
      "sqs:DeleteMessage",
      "sqs:GetQueueAttributes",
      "sqs:ReceiveMessage",
      "sqs:SendMessage",
    ],
    Resource: queueArn(place, `${namePrefix(stage)}*`),
  },
  {
    Sid: "Keys",
    Effect: "Allow",
    Action: ["kms:Decrypt", "kms:GenerateDataKey"],
    Resource: keyArn(place, "*"),
    Condition: { StringEquals: ofStages([stage]) },
  },
  {
    Sid: "Urls",
    Effect: "Allow",
    Action: "execute-api:Invoke",
    Resource: executeApiArn(place, "*", `${stage}/POST/*`),
  },
];

/**
 * The state in the bucket, where a plan reads and a deploy writes under a lock. Whether there is a state yet is told only to
 * whoever may list the bucket: https://developer.hashicorp.com/terraform/language/backend/s3#permissions-required
 */
export function stateRights(bucketName: string, key: string, write: boolean): Statement[] {
  const state = `${bucketArn(bucketName)}/${key}`;
  return [
    { Sid: "ListStates", Effect: "Allow", Action: "s3:ListBucket", Resource: bucketArn(bucketName) },
    {
      Sid: write ? "States" : "ReadStates",
      Effect: "Allow",
      Action: write ? ["s3:GetObject", "s3:PutObject"] : "s3:GetObject",
      Resource: state,
    },
    ...(write
      ? [
          {
            Sid: "Locks",
            Effect: "Allow",
            Action: ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
            Resource: `${state}.tflock`,
          } as const,
        ]
      : []),
  ];
}
