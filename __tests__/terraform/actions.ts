import type { IncomingHttpHeaders } from "node:http";

/*
 * What IAM calls the requests that Terraform makes.
 * https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
 */

/** What S3's requests about a bucket's settings are about, by their query: what follows Get or Put. */
const SETTINGS: Readonly<Record<string, string>> = {
  accelerate: "AccelerateConfiguration",
  acl: "BucketAcl",
  cors: "BucketCORS",
  encryption: "EncryptionConfiguration",
  lifecycle: "LifecycleConfiguration",
  location: "BucketLocation",
  logging: "BucketLogging",
  notification: "BucketNotification",
  "object-lock": "BucketObjectLockConfiguration",
  ownershipControls: "BucketOwnershipControls",
  policy: "BucketPolicy",
  publicAccessBlock: "BucketPublicAccessBlock",
  replication: "ReplicationConfiguration",
  requestPayment: "BucketRequestPayment",
  tagging: "BucketTagging",
  versioning: "BucketVersioning",
  website: "BucketWebsite",
};

function ofS3(method: string, { pathname, searchParams }: URL): string {
  const key = pathname.split("/").slice(2).join("/");
  const setting = Object.keys(SETTINGS).find((name) => searchParams.has(name));
  if (setting !== undefined && key === "") {
    // To take a setting away is to put one, but of a policy.
    const verb = method === "GET" ? "Get" : method === "DELETE" && setting === "policy" ? "Delete" : "Put";
    return `s3:${verb}${SETTINGS[setting]}`;
  }
  if (searchParams.has("versions")) return "s3:ListBucketVersions";
  if (key !== "" && method !== "POST") {
    const verbs: Readonly<Record<string, string>> = { HEAD: "Get", GET: "Get", PUT: "Put", DELETE: "Delete" };
    return `s3:${verbs[method]}Object${searchParams.has("versionId") ? "Version" : ""}`;
  }
  if (method === "POST") return "s3:DeleteObjectVersion";
  return `s3:${{ PUT: "CreateBucket", DELETE: "DeleteBucket" }[method] ?? "ListBucket"}`;
}

/** Lambda's requests, by method and path. */
const LAMBDA: readonly (readonly [request: RegExp, action: string])[] = [
  [/^GET .*\/functions\/[^/]+$/, "GetFunction"],
  [/^POST .*\/functions\/?$/, "CreateFunction"],
  [/^DELETE .*\/functions\/[^/]+$/, "DeleteFunction"],
  [/^GET .*\/versions$/, "ListVersionsByFunction"],
  [/^GET .*\/code-signing-config$/, "GetFunctionCodeSigningConfig"],
  [/^GET .*\/configuration$/, "GetFunctionConfiguration"],
  [/^GET .*\/policy$/, "GetPolicy"],
  [/^POST .*\/policy$/, "AddPermission"],
  [/^DELETE .*\/policy\/[^/]+$/, "RemovePermission"],
  [/^GET .*\/tags\//, "ListTags"],
  [/^POST .*\/tags\//, "TagResource"],
  [/^DELETE .*\/tags\//, "UntagResource"],
  [/^PUT .*\/concurrency$/, "PutFunctionConcurrency"],
  [/^DELETE .*\/concurrency$/, "DeleteFunctionConcurrency"],
  [/^GET .*\/concurrency$/, "GetFunctionConcurrency"],
  [/^PUT .*\/code$/, "UpdateFunctionCode"],
  [/^PUT .*\/functions\/[^/]+\/configuration$/, "UpdateFunctionConfiguration"],
  [/^POST .*\/event-source-mappings\/?$/, "CreateEventSourceMapping"],
  [/^GET .*\/event-source-mappings\/[^/]+$/, "GetEventSourceMapping"],
  [/^PUT .*\/event-source-mappings\/[^/]+$/, "UpdateEventSourceMapping"],
  [/^DELETE .*\/event-source-mappings\/[^/]+$/, "DeleteEventSourceMapping"],
];

function ofLambda(method: string, { pathname }: URL): string {
  const [, action] = LAMBDA.find(([request]) => request.test(`${method} ${pathname}`)) ?? [];
  return `lambda:${action ?? `${method} ${pathname}`}`;
}

const PREFIXES: Readonly<Record<string, string>> = { monitoring: "cloudwatch" };

/** What IAM calls a request. One that this does not know is called by its method and path. */
export function actionOf(method: string, url: URL, headers: IncomingHttpHeaders, body: Buffer): string {
  // Which service it is for is in the signature's scope.
  const [, scope = ""] = /Credential=[^/]+\/\d+\/[^/]+\/([\w-]+)\//.exec(headers.authorization ?? "") ?? [];
  if (scope === "s3") return ofS3(method, url);
  if (scope === "lambda") return ofLambda(method, url);
  if (scope === "apigateway") return `apigateway:${method}`;
  const target = headers["x-amz-target"];
  const [, form] = /(?:^|&)Action=(\w+)/.exec(body.toString("latin1")) ?? [];
  // Smithy's RPC v2: /service/…/operation/PutMetricAlarm
  const [, operation] = /\/operation\/(\w+)$/.exec(url.pathname) ?? [];
  const name = target === undefined ? (form ?? operation) : String(target).split(".").at(-1);
  return `${PREFIXES[scope] ?? scope}:${name ?? `${method} ${url.pathname}`}`;
}
