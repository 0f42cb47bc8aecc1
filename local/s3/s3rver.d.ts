/** What we use of @20minutes/s3rver, which has no types of its own. It is a Koa application. */
declare module "@20minutes/s3rver" {
  import type { EventEmitter } from "node:events";
  import type { IncomingMessage, RequestListener } from "node:http";
  import type FilesystemStore from "@20minutes/s3rver/lib/stores/filesystem";

  namespace S3rver {
    interface Context {
      readonly method: string;
      readonly path: string;
      readonly query: Readonly<Record<string, string>>;
      readonly headers: Record<string, string | undefined>;
      readonly state: Record<string, unknown>;
      readonly req: IncomingMessage;
      /** Its body: a stream, or XML that was parsed. */
      readonly request: { readonly body?: unknown };
      status: number;
      body: unknown;
      set(header: string, value: string): void;
    }

    type Middleware = (context: Context, next: () => Promise<void>) => Promise<void>;
  }

  class S3rver extends (Object as unknown as new () => EventEmitter) {
    constructor(options: {
      directory: string;
      silent: boolean;
      vhostBuckets: boolean;
      configureBuckets: readonly { name: string }[];
    });
    readonly middleware: S3rver.Middleware[];
    store: FilesystemStore;
    readonly context: { store: FilesystemStore };
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
  }
  export = AWSAccount;
}

declare module "@20minutes/s3rver/lib/middleware/cors" {
  import type S3rver from "@20minutes/s3rver";
  const corsMiddleware: () => S3rver.Middleware;
  export = corsMiddleware;
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
  import type { Readable } from "node:stream";

  class S3Object {
    static readonly ALLOWED_METADATA: string[];
    constructor(bucket: string, key: string, content: Readable | null, metadata: Record<string, string>);
    readonly bucket: string;
    key: string;
    content: Readable | null;
    range?: { start: number; end: number };
    readonly metadata: Record<string, string>;
  }
  export = S3Object;
}

declare module "@20minutes/s3rver/lib/models/config" {
  export const S3CorsConfiguration: { validate(xml: string): unknown };
}

declare module "@20minutes/s3rver/lib/stores/filesystem" {
  import type { Readable } from "node:stream";
  import type S3Object from "@20minutes/s3rver/lib/models/object";

  class FilesystemStore {
    constructor(directory: string);
    getResourcePath(bucket: string, key: string | undefined, resource: string): string;
    getMetadata(bucket: string, key: string): Promise<Record<string, string>>;
    getObject(bucket: string, key: string, options?: unknown): Promise<S3Object | null>;
    putObject(object: S3Object): Promise<{ size: number; md5: string }>;
    deleteObject(bucket: string, key: string): Promise<void>;
    listObjects(bucket: string, options: { prefix: string }): Promise<{ objects: S3Object[] }>;
    initiateUpload(
      bucket: string,
      key: string,
      uploadId: string,
      headers: Record<string, string>,
    ): Promise<void>;
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
  }
  export = FilesystemStore;
}
