import { AsyncLocalStorage } from "node:async_hooks";
import { createHash, randomUUID } from "node:crypto";
import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { mkdir, open, readFile, readdir, rename, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import S3Error from "@20minutes/s3rver/lib/models/error";
import S3Object from "@20minutes/s3rver/lib/models/object";
import FilesystemStore from "@20minutes/s3rver/lib/stores/filesystem";

/** What a request says that the store acts on, and what the store tells the request. */
export interface StoreRequest {
  readonly key: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly query: Readonly<Record<string, string>>;
  /** The version that has been written. */
  versionId?: string;
  /** The object that is read. */
  content?: Readable;
}

/** The request on whose behalf the store works. */
export const storeRequest = new AsyncLocalStorage<StoreRequest>();

export interface Part {
  readonly number: number;
  readonly size: number;
  readonly etag: string;
  readonly path: string;
}

const MIN_PART_BYTES = 5 * 1024 ** 2;
const MAX_PARTS = 10_000;
const VERSION_HEADER = "x-amz-version-id";
/** What is being written has this ending until it is whole. */
export const PARTIAL = ".partial";

/** A file's name has at most 255 bytes, a segment of a key up to 1,024; the store adds suffixes of up to 60. */
const SEGMENT_BYTES = 180;
const CUT = "\u0001/";

function cutSegment(segment: string): string {
  if (Buffer.byteLength(segment) <= SEGMENT_BYTES) return segment;
  const pieces = [""];
  for (const character of segment) {
    if (Buffer.byteLength(pieces.at(-1) + character) > SEGMENT_BYTES) pieces.push("");
    pieces[pieces.length - 1] += character;
  }
  return pieces.join(CUT);
}

const tails = new Map<string, Promise<unknown>>();

/** Runs what concerns one object, or one upload, one after the other. */
function exclusively<T>(what: string, task: () => Promise<T>): Promise<T> {
  const done = (tails.get(what) ?? Promise.resolve()).then(task);
  const tail = done
    .catch(() => undefined)
    .then(() => {
      if (tails.get(what) === tail) tails.delete(what);
    });
  tails.set(what, tail);
  return done;
}

/**
 * s3rver's store, with what it leaves out of S3: objects that are whole or not there, conditional writes, digests,
 * version ids (of the one version that it keeps), ranges, keys of any fit length, and multipart uploads that are
 * checked before they become an object.
 */
export class ObjectStore extends FilesystemStore {
  constructor(
    private readonly directory: string,
    private readonly isVersioned: (bucket: string) => boolean,
  ) {
    super(directory);
    // What a stored object's metadata may be, in all of s3rver.
    if (!S3Object.ALLOWED_METADATA.includes(VERSION_HEADER)) S3Object.ALLOWED_METADATA.push(VERSION_HEADER);
  }

  /** @throws S3Error for a key that would lead out of the bucket's folder */
  override getResourcePath(bucket: string, key: string | number | undefined, resource: string): string {
    // s3rver reads a key of digits from XML as a number.
    const segments = String(key ?? "").split("/");
    if (segments.some((segment) => segment === "." || segment === ".." || segment.includes("\0"))) {
      throw new S3Error("InvalidURI", "Couldn't parse the specified URI.");
    }
    return super.getResourcePath(bucket, segments.map(cutSegment).join("/"), resource);
  }

  override async listObjects(bucket: string, options: { prefix: string }) {
    const list = await super.listObjects(bucket, options);
    for (const object of list.objects) object.key = object.key.replaceAll(CUT, "");
    return list;
  }

  override async getObject(bucket: string, key: string): Promise<S3Object | null> {
    return await exclusively(this.getResourcePath(bucket, key, "object"), async () => {
      const metadata = await this.findMetadata(bucket, key);
      if (!metadata) return null;
      const request = storeRequest.getStore();
      const wanted = request?.query["versionId"];
      if (wanted !== undefined && wanted !== metadata[VERSION_HEADER]) {
        throw new S3Error("NoSuchVersion", "The specified version does not exist.", { Key: key });
      }
      const range = parseRange(request?.headers["range"], Number(metadata["content-length"]));
      const object = new S3Object(bucket, key, null, metadata);
      if (range) object.range = range;
      // Without content, a range is one that cannot be satisfied.
      if (range && range.end < range.start) return object;
      const file = await open(this.getResourcePath(bucket, key, "object"));
      object.content = file.createReadStream(range ?? {});
      if (request) request.content = object.content;
      return object;
    });
  }

  override async putObject({
    bucket,
    key,
    content,
    metadata,
  }: S3Object): Promise<{ size: number; md5: string }> {
    return await this.writeObject(bucket, key, content ?? Readable.from([]), metadata);
  }

  override async deleteObject(bucket: string, key: string): Promise<void> {
    const path = this.getResourcePath(bucket, key, "object");
    await exclusively(path, async () => {
      const wanted = storeRequest.getStore()?.query["versionId"];
      const metadata = await this.findMetadata(bucket, key);
      // S3 deletes a version that is not there without a word.
      if (!metadata || (wanted !== undefined && wanted !== metadata[VERSION_HEADER])) return;
      for (const resource of ["object", "object.md5", "metadata.json"]) {
        await rm(this.getResourcePath(bucket, key, resource), { force: true });
      }
    });
    await dropEmptyFolders(dirname(path), join(this.directory, bucket));
  }

  override async putPart(bucket: string, uploadId: string, part: string, content: Readable) {
    if (!/^[1-9]\d{0,4}$/.test(part) || Number(part) > MAX_PARTS) {
      throw new S3Error(
        "InvalidArgument",
        `Part number must be an integer between 1 and ${MAX_PARTS}, inclusive`,
        {
          ArgumentName: "partNumber",
          ArgumentValue: part,
        },
      );
    }
    await this.uploadFolder(bucket, uploadId);
    return await super.putPart(bucket, uploadId, part, content);
  }

  override async putObjectMultipart(
    bucket: string,
    uploadId: string,
    wanted: readonly { number: number; etag: string }[],
  ): Promise<{ size: number; md5: string }> {
    return await exclusively(uploadId, async () => {
      const folder = await this.uploadFolder(bucket, uploadId);
      const { key, headers } = storeRequest.getStore() as StoreRequest;
      const parts = await this.checkParts(folder, wanted, headers["x-amz-mp-object-size"]);
      const metadata = JSON.parse(await readFile(join(folder, "metadata"), "utf8")) as Record<string, string>;
      const digests = Buffer.concat(parts.map(({ etag }) => Buffer.from(etag, "hex")));
      const etag = `${createHash("md5").update(digests).digest("hex")}-${parts.length}`;
      const content = Readable.from(concatenate(parts), { objectMode: false });
      const written = await this.writeObject(bucket, key, content, metadata, etag);
      await rm(folder, { recursive: true });
      return written;
    });
  }

  /** Drops an upload and its parts. */
  async abortUpload(bucket: string, uploadId: string): Promise<void> {
    await exclusively(uploadId, async () =>
      rm(await this.uploadFolder(bucket, uploadId), { recursive: true }),
    );
  }

  /** The parts of an upload that have arrived whole, by number. */
  async listParts(bucket: string, uploadId: string): Promise<Part[]> {
    return await partsIn(await this.uploadFolder(bucket, uploadId));
  }

  /** What is written beside its place is moved there when it is whole: what breaks off leaves nothing behind. */
  override async putContent(path: string, content: Readable): Promise<[size: number, md5: string]> {
    const wanted = storeRequest.getStore()?.headers["x-amz-checksum-sha256"];
    const md5 = createHash("md5");
    const sha256 = wanted === undefined ? undefined : createHash("sha256");
    let size = 0;
    const partial = `${path}.${randomUUID()}${PARTIAL}`;
    try {
      await pipeline(
        content,
        async function* (chunks: AsyncIterable<Buffer>) {
          for await (const chunk of chunks) {
            md5.update(chunk);
            sha256?.update(chunk);
            size += chunk.length;
            yield chunk;
          }
        },
        createWriteStream(partial),
      );
      if (sha256 && sha256.digest("base64") !== wanted) {
        throw new S3Error("BadDigest", "The SHA256 you specified did not match the calculated checksum.");
      }
      await rename(partial, path);
    } finally {
      await rm(partial, { force: true });
    }
    return [size, md5.digest("hex")];
  }

  override async putMetadata(
    bucket: string,
    key: string,
    metadata: Readonly<Record<string, string>>,
    md5?: string,
  ): Promise<void> {
    const versionId = this.isVersioned(bucket) ? randomUUID().replaceAll("-", "") : undefined;
    const request = storeRequest.getStore();
    if (request && versionId) request.versionId = versionId;
    const kept = Object.entries({ ...metadata, ...(versionId && { [VERSION_HEADER]: versionId }) }).filter(
      ([name]) => S3Object.ALLOWED_METADATA.includes(name) || name.startsWith("x-amz-meta-"),
    );
    if (md5 !== undefined) await replaceFile(this.getResourcePath(bucket, key, "object.md5"), md5);
    const json = JSON.stringify(Object.fromEntries(kept));
    await replaceFile(this.getResourcePath(bucket, key, "metadata.json"), json);
  }

  private async findMetadata(bucket: string, key: string): Promise<Record<string, string> | undefined> {
    try {
      return await this.getMetadata(bucket, key);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Writes a body, and makes it the object at once with its metadata: no reader sees the one without the other. */
  private async writeObject(
    bucket: string,
    key: string,
    content: Readable,
    metadata: Readonly<Record<string, string>>,
    etag?: string,
  ): Promise<{ size: number; md5: string }> {
    const path = this.getResourcePath(bucket, key, "object");
    await mkdir(dirname(path), { recursive: true });
    const whole = `${path}.${randomUUID()}${PARTIAL}`;
    try {
      const [size, digest] = await this.putContent(whole, content);
      const md5 = etag ?? digest;
      await exclusively(path, async () => {
        // https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
        if (storeRequest.getStore()?.headers["if-none-match"] === "*" && existsSync(path)) {
          const message = "At least one of the pre-conditions you specified did not hold";
          throw new S3Error("PreconditionFailed", message, { Condition: "If-None-Match" });
        }
        await this.putMetadata(bucket, key, metadata, md5);
        await rename(whole, path);
      });
      return { size, md5 };
    } finally {
      await rm(whole, { force: true });
    }
  }

  /** @throws S3Error where there is no such upload for the request's key */
  private async uploadFolder(bucket: string, uploadId: string): Promise<string> {
    const folder = join(this.getResourcePath(bucket, undefined, "uploads"), uploadId);
    const isUpload = /^[0-9a-f]{32}$/.test(uploadId) && existsSync(folder);
    if (!isUpload || (await readFile(join(folder, "key"), "utf8")) !== storeRequest.getStore()?.key) {
      const message =
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.";
      throw new S3Error("NoSuchUpload", message, { UploadId: uploadId });
    }
    return folder;
  }

  private async checkParts(
    folder: string,
    wanted: readonly { number: number; etag: string }[],
    objectSize: string | undefined,
  ): Promise<Part[]> {
    const present = new Map((await partsIn(folder)).map((part) => [part.number, part]));
    const parts = wanted.map(({ number, etag }, index) => {
      const part = present.get(number);
      if (part?.etag !== etag) {
        const message =
          "One or more of the specified parts could not be found, or its entity tag did not match.";
        throw new S3Error("InvalidPart", message, { PartNumber: number });
      }
      if (index > 0 && number <= (wanted[index - 1]?.number ?? 0)) {
        throw new S3Error("InvalidPartOrder", "The list of parts was not in ascending order.");
      }
      if (part.size < MIN_PART_BYTES && index < wanted.length - 1) {
        const message = "Your proposed upload is smaller than the minimum allowed object size.";
        throw new S3Error("EntityTooSmall", message, { PartNumber: number });
      }
      return part;
    });
    const size = parts.reduce((sum, part) => sum + part.size, 0);
    if (objectSize !== undefined && Number(objectSize) !== size) {
      const message = "The provided 'x-amz-mp-object-size' header does not match what was uploaded.";
      throw new S3Error("InvalidRequest", message);
    }
    return parts;
  }
}

/** A range of bytes, both ends included, as S3 reads it: what is not well formed counts as none. */
function parseRange(header: string | undefined, size: number): { start: number; end: number } | undefined {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(header ?? "") ?? [];
  if (!first && !last) return undefined;
  if (!first) return { start: Math.max(size - Number(last), 0), end: size - 1 };
  const end = last ? Math.min(Number(last), size - 1) : size - 1;
  // An end before the start is no range; a start behind the end of the object is one that cannot be satisfied.
  return last && Number(last) < Number(first) ? undefined : { start: Number(first), end };
}

/** Removes a folder and those above it, as far as nothing else is in them. */
async function dropEmptyFolders(folder: string, root: string): Promise<void> {
  for (let empty = folder; empty.startsWith(`${root}/`); empty = dirname(empty)) {
    const removed = await rmdir(empty).then(
      () => true,
      () => false,
    );
    if (!removed) return;
  }
}

async function replaceFile(path: string, content: string): Promise<void> {
  const partial = `${path}.${randomUUID()}${PARTIAL}`;
  await writeFile(partial, content);
  await rename(partial, path);
}

async function partsIn(folder: string): Promise<Part[]> {
  const names = new Set(await readdir(folder));
  // A part has arrived when its digest is there.
  const numbers = [...names].filter((name) => /^\d+$/.test(name) && names.has(`${name}.md5`)).map(Number);
  return await Promise.all(
    numbers
      .toSorted((a, b) => a - b)
      .map(async (number) => {
        const path = join(folder, String(number));
        const [{ size }, etag] = await Promise.all([stat(path), readFile(`${path}.md5`, "utf8")]);
        return { number, size, etag, path };
      }),
  );
}

async function* concatenate(parts: readonly Part[]): AsyncGenerator<Buffer> {
  for (const { path } of parts) yield* createReadStream(path);
}
