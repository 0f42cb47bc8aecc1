import S3rver from "@20minutes/s3rver";
import AWSAccount from "@20minutes/s3rver/lib/models/account";
import { S3CorsConfiguration } from "@20minutes/s3rver/lib/models/config";
import S3Error from "@20minutes/s3rver/lib/models/error";
import { close, listen, urlOf } from "../server";
import type { CorsRule } from "../stack/stack";
import { type GuardOptions, guard } from "./guard";
import { ObjectStore, storeRequest } from "./store";

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

export interface S3Options extends GuardOptions {
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
  const isVersioned = (bucket: string) => buckets.some(({ name, versioned }) => name === bucket && versioned);
  const store = new ObjectStore(directory, isVersioned);
  s3.store = s3.context.store = store;
  // Innermost but for the router: its answers become XML as the router's do.
  s3.middleware.splice(-1, 0, guard(options, store));
  s3.on("error", (error: Error) => {
    // What S3 would answer too is no fault of ours.
    if (!(error instanceof S3Error) && !isHangUp(error)) console.error(error);
  });
  s3.on("event", ({ Records: [record] }: { Records: [S3rverRecord] }) => {
    if (record.eventName.startsWith("ObjectCreated:")) options.onObjectCreated(createdObject(record));
  });
  await s3.configureBuckets();
  for (const { name } of buckets) await store.clearUp(name);
  const account = new AWSAccount(options.accountId, "tweedle");
  for (const { accessKeyId, secretAccessKey } of principals) {
    account.createKeyPair(accessKeyId, secretAccessKey);
  }
  const server = await listen(s3.callback(), port, "S3");

  return {
    endpoint: urlOf(server),
    list: async (bucket, prefix) => {
      const { objects } = await store.listObjects(bucket, { prefix });
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
      if (rules.length === 0) return;
      await store.putSubresource(bucket, undefined, S3CorsConfiguration.validate(corsXml(rules)));
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
  /^(ECONNRESET|EPIPE|ERR_STREAM_PREMATURE_CLOSE|HPE_)/.test(error.code ?? "");

interface S3rverRecord {
  readonly eventName: string;
  readonly s3: { bucket: { name: string }; object: { key: string; size: number; eTag: string } };
}

function createdObject({ eventName, s3 }: S3rverRecord): CreatedObject {
  return {
    bucket: s3.bucket.name,
    ...s3.object,
    versionId: storeRequest.getStore()?.answer["x-amz-version-id"],
    // s3rver calls a completed upload a post, which S3 does of forms only.
    eventName: eventName === "ObjectCreated:Post" ? "ObjectCreated:CompleteMultipartUpload" : eventName,
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
