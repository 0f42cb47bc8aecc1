import { App } from "cdktf";
import { ACTIONS } from "../../functions/sign-url/actions";
import { ProducerConsumerStack } from "../../stacks/producer-consumer-stack";
import type { StageConfig } from "../../stacks/stage";
import { DOCUMENTED } from "./metrics";
import { InspectionStack, OPEN } from "./inspection-stack";
import {
  type Resource,
  SynthesizedStack,
  fileOf,
  schemasOf,
  statements,
  temporaryFolder,
  text,
} from "./tools";

const BOUNDARY = "arn:aws:iam::123456789012:policy/boundary";

/** A stage without any switch, and one for each. */
const SWITCHES = {
  off: {},
  signing: { producerAuthorization: "AWS_IAM" },
  keys: { producerApiKeys: ["shop", "mail"] },
  waf: { wafRateLimit: 1000 },
  logs: { apiLogs: true },
  key: { customerManagedKey: true },
  keyevents: { customerManagedKey: true, eventBridge: true },
  overwrites: { denyOverwrites: true },
  ips: { sourceIps: ["203.0.113.0/24", "2001:db8::/32"] },
  fence: { sourceIps: ["203.0.113.0/24"], sourceVpces: ["vpce-1a2b3c4d"] },
  events: { eventBridge: true },
  boundary: { permissionsBoundary: BOUNDARY },
  closed: { uploadForm: false },
  titled: { uploadFormTitle: 'Send "cats" & <dogs>', maxObjectBytes: 5_000_000_000 },
  types: { contentTypes: ["image/*", "application/pdf"] },
  email: { alarmTopic: true, alarmEmail: "alice@example.com" },
} satisfies Record<string, Partial<StageConfig>>;

type Switch = keyof typeof SWITCHES;

const outdir = temporaryFolder();
const app = new App({ outdir });
for (const [name, properties] of Object.entries(SWITCHES)) {
  new ProducerConsumerStack(app, name, { ...OPEN, ...properties });
}
// A stack that extends one, to see that a switch reaches what it adds.
for (const name of ["key", "boundary"] as const) {
  new InspectionStack(app, `inspection-${name}`, { ...OPEN, ...SWITCHES[name] }, 60);
}
app.synth();

const stackOf = (name: Switch | "inspection-key" | "inspection-boundary") =>
  new SynthesizedStack(outdir, name);
const off = stackOf("off");

const { accountId, region } = OPEN;
const CONTENT = `arn:aws:s3:::tweedle-open-content-${accountId}-${region}`;
const QUEUE = `arn:aws:sqs:${region}:${accountId}:tweedle-open-queue`;
const producers = Object.entries(ACTIONS).flatMap(([name, { role }]) => (role === "producer" ? [name] : []));
const consumers = Object.keys(ACTIONS).filter((name) => !producers.includes(name));

/** The types of the resources that a switch adds and takes away, each with their number. */
function difference(name: Switch): Record<string, number> {
  const on = stackOf(name);
  const types = new Set([...on.resources, ...off.resources].map(({ type }) => type));
  return Object.fromEntries(
    [...types]
      .map((type) => [type, on.ofType(type).length - off.ofType(type).length] as const)
      .filter(([, count]) => count !== 0),
  );
}

interface Api {
  readonly paths: Record<string, Record<string, { security?: unknown; operationId?: string }>>;
  readonly components: { readonly securitySchemes: Record<string, unknown> };
}
const apiOf = (stack: SynthesizedStack) =>
  JSON.parse(text(stack.only("aws_api_gateway_rest_api"), "body")) as Api;

/** What a stage asks of callers, by the operations of its own description. */
function securityOf(stack: SynthesizedStack): Record<string, unknown> {
  const operations = Object.entries(apiOf(stack).paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { security }]) => [`${method} ${path}`, security] as const),
  );
  return Object.fromEntries(operations.filter(([, security]) => security !== undefined));
}

const policyOf = (stack: SynthesizedStack, path: string, attribute = "policy") =>
  statements(text(stack.at(path), attribute));
const added = (stack: SynthesizedStack, path: string) => {
  const before = JSON.stringify(policyOf(off, path));
  return policyOf(stack, path).filter((statement) => !before.includes(JSON.stringify(statement)));
};
const variablesOf = ({ attributes }: Resource) =>
  (attributes["environment"] as { variables: Record<string, string> }).variables;

it("A stage without a switch has nothing of them", () => {
  const types = new Set(off.resources.map(({ type }) => type.replace(/^aws_/, "")));
  const none = [...types].filter((type) =>
    /waf|kms|api_key|usage_plan|event_rule|event_target|sns/.test(type),
  );
  expect(none).toEqual([]);
  expect(securityOf(off)).toEqual({});
});

describe("producerAuthorization AWS_IAM", () => {
  const on = stackOf("signing");

  it("wants a signature of producers, at POST / too, and of nobody else", () => {
    expect(securityOf(on)).toEqual(
      Object.fromEntries(["", ...producers].map((action) => [`post /${action}`, [{ sigv4: [] }]])),
    );
  });

  it("gives the consumers, who are let in otherwise, a function and a role of their own", () => {
    const signers = on.ofType("aws_lambda_function").filter(({ path }) => path.includes("signer"));
    expect(Object.fromEntries(signers.map((fn) => [fn.path, variablesOf(fn)["ROLES"]]))).toEqual({
      "producer-signer/function": "producer",
      "consumer-signer/function": "consumer",
    });
  });

  it("has a policy ready for producers, and only then", () => {
    const { producer_policy_json: policy = "" } = on.outputs;
    const api = `\${${on.at("api/api").address}.execution_arn}/\${${on.at("api/stage").address}.stage_name}`;
    expect(statements(policy)).toEqual([
      {
        Sid: expect.any(String),
        Effect: "Allow",
        Action: "execute-api:Invoke",
        Resource: ["", ...producers].map((action) => `${api}/POST/${action}`),
      },
    ]);
    expect(off.outputs).not.toHaveProperty("producer_policy_json");
  });
});

describe("producerApiKeys", () => {
  const on = stackOf("keys");

  it("adds a key for each producer, in a plan for this stage that throttles each", () => {
    const plan = on.only("aws_api_gateway_usage_plan");
    expect(plan.attributes).toMatchObject({
      api_stages: [
        {
          api_id: `\${${on.at("api/api").address}.id}`,
          stage: `\${${on.at("api/stage").address}.stage_name}`,
        },
      ],
      throttle_settings: { rate_limit: 50, burst_limit: 100 },
    });
    const keys = on.ofType("aws_api_gateway_api_key");
    expect(keys.map((key) => text(key, "name"))).toEqual([
      "tweedle-open-producers-mail",
      "tweedle-open-producers-shop",
    ]);
    const planned = on.ofType("aws_api_gateway_usage_plan_key").map(({ attributes }) => attributes);
    expect(planned).toEqual(
      keys.map(({ address }) => ({
        key_id: `\${${address}.id}`,
        key_type: "API_KEY",
        usage_plan_id: `\${${plan.address}.id}`,
      })),
    );
    expect(on.json).not.toContain('"value": "tweedle-open-producers');
  });

  it("asks it of producers, at POST / too, and of nobody else, and says so in the description", () => {
    expect(securityOf(on)).toEqual(
      Object.fromEntries(["", ...producers].map((action) => [`post /${action}`, [{ api_key: [] }]])),
    );
    expect(apiOf(on).components.securitySchemes["api_key"]).toEqual({
      type: "apiKey",
      name: "x-api-key",
      in: "header",
    });
    expect(apiOf(off).components.securitySchemes).not.toHaveProperty("api_key");
  });

  it("says where the keys are found, and not what they are", () => {
    expect(on.outputs["producer_api_key_ids"]).toEqual({
      shop: expect.stringMatching(/^\$\{aws_api_gateway_api_key\..*\.id\}$/),
      mail: expect.stringMatching(/^\$\{aws_api_gateway_api_key\..*\.id\}$/),
    });
  });

  it("leaves consumers a function of their own", () => {
    const api = JSON.stringify(apiOf(on).paths["/getObject"]);
    expect(api).toContain("tweedle-open-consumer-signer");
    expect(consumers.map((action) => apiOf(on).paths[`/${action}`]?.["post"]?.security)).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe("wafRateLimit", () => {
  const on = stackOf("waf");

  it("puts a firewall before the stage that blocks an address over the limit, and nothing else", () => {
    expect(difference("waf")).toEqual({
      aws_cloudwatch_log_group: 1,
      aws_wafv2_web_acl: 1,
      aws_wafv2_web_acl_association: 1,
      aws_wafv2_web_acl_logging_configuration: 1,
    });
    const acl = on.only("aws_wafv2_web_acl");
    expect(acl.attributes).toMatchObject({
      scope: "REGIONAL",
      default_action: { allow: {} },
      rule: [
        {
          action: { block: {} },
          statement: {
            rate_based_statement: { limit: 1000, aggregate_key_type: "IP", evaluation_window_sec: 300 },
          },
        },
      ],
    });
    expect(on.only("aws_wafv2_web_acl_association").attributes).toEqual({
      resource_arn: `\${${on.at("api/stage").address}.arn}`,
      web_acl_arn: `\${${acl.address}.arn}`,
    });
  });
});

describe("the log of wafRateLimit", () => {
  const on = stackOf("waf");
  const logging = on.only("aws_wafv2_web_acl_logging_configuration");

  it("keeps what the firewall blocks, and nothing else, for 365 days in a group of the name that AWS WAF wants", () => {
    const group = on.at("web-acl/logs");
    expect(group.attributes).toEqual({
      name: "aws-waf-logs-tweedle-open-web-acl",
      retention_in_days: 365,
    });
    expect(logging.attributes).toMatchObject({
      resource_arn: `\${${on.only("aws_wafv2_web_acl").address}.arn}`,
      log_destination_configs: [`\${${group.address}.arn}`],
      logging_filter: {
        default_behavior: "DROP",
        filter: [
          {
            behavior: "KEEP",
            requirement: "MEETS_ANY",
            condition: [{ action_condition: { action: "BLOCK" } }],
          },
        ],
      },
    });
  });

  it("holds no signature and no key: neither a query nor the headers that have them", () => {
    expect(logging.attributes["redacted_fields"]).toEqual([
      { query_string: {} },
      ...["authorization", "x-amz-security-token", "x-api-key"].map((name) => ({ single_header: { name } })),
    ]);
  });
});

describe("apiLogs", () => {
  const on = stackOf("logs");
  const stage = on.at("api/stage");
  const settings = on.only("aws_api_gateway_method_settings").attributes["settings"];

  it("logs requests as JSON and errors of the API's own, for 365 days", () => {
    expect(difference("logs")).toEqual({ aws_cloudwatch_log_group: 2 });
    const groups = ["api/access-logs", "api/execution-logs"].map((path) => on.at(path));
    expect(groups.map(({ attributes }) => attributes)).toEqual([
      { name: "/aws/apigateway/tweedle-open-api", retention_in_days: 365 },
      {
        name: `API-Gateway-Execution-Logs_\${${on.at("api/api").address}.id}/open`,
        retention_in_days: 365,
      },
    ]);
    for (const group of groups) expect(on.follows(stage, group)).toBe(true);
    expect(settings).toMatchObject({ logging_level: "ERROR", data_trace_enabled: false });
  });

  it("logs the request's id, and no query, header, body or path that a caller made", () => {
    const { format = "" } = stage.attributes["access_log_settings"] as Record<string, string>;
    const fields = Object.values(JSON.parse(format) as Record<string, string>);
    expect(fields).toContain("$context.requestId");
    // $context.path is what was asked for, $context.resourcePath what the definition has.
    expect(
      fields.filter((field) => /\$input|\.path$|querystring|header|body|authorize|apiKey$/i.test(field)),
    ).toEqual([]);
    for (const field of fields) expect(field).toMatch(/^\$context\.[\w.]+$/);
  });

  it("is off otherwise, since the region may have no role to write logs with", () => {
    expect(off.at("api/stage").attributes).not.toHaveProperty("access_log_settings");
    expect(off.only("aws_api_gateway_method_settings").attributes["settings"]).toMatchObject({
      logging_level: "OFF",
    });
  });
});

describe("customerManagedKey", () => {
  const on = stackOf("key");
  const key = on.only("aws_kms_key");
  const arn = `\${${key.address}.arn}`;
  const via = (service: string) => ({
    StringEquals: { "kms:ViaService": [`${service}.${region}.amazonaws.com`] },
  });
  const encrypting = ["kms:GenerateDataKey", "kms:Decrypt"];
  const useKey = (Action: string | string[], service: string) => ({
    Sid: expect.any(String),
    Effect: "Allow",
    Action,
    Resource: arn,
    Condition: via(service),
  });

  it("encrypts payloads and both queues with a key of the account's own, which is renewed", () => {
    expect(difference("key")).toEqual({ aws_kms_alias: 1, aws_kms_key: 1, aws_iam_role_policy: 2 });
    expect(key.attributes).toMatchObject({ enable_key_rotation: true });
    expect(on.at("content/encryption").attributes["rule"]).toEqual([
      {
        apply_server_side_encryption_by_default: { sse_algorithm: "aws:kms", kms_master_key_id: arn },
        bucket_key_enabled: true,
      },
    ]);
    for (const queue of on.ofType("aws_sqs_queue")) {
      expect(queue.attributes["kms_master_key_id"]).toBe(arn);
      expect(queue.attributes).not.toHaveProperty("sqs_managed_sse_enabled");
    }
  });

  it("leaves the logs' buckets to S3's keys: access logs go to no other bucket, and the trail is not the stage's to read", () => {
    for (const path of ["access-logs/encryption", "trail/log-bucket/encryption"]) {
      expect(on.at(path).attributes).toEqual(off.at(path).attributes);
    }
  });

  // The service may not tell KMS the bucket or the rule that it acts for: the queue's policy asks for both.
  it.each([
    ["key", "s3"],
    ["keyevents", "events"],
  ] as const)(
    "lets the service that announces payloads use the key, on no condition: %s, %s",
    (name, service) => {
      expect(policyOf(stackOf(name), "key/key")).toEqual([
        {
          Sid: expect.any(String),
          Effect: "Allow",
          Principal: { AWS: `arn:aws:iam::${accountId}:root` },
          Action: "kms:*",
          Resource: "*",
        },
        {
          Sid: expect.any(String),
          Effect: "Allow",
          Principal: { Service: `${service}.amazonaws.com` },
          Action: encrypting,
          Resource: "*",
        },
      ]);
    },
  );

  it("lets functions, consumers and operators use it by way of S3 or SQS only, as far as they need it", () => {
    expect(policyOf(on, "signer/use-key")).toEqual([useKey(encrypting, "s3")]);
    expect(policyOf(on, "sender/use-key")).toEqual([useKey(encrypting, "sqs")]);
    const { consumer_policy_json: consumer = "", operator_policy_json: operator = "" } = on.outputs;
    expect(statements(consumer)).toContainEqual(useKey("kms:Decrypt", "sqs"));
    expect(statements(operator)).toContainEqual(useKey(encrypting, "sqs"));
    const extended = stackOf("inspection-key");
    const extendedKey = `\${${extended.only("aws_kms_key").address}.arn}`;
    expect(policyOf(extended, "inspector/consume-queue")).toContainEqual({
      ...useKey("kms:Decrypt", "sqs"),
      Resource: extendedKey,
    });
  });
});

describe("denyOverwrites", () => {
  const on = stackOf("overwrites");

  it("denies to make an object without the condition, and lets uploads in parts begin and go on", () => {
    expect(added(on, "content/policy")).toEqual([
      {
        Sid: "DenyOverwrites",
        Effect: "Deny",
        Principal: { AWS: "*" },
        Action: "s3:PutObject",
        Resource: `${CONTENT}/input/*`,
        Condition: { Null: { "s3:if-none-match": "true" }, Bool: { "s3:ObjectCreationOperation": "true" } },
      },
    ]);
    expect(difference("overwrites")).toEqual({});
  });

  it("makes the signer ask for the condition, and the API's description say so", () => {
    expect(variablesOf(on.at("signer/function"))["DENY_OVERWRITES"]).toBe("true");
    expect(variablesOf(off.at("signer/function"))).not.toHaveProperty("DENY_OVERWRITES");
    const requiredBy = (stack: SynthesizedStack) => {
      const schemas = schemasOf(stack);
      return Object.keys(schemas).filter((name) => schemas[name]?.required?.includes("if_none_match"));
    };
    expect(requiredBy(on)).toEqual(
      ["Action", "Request"].flatMap((form) => [`PutObject${form}`, `CompleteMultipartUpload${form}`]),
    );
    expect(requiredBy(off)).toEqual([]);
  });
});

describe("sourceIps and sourceVpces", () => {
  const fence = (conditions: object) => [
    {
      Sid: "DenyOtherNetworks",
      Effect: "Deny",
      Principal: { AWS: "*" },
      Action: [
        "s3:PutObject",
        "s3:AbortMultipartUpload",
        "s3:ListMultipartUploadParts",
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
      ],
      Resource: `${CONTENT}/input/*`,
      Condition: { ...conditions, Bool: { "aws:ViaAWSService": "false" } },
    },
  ];

  it("deny what URLs are for from everywhere else, and nothing that Terraform does", () => {
    expect(added(stackOf("ips"), "content/policy")).toEqual(
      fence({ NotIpAddress: { "aws:SourceIp": ["203.0.113.0/24", "2001:db8::/32"] } }),
    );
    expect(added(stackOf("fence"), "content/policy")).toEqual(
      fence({
        NotIpAddress: { "aws:SourceIp": ["203.0.113.0/24"] },
        StringNotEquals: { "aws:SourceVpce": ["vpce-1a2b3c4d"] },
      }),
    );
  });
});

describe("eventBridge", () => {
  const on = stackOf("events");
  const rule = on.only("aws_cloudwatch_event_rule");

  it("has a rule announce new payloads on the queue, in place of S3", () => {
    expect(difference("events")).toEqual({
      aws_cloudwatch_event_rule: 1,
      aws_cloudwatch_event_target: 1,
      aws_cloudwatch_metric_alarm: 2,
    });
    const { bucket, depends_on: _, ...notification } = on.only("aws_s3_bucket_notification").attributes;
    expect(on.referred(String(bucket))).toBe(on.at("content/bucket"));
    expect(notification).toEqual({ eventbridge: true });
    expect(JSON.parse(text(rule, "event_pattern"))).toEqual({
      source: ["aws.s3"],
      "detail-type": ["Object Created"],
      detail: {
        bucket: { name: [CONTENT.slice("arn:aws:s3:::".length)] },
        object: { key: [{ prefix: "input/" }] },
      },
    });
    expect(on.only("aws_cloudwatch_event_target").attributes).toMatchObject({
      rule: `\${${rule.address}.name}`,
      arn: QUEUE,
      // What it cannot announce for a day would be gone.
      dead_letter_config: { arn: `${QUEUE}-dead-letter` },
      retry_policy: { maximum_event_age_in_seconds: 86_400, maximum_retry_attempts: 185 },
    });
  });

  it("lets this rule send to the queue, and to its dead letters, and S3 no longer", () => {
    const sending = (Sid: string, Resource: string) => ({
      Sid,
      Effect: "Allow",
      Principal: { Service: "events.amazonaws.com" },
      Action: "sqs:SendMessage",
      Resource,
      Condition: {
        ArnEquals: { "aws:SourceArn": `arn:aws:events:${region}:${accountId}:rule/tweedle-open-payloads` },
        StringEquals: { "aws:SourceAccount": accountId },
      },
    });
    const allowed = (path: string) => policyOf(on, path).filter(({ Effect }) => Effect === "Allow");
    expect(allowed("queue/queue")).toEqual([sending("AnnounceObjects", QUEUE)]);
    expect(allowed("queue/dead-letter-queue")).toEqual([sending("KeepEvents", `${QUEUE}-dead-letter`)]);
    expect(policyOf(off, "queue/dead-letter-queue").map(({ Effect }) => Effect)).toEqual(["Deny"]);
    expect(text(rule, "name")).toBe("tweedle-open-payloads");
  });

  it.each([
    ["not-announced", "FailedInvocations"],
    ["not-kept", "InvocationsFailedToBeSentToDlq"],
  ])("tells of what the rule could not send, which nothing else would: %s", (alarm, metric) => {
    expect(on.at(`alarms/${alarm}`).attributes).toMatchObject({
      namespace: "AWS/Events",
      metric_name: metric,
      dimensions: { RuleName: text(rule, "name") },
      threshold: 0,
    });
    expect(DOCUMENTED["AWS/Events"]?.metrics).toContain(metric);
  });

  it("turns S3's events on once the way to the queue is there", () => {
    const notification = on.only("aws_s3_bucket_notification");
    for (const type of ["aws_cloudwatch_event_target", "aws_cloudwatch_event_rule"]) {
      expect(on.follows(notification, on.only(type))).toBe(true);
    }
    expect(on.follows(notification, on.at("queue/queue"))).toBe(true);
  });
});

describe("permissionsBoundary", () => {
  it("bounds every role, those of a stack that extends the stage too", () => {
    const roles = stackOf("inspection-boundary").ofType("aws_iam_role");
    expect(roles.map(({ path }) => path)).toContain("inspector/role");
    for (const { attributes } of roles) expect(attributes["permissions_boundary"]).toBe(BOUNDARY);
    for (const { attributes } of off.ofType("aws_iam_role")) {
      expect(attributes).not.toHaveProperty("permissions_boundary");
    }
  });
});

/** What the form answers, as it lies in its zip. */
function pageOf(stack: SynthesizedStack): { html: string; policy: string } {
  return fileOf(stack, stack.at("form/function"), "page.json") as { html: string; policy: string };
}

describe("uploadForm false", () => {
  it("takes the page, its function and its alarms away, and lets no page call the bucket", () => {
    expect(difference("closed")).toEqual({
      aws_cloudwatch_log_group: -1,
      aws_cloudwatch_metric_alarm: -2,
      aws_iam_role: -1,
      aws_iam_role_policy: -1,
      aws_lambda_function: -1,
      aws_lambda_permission: -2,
      aws_s3_bucket_cors_configuration: -1,
    });
  });

  it.each(["closed", "signing", "keys"] as const)(
    "leaves POST / as the one method of /, as where producers have to show something: %s",
    (name) => {
      const methodsOf = (stack: SynthesizedStack) => Object.keys(apiOf(stack).paths["/"] ?? {}).toSorted();
      expect(methodsOf(stackOf(name))).toEqual(["post", "x-amazon-apigateway-any-method"]);
      expect(methodsOf(off)).toEqual(["get", "head", "post", "x-amazon-apigateway-any-method"]);
    },
  );
});

describe("uploadFormTitle", () => {
  it("stands in the page, escaped, and the stage's name where there is none", () => {
    const { html } = pageOf(stackOf("titled"));
    const title = "Send &#34;cats&#34; &#38; &#60;dogs&#62;";
    expect(html).toContain(`<title>${title}</title>`);
    expect(html).toContain(`<h1>${title}</h1>`);
    expect(html).not.toContain("<dogs>");
    expect(pageOf(off).html).toContain("<h1>Send files to open</h1>");
  });

  it("comes with what the stage takes at most", () => {
    expect(pageOf(stackOf("titled")).html).toContain("Up to 5.0 GB each.");
    expect(pageOf(off).html).toContain("Any type, any size.");
  });
});

describe("contentTypes", () => {
  const on = stackOf("types");

  it("is told to who signs and who sends, and stands on the page", () => {
    for (const path of ["signer/function", "sender/function"]) {
      expect(variablesOf(on.at(path))["CONTENT_TYPES"]).toBe("image/*,application/pdf");
      expect(variablesOf(off.at(path))).not.toHaveProperty("CONTENT_TYPES");
    }
    expect(pageOf(on).html).toContain("Images and PDF only.");
    expect(difference("types")).toEqual({});
  });

  it("makes the API's description ask for one of them, wherever a type may be given", () => {
    const schemas = schemasOf(on);
    const asking = Object.keys(schemas).filter((name) => schemas[name]?.required?.includes("content_type"));
    expect(asking).toEqual([
      ...["Action", "Request"].flatMap((form) => [`PutObject${form}`, `CreateMultipartUpload${form}`]),
      "SendMessageRequest",
    ]);
    for (const name of asking) {
      const pattern = new RegExp(schemas[name]?.properties["content_type"]?.pattern ?? "");
      expect(["image/png", "application/pdf; a=b", "text/html"].map((type) => pattern.test(type))).toEqual([
        true,
        true,
        false,
      ]);
    }
  });
});

describe("alarmEmail", () => {
  const on = stackOf("email");

  it("subscribes an address to the stage's topic", () => {
    expect(difference("email")).toEqual({
      aws_kms_alias: 1,
      aws_kms_key: 1,
      aws_sns_topic: 1,
      aws_sns_topic_subscription: 1,
    });
    expect(on.only("aws_sns_topic_subscription").attributes).toEqual({
      topic_arn: `\${${on.only("aws_sns_topic").address}.arn}`,
      protocol: "email",
      endpoint: "alice@example.com",
    });
  });
});
