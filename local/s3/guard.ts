import { Readable, finished } from "node:stream";
import type S3rver from "@20minutes/s3rver";
import corsMiddleware from "@20minutes/s3rver/lib/middleware/cors";
import S3Error from "@20minutes/s3rver/lib/models/error";
import { parseSigningDate } from "../api-gateway/signature";
import { type AccessRequest, GLOBAL_CONDITION_KEYS, type Principal, globalContext, isAllowed } from "../iam";
import type { StackBucket } from "../stack/stack";
import type { Checksum } from "./checksum";
import { listPartsResult } from "./list-parts";
import { type ObjectStore, type StoreRequest, storeRequest } from "./store";

/** The condition keys that a request to the local S3 has. */
export const S3_CONDITION_KEYS = [
  ...GLOBAL_CONDITION_KEYS,
  "aws:SourceIp",
  "aws:SourceVpce",
  "aws:ViaAWSService",
  "s3:ObjectCreationOperation",
  "s3:TlsVersion",
  "s3:authType",
  "s3:if-none-match",
  "s3:signatureAge",
  "s3:signatureversion",
  "s3:x-amz-acl",
  "s3:x-amz-server-side-encryption-customer-algorithm",
];

/** Of a CompleteMultipartUpload's body: 10,000 parts with their digests fit. */
const MAX_XML_BYTES = 4 * 1024 ** 2;

const denied = () => new S3Error("AccessDenied", "Access Denied");

export interface GuardOptions {
  readonly buckets: readonly StackBucket[];
  readonly accountId: string;
  readonly principals: readonly Principal[];
}

/**
 * What stands before s3rver's router: it serves nobody without a signature, judges every request by the bucket's
 * policies and its signer's own, and answers what the router cannot.
 */
export function guard(
  { buckets, accountId, principals }: GuardOptions,
  store: ObjectStore,
): S3rver.Middleware {
  const cors = corsMiddleware();
  return async (context, next) => {
    const [bucketName, key] = bucketAndKey(context.path);
    const bucket = buckets.find(({ name }) => name === bucketName);
    if (bucketName && !bucket) throw new S3Error("NoSuchBucket", "The specified bucket does not exist");
    // A browser's preflight has no signature; s3rver answers it by the bucket's CORS rules.
    if (context.method === "OPTIONS") return await next();
    // A page may read that it is refused, too: s3rver would say whose page it is only to who comes past here.
    if (bucket)
      await cors(Object.assign(context, { params: { bucket: bucketName } }), () => Promise.resolve());
    if (Object.values(context.query).some((value) => typeof value !== "string")) {
      throw new S3Error("InvalidArgument", "A query parameter may be given once.");
    }
    const signer = signerOf(context);
    const principal = principals.find(({ accessKeyId }) => accessKeyId === signer);
    if (!principal) throw signer ? invalidKey() : denied();
    refuseUnsignedHeaders(context);
    refuseUnknownRequests(context, key);
    // SDKs sign "/bucket/" where s3rver computes "/bucket"; of a virtual host, it puts these the other way round.
    if (context.path === `/${bucketName}/`) Object.assign(context, { mountPath: "/" }).state.vhost = true;

    const policies = [...principal.policies, ...(bucket?.policies ?? [])];
    const request: AccessRequest = {
      principal: { account: accountId },
      action: s3Action(context, bucketName, key),
      resource: `arn:aws:s3:::${bucketName}${key && `/${key}`}`,
      context: conditionContext(context, accountId, key),
    };
    if (!isAllowed(policies, request)) throw denied();
    const { headers, query } = context;
    const asked: StoreRequest = { key, headers, query, xml: () => context.request.body, answer: {} };
    breakOffWith(context);
    try {
      await storeRequest.run(asked, () => nextOrMultipart(store, context, bucketName, next));
    } catch (error) {
      // Only who may list a bucket is told that an object is not there.
      const list = { ...request, action: "s3:ListBucket", resource: `arn:aws:s3:::${bucketName}` };
      if (error instanceof S3Error && error.code === "NoSuchKey" && !isAllowed(policies, list))
        throw denied();
      throw error;
    } finally {
      // A body that is not sent, as with 304, would keep its file open.
      if (context.body !== asked.content) asked.content?.destroy();
    }
    for (const [name, value] of Object.entries(asked.answer)) context.set(name, value);
    if (asked.checksum) tellChecksum(context.body, asked.checksum);
  };
}

/** @throws S3Error where the path is not encoded as a path */
function bucketAndKey(path: string): [bucket: string, key: string] {
  try {
    const [, bucket = "", ...segments] = decodeURIComponent(path).split("/");
    return [bucket, segments.join("/")];
  } catch {
    throw new S3Error("InvalidURI", "Couldn't parse the specified URI.");
  }
}

const invalidKey = () =>
  new S3Error("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.");

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([^/,]+)\/[^,]+, *SignedHeaders=[^,]+, *Signature=[0-9a-f]{64}$/;

/** The access key whose signature s3rver will check, in the query or the header; empty where it would check none. */
function signerOf({ query, headers }: S3rver.Context): string {
  if (!("X-Amz-Algorithm" in query)) return AUTHORIZATION.exec(headers["authorization"] ?? "")?.[1] ?? "";
  return query["X-Amz-Credential"]?.split("/")[0] ?? "";
}

/** What s3rver would break on, or does otherwise than S3. */
function refuseUnknownRequests({ method, query, headers }: S3rver.Context, key: string): void {
  if (method === "POST" && !key && !("delete" in query)) {
    throw new S3Error("NotImplemented", "Uploads by a browser's form are not served here.");
  }
  const copies = Object.keys({ ...query, ...headers }).some((name) => /^x-amz-copy-source/i.test(name));
  if (copies) throw new S3Error("NotImplemented", "Copies are not served here.");
  // All but a body that becomes an object or a part is XML, which is read into memory.
  const isXml = method === "POST" || (method === "PUT" && !key) || "tagging" in query;
  if (isXml && headers["transfer-encoding"] !== undefined) {
    throw new S3Error("MissingContentLength", "You must provide the Content-Length HTTP header.");
  }
  if (isXml && Number(headers["content-length"] ?? 0) > MAX_XML_BYTES) {
    throw new S3Error("MaxMessageLengthExceeded", "Your request was too large.");
  }
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

/** Query parameters that change nothing about who may make a request. */
const NEUTRAL =
  /^(X-Amz-.*|x-id|response-.*|part-number-marker|max-parts|list-type|prefix|delimiter|encoding-type|max-keys|start-after|continuation-token|fetch-owner|delete)$/i;

/** The request that a permission is for: the method, and the parameters that make it another operation. */
const PERMISSIONS: Readonly<Record<string, string>> = {
  "GET key": "s3:GetObject",
  "HEAD key": "s3:GetObject",
  "PUT key": "s3:PutObject",
  "DELETE key": "s3:DeleteObject",
  "GET key?versionId": "s3:GetObjectVersion",
  "HEAD key?versionId": "s3:GetObjectVersion",
  "DELETE key?versionId": "s3:DeleteObjectVersion",
  "POST key?uploads": "s3:PutObject",
  "PUT key?partNumber&uploadId": "s3:PutObject",
  "POST key?uploadId": "s3:PutObject",
  "DELETE key?uploadId": "s3:AbortMultipartUpload",
  "GET key?uploadId": "s3:ListMultipartUploadParts",
  "GET key?tagging": "s3:GetObjectTagging",
  "PUT key?tagging": "s3:PutObjectTagging",
  "GET key?acl": "s3:GetObjectAcl",
  "GET bucket": "s3:ListBucket",
  "HEAD bucket": "s3:ListBucket",
  "GET bucket?location": "s3:GetBucketLocation",
  "POST bucket": "s3:DeleteObject",
  "GET service": "s3:ListAllMyBuckets",
};

/**
 * The action that a request needs; of what this table does not know, one that nobody but the account's own key has.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
 */
function s3Action({ method, query }: S3rver.Context, bucket: string, key: string): string {
  const operation = Object.keys(query).filter((name) => !NEUTRAL.test(name));
  const what = key ? "key" : bucket ? "bucket" : "service";
  const parameters = operation.length > 0 ? `?${operation.toSorted().join("&")}` : "";
  return PERMISSIONS[`${method} ${what}${parameters}`] ?? "s3:AnythingElse";
}

/** Whether a request makes an object, rather than to begin an upload of it or to put a part. */
const creates = (method: string, query: S3rver.Context["query"], key: string): boolean =>
  key !== "" && (method === "PUT" ? !("partNumber" in query) : method === "POST" && "uploadId" in query);

function conditionContext(
  { method, query, headers, req }: S3rver.Context,
  accountId: string,
  key: string,
): Record<string, string | undefined> {
  const date = query["X-Amz-Date"] ?? headers["x-amz-date"] ?? "";
  const signedAt = parseSigningDate(date);
  return {
    ...globalContext(accountId),
    "aws:SourceIp": req.socket.remoteAddress,
    "aws:ViaAWSService": "false",
    "s3:ObjectCreationOperation": String(creates(method, query, key)),
    "s3:TlsVersion": "1.3",
    "s3:authType": query["X-Amz-Signature"] === undefined ? "REST-HEADER" : "REST-QUERY-STRING",
    "s3:if-none-match": headers["if-none-match"],
    "s3:signatureAge": String(Date.now() - signedAt),
    "s3:signatureversion": "AWS4-HMAC-SHA256",
    "s3:x-amz-acl": headers["x-amz-acl"],
    "s3:x-amz-server-side-encryption-customer-algorithm":
      headers["x-amz-server-side-encryption-customer-algorithm"],
  };
}

/** s3rver pipes a body in signed chunks, and a pipe does not pass on that what it reads from broke off. */
function breakOffWith({ req, request }: S3rver.Context): void {
  finished(req, (error) => {
    if (error && request.body instanceof Readable) request.body.destroy(error);
  });
}

/** Adds what s3rver's answer to a completion leaves out. */
function tellChecksum(body: unknown, { sha256, type }: Checksum): void {
  const { CompleteMultipartUploadResult: result } = body as { CompleteMultipartUploadResult: object };
  Object.assign(result, { ChecksumSHA256: sha256, ChecksumType: type });
}

/** s3rver has no ListParts and no AbortMultipartUpload: it says 405, and only once the signature is right. */
async function nextOrMultipart(
  store: ObjectStore,
  context: S3rver.Context,
  bucket: string,
  next: () => Promise<void>,
): Promise<void> {
  const { method, query } = context;
  const { uploadId } = query;
  try {
    await next();
  } catch (error) {
    if (
      !(error instanceof S3Error) &&
      method === "POST" &&
      uploadId !== undefined &&
      error instanceof TypeError
    ) {
      throw new S3Error("MalformedXML", "The XML you provided was not well-formed.");
    }
    const unsupported =
      error instanceof S3Error && error.code === "MethodNotAllowed" && uploadId !== undefined;
    if (unsupported && method === "DELETE") {
      await store.abortUpload(bucket, uploadId);
      context.status = 204;
    } else if (unsupported && method === "GET") {
      context.body = listPartsResult(await store.findUpload(bucket, uploadId), query, { bucket, uploadId });
    } else {
      throw error;
    }
  }
}
