/** What we use of @20minutes/s3rver, which has no types of its own. It is a Koa application. */
declare module "@20minutes/s3rver" {
  import type { EventEmitter } from "node:events";
  import type { IncomingMessage, RequestListener } from "node:http";
  import type { Readable } from "node:stream";

  namespace S3rver {
    interface Context {
      readonly method: string;
      readonly path: string;
      readonly query: Readonly<Record<string, string>>;
      readonly headers: Record<string, string | undefined>;
      readonly req: IncomingMessage;
      readonly state: Record<string, unknown>;
      status: number;
      body: unknown;
      set(header: string, value: string): void;
    }

    type Middleware = (context: Context, next: () => Promise<void>) => Promise<void>;
    type Metadata = Record<string, string>;

    interface StoredObject {
      readonly bucket: string;
      readonly key: string;
      readonly content: Readable;
      readonly metadata: Metadata;
    }

    interface Store {
      getResourcePath(bucket: string, key: string | undefined, resource: string): string;
      getMetadata(bucket: string, key: string): Promise<Metadata>;
      putMetadata(bucket: string, key: string, metadata: Metadata, md5?: string): Promise<void>;
      putContent(path: string, content: Readable): Promise<[size: number, md5: string]>;
      putPart(
        bucket: string,
        uploadId: string,
        part: string,
        content: Readable,
      ): Promise<{ size: number; md5: string }>;
      putObjectMultipart(
        bucket: string,
        uploadId: string,
        parts: readonly { number: number; etag: string }[],
      ): Promise<{ size: number; md5: string }>;
      putSubresource(bucket: string, key: undefined, config: unknown): Promise<void>;
      listObjects(
        bucket: string,
        options: { prefix: string },
      ): Promise<{ objects: { key: string; metadata: Metadata }[] }>;
    }
  }

  class S3rver extends (Object as unknown as new () => EventEmitter) {
    constructor(options: {
      directory: string;
      silent: boolean;
      vhostBuckets: boolean;
      configureBuckets: readonly { name: string }[];
    });
    readonly middleware: S3rver.Middleware[];
    readonly store: S3rver.Store;
    readonly logger: { exceptions: { unhandle(): void } };
    configureBuckets(): Promise<unknown>;
    callback(): RequestListener;
  }

  export = S3rver;
}

declare module "@20minutes/s3rver/lib/models/account" {
  class AWSAccount {
    constructor(id: string, name: string);
    createKeyPair(accessKeyId: string, secretAccessKey: string): void;
    revokeAccessKey(accessKeyId: string): void;
  }
  export = AWSAccount;
}

declare module "@20minutes/s3rver/lib/models/error" {
  class S3Error extends Error {
    constructor(code: string, message: string, detail?: Record<string, unknown>);
    readonly code: string;
    status: number;
  }
  export = S3Error;
}

declare module "@20minutes/s3rver/lib/models/object" {
  const S3Object: { ALLOWED_METADATA: string[] };
  export = S3Object;
}

declare module "@20minutes/s3rver/lib/models/config" {
  export const S3CorsConfiguration: { validate(xml: string): unknown };
}

declare module "@20minutes/s3rver/lib/stores/filesystem" {
  const FilesystemStore: { encodeKeyPath(key: string): string; decodeKeyPath(path: string): string };
  export = FilesystemStore;
}
