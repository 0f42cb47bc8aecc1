import { rm } from "node:fs/promises";
import S3rver from "@20minutes/s3rver";
import AWSAccount from "@20minutes/s3rver/lib/models/account";
import { S3CorsConfiguration } from "@20minutes/s3rver/lib/models/config";
import S3Error from "@20minutes/s3rver/lib/models/error";
import { type Policy, isAllowed } from "../iam";
import { listParts, mendStore, uploadFolder, writeContext } from "./store";
import { close, listen, urlOf } from "../server";
import type { CorsRule, StackBucket } from "../stack/stack";

/** Who may sign requests, and what its own policies allow. */
export interface Principal {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly policies: readonly Policy[];
}

/** An object that has been created, as S3 knows it. */
export interface CreatedObject {
  readonly bucket: string;
  readonly key: string;
  readonly size: number;
  readonly eTag: string;
  readonly versionId: string | undefined;
  /** ObjectCreated:Put, or ObjectCreated:CompleteMultipartUpload. */
  readonly eventName: string;
}

export interface S3Options {
  readonly buckets: readonly StackBucket[];
  readonly accountId: string;
  readonly principals: readonly Principal[];
  /** Where objects are kept. */
  readonly directory: string;
  readonly port: number;
  readonly onObjectCreated: (object: CreatedObject) => void;
}

export interface LocalS3 {
  readonly endpoint: string;
  /** The objects of a bucket whose keys begin so. */
  readonly list: (bucket: string, prefix: string) => Promise<CreatedObject[]>;
  readonly setCors: (bucket: string, rules: readonly CorsRule[]) => Promise<void>;
  readonly stop: () => Promise<void>;
}

/** The condition keys that a request to the local S3 has. */
export const S3_CONDITION_KEYS = [
  "aws:PrincipalAccount",
  "aws:ResourceAccount",
  "aws:SecureTransport",
  "aws:SourceAccount",
  "aws:SourceArn",
  "s3:TlsVersion",
  "s3:authType",
  "s3:signatureAge",
  "s3:signatureversion",
  "s3:x-amz-acl",
  "s3:x-amz-server-side-encryption-customer-algorithm",
];

/**
 * S3 on this machine: s3rver, which checks signatures and their expiry, and before it what it leaves out. Nobody is
 * served without a signature, and every request is judged by the bucket's policy and its signer's own.
 */
export async function startS3(options: S3Options): Promise<LocalS3> {
  const { buckets, directory, port, principals } = options;
  const s3 = new S3rver({
    directory,
    silent: true,
    vhostBuckets: false,
    configureBuckets: buckets.map(({ name }) => ({ name })),
  });
  mendStore(s3.store, (bucket) => buckets.some(({ name, versioned }) => name === bucket && versioned));
  // Innermost but for the router: its answers become XML as the router's do.
  s3.middleware.splice(-1, 0, guard(options, s3.store));
  s3.on("error", (error: Error & { status?: number }) => {
    if ((error.status ?? 500) >= 500 && !isHangUp(error)) console.error(error);
  });
  s3.on("event", ({ Records: [record] }: { Records: [S3rverRecord] }) => {
    if (record.eventName.startsWith("ObjectCreated:")) options.onObjectCreated(createdObject(record));
  });
  await s3.configureBuckets();
  const account = new AWSAccount(options.accountId, "tweedle");
  for (const { accessKeyId, secretAccessKey } of principals)
    account.createKeyPair(accessKeyId, secretAccessKey);
  const server = await listen(s3.callback(), port, "S3");

  return {
    endpoint: urlOf(server),
    list: async (bucket, prefix) => {
      const { objects } = await s3.store.listObjects(bucket, { prefix });
      return objects.map(({ key, metadata }) => ({
        bucket,
        key,
        size: Number(metadata["content-length"]),
        eTag: JSON.parse(metadata["etag"] ?? '""') as string,
        versionId: metadata["x-amz-version-id"],
        eventName: "ObjectCreated:Put",
      }));
    },
    setCors: async (bucket, rules) => {
      if (rules.length > 0)
        await s3.store.putSubresource(bucket, undefined, S3CorsConfiguration.validate(corsXml(rules)));
    },
    stop: async () => {
      await close(server);
      // Not closed: a request that was cut off still logs, and a closed logger complains on stderr, URL and all.
      s3.logger.exceptions.unhandle();
    },
  };
}

/** A caller that went away is no fault of ours. */
const isHangUp = (error: NodeJS.ErrnoException) =>
  ["ECONNRESET", "ERR_STREAM_PREMATURE_CLOSE", "EPIPE"].includes(error.code ?? "");

interface S3rverRecord {
  readonly eventName: string;
  readonly s3: { bucket: { name: string }; object: { key: string; size: number; eTag: string } };
}

function createdObject({ eventName, s3 }: S3rverRecord): CreatedObject {
  return {
    bucket: s3.bucket.name,
    ...s3.object,
    versionId: writeContext.getStore()?.versionId || undefined,
    // s3rver calls a completed upload a post, which S3 does of forms only.
    eventName: eventName === "ObjectCreated:Post" ? "ObjectCreated:CompleteMultipartUpload" : eventName,
  };
}

const denied = () => new S3Error("AccessDenied", "Access Denied");

function guard({ buckets, accountId, principals }: S3Options, store: S3rver.Store): S3rver.Middleware {
  return async (context, next) => {
    // A browser's preflight has no signature; s3rver answers it by the bucket's CORS rules.
    if (context.method === "OPTIONS") return await next();
    const [, bucketName = "", ...segments] = context.path.split("/").map(decodeURIComponent);
    const key = segments.join("/");
    // SDKs sign "/bucket/" where s3rver computes "/bucket"; of a virtual host, it puts these the other way round.
    if (context.path === `/${bucketName}/`) Object.assign(context, { mountPath: "/" }).state.vhost = true;
    const bucket = buckets.find(({ name }) => name === bucketName);
    const principal = principals.find(({ accessKeyId }) => accessKeyId === signerOf(context));
    if (!principal) throw signerOf(context) ? invalidKey() : denied();
    refuseUnsignedHeaders(context);
    const request = {
      principal: { account: accountId },
      action: s3Action(context, key),
      resource: `arn:aws:s3:::${bucketName}${key && `/${key}`}`,
      context: conditionContext(context, accountId),
    };
    if (!isAllowed([...principal.policies, ...(bucket?.policies ?? [])], request)) throw denied();

    await refuseOverwrite(store, context, bucketName, key);
    await refuseOtherVersion(store, context, bucketName, key);
    const write = { key, headers: context.headers, versionId: "" };
    await writeContext.run(write, () => nextOrMultipart(store, context, bucketName, key, next));
    if (write.versionId) context.set("x-amz-version-id", write.versionId);
  };
}

const invalidKey = () =>
  new S3Error("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.");

/** The access key that a request names, in its query or its header; empty for none. */
function signerOf({ query, headers }: S3rver.Context): string {
  const credential =
    query["X-Amz-Credential"] ?? /Credential=([^,]+)/.exec(headers["authorization"] ?? "")?.[1];
  return credential?.split("/")[0] ?? "";
}

/** A signature covers every x-amz- header; s3rver does not mind others. */
function refuseUnsignedHeaders({ query, headers }: S3rver.Context): void {
  const signed = query["X-Amz-SignedHeaders"]?.split(";");
  if (!signed) return;
  const unsigned = Object.keys(headers).filter((name) => name.startsWith("x-amz-") && !signed.includes(name));
  if (unsigned.length > 0) {
    throw new S3Error("AccessDenied", "There were headers present in the request which were not signed", {
      HeadersNotSigned: unsigned.join(", "),
    });
  }
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html */
function s3Action({ method, query }: S3rver.Context, key: string): string {
  const version = "versionId" in query ? "Version" : "";
  if (!key) return method === "GET" || method === "HEAD" ? "s3:ListBucket" : "s3:ChangeBucket";
  if (method === "GET" && "uploadId" in query) return "s3:ListMultipartUploadParts";
  if (method === "DELETE" && "uploadId" in query) return "s3:AbortMultipartUpload";
  if (method === "GET" || method === "HEAD") return `s3:GetObject${version}`;
  if (method === "DELETE") return `s3:DeleteObject${version}`;
  return "s3:PutObject";
}

function conditionContext(
  { query, headers }: S3rver.Context,
  accountId: string,
): Record<string, string | undefined> {
  const date = query["X-Amz-Date"] ?? headers["x-amz-date"] ?? "";
  const signedAt = Date.parse(
    date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"),
  );
  return {
    "aws:PrincipalAccount": accountId,
    "aws:ResourceAccount": accountId,
    // What leaves this machine at AWS is TLS; here it does not leave it.
    "aws:SecureTransport": "true",
    "s3:TlsVersion": "1.3",
    "s3:authType": query["X-Amz-Signature"] === undefined ? "REST-HEADER" : "REST-QUERY-STRING",
    "s3:signatureAge": String(Date.now() - signedAt),
    "s3:signatureversion": "AWS4-HMAC-SHA256",
    "s3:x-amz-acl": headers["x-amz-acl"],
    "s3:x-amz-server-side-encryption-customer-algorithm":
      headers["x-amz-server-side-encryption-customer-algorithm"],
  };
}

async function findMetadata(
  store: S3rver.Store,
  bucket: string,
  key: string,
): Promise<S3rver.Metadata | undefined> {
  try {
    return await store.getMetadata(bucket, key);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html */
async function refuseOverwrite(store: S3rver.Store, context: S3rver.Context, bucket: string, key: string) {
  const writes = context.method === "PUT" || context.method === "POST";
  if (!writes || context.headers["if-none-match"] !== "*" || !(await findMetadata(store, bucket, key)))
    return;
  const error = new S3Error(
    "PreconditionFailed",
    "At least one of the pre-conditions you specified did not hold",
    {
      Condition: "If-None-Match",
    },
  );
  throw error;
}

/** Locally an object has one version: the id of another leads nowhere. */
async function refuseOtherVersion(
  store: S3rver.Store,
  { query }: S3rver.Context,
  bucket: string,
  key: string,
) {
  if (query["versionId"] === undefined) return;
  const metadata = await findMetadata(store, bucket, key);
  if (metadata?.["x-amz-version-id"] !== query["versionId"]) {
    throw new S3Error("NoSuchVersion", "The specified version does not exist.", { Key: key });
  }
}

/** s3rver has no ListParts and no AbortMultipartUpload: it says 405, and only once the signature is right. */
async function nextOrMultipart(
  store: S3rver.Store,
  context: S3rver.Context,
  bucket: string,
  key: string,
  next: () => Promise<void>,
): Promise<void> {
  try {
    await next();
  } catch (error) {
    const { uploadId } = context.query;
    const unsupported =
      error instanceof S3Error && error.code === "MethodNotAllowed" && uploadId !== undefined;
    if (!unsupported || !["GET", "DELETE"].includes(context.method)) throw error;
    const folder = await uploadFolder(store, bucket, uploadId, key);
    if (context.method === "DELETE") {
      await rm(folder, { recursive: true });
      context.status = 204;
      return;
    }
    context.body = await listPartsResult(folder, context.query, { bucket, key, uploadId });
  }
}

async function listPartsResult(
  folder: string,
  query: Readonly<Record<string, string>>,
  { bucket, key, uploadId }: { bucket: string; key: string; uploadId: string },
) {
  const marker = Number(query["part-number-marker"] ?? 0);
  const maxParts = Math.min(Number(query["max-parts"] ?? 1000), 1000);
  const rest = (await listParts(folder)).filter(({ number }) => number > marker);
  const page = rest.slice(0, maxParts);
  return {
    ListPartsResult: {
      Bucket: bucket,
      Key: key,
      UploadId: uploadId,
      PartNumberMarker: marker,
      NextPartNumberMarker: page.at(-1)?.number ?? marker,
      MaxParts: maxParts,
      IsTruncated: rest.length > page.length,
      Part: page.map(({ number, etag, size }) => ({ PartNumber: number, ETag: `"${etag}"`, Size: size })),
    },
  };
}

function corsXml(rules: readonly CorsRule[]): string {
  const elements = (name: string, values: readonly (string | number)[] = []) =>
    values.map((value) => `<${name}>${value}</${name}>`).join("");
  const rule = (cors: CorsRule) =>
    elements("AllowedOrigin", cors.allowed_origins) +
    elements("AllowedMethod", cors.allowed_methods) +
    elements("AllowedHeader", cors.allowed_headers) +
    elements("ExposeHeader", cors.expose_headers) +
    elements("MaxAgeSeconds", cors.max_age_seconds === undefined ? [] : [cors.max_age_seconds]);
  return `<CORSConfiguration>${rules.map((cors) => `<CORSRule>${rule(cors)}</CORSRule>`).join("")}</CORSConfiguration>`;
}
