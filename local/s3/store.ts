import { AsyncLocalStorage } from "node:async_hooks";
import { createHash, randomUUID } from "node:crypto";
import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { mkdir, readFile, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type S3rver from "@20minutes/s3rver";
import S3Error from "@20minutes/s3rver/lib/models/error";
import S3Object from "@20minutes/s3rver/lib/models/object";
import FilesystemStore from "@20minutes/s3rver/lib/stores/filesystem";

/** What a request says that the store must check while it writes, and what the store tells the request. */
export interface WriteContext {
  readonly key: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  versionId?: string;
}

/** The request on whose behalf the store works. */
export const writeContext = new AsyncLocalStorage<WriteContext>();

export interface Part {
  readonly number: number;
  readonly size: number;
  readonly etag: string;
  readonly path: string;
}

const MIN_PART_BYTES = 5 * 1024 ** 2;
const VERSION_HEADER = "x-amz-version-id";

/** A file's name has at most 255 bytes, a segment of a key up to 1,024; the store adds suffixes of up to 60. */
const SEGMENT_BYTES = 180;
const CUT = "\u0001/";

function cutSegments(key: string): string {
  return key
    .split("/")
    .map((segment) => {
      if (Buffer.byteLength(segment) <= SEGMENT_BYTES) return segment;
      const pieces = [""];
      for (const character of segment) {
        if (Buffer.byteLength(pieces.at(-1) + character) > SEGMENT_BYTES) pieces.push("");
        pieces[pieces.length - 1] += character;
      }
      return pieces.join(CUT);
    })
    .join("/");
}

/**
 * Mends what s3rver's store leaves out of S3: objects that are whole or not there, digests, version ids, and
 * multipart uploads that are checked before they become an object.
 */
export function mendStore(store: S3rver.Store, versioned: (bucket: string) => boolean): void {
  FilesystemStore.encodeKeyPath = cutSegments;
  FilesystemStore.decodeKeyPath = (path) => path.replaceAll(CUT, "");
  if (!S3Object.ALLOWED_METADATA.includes(VERSION_HEADER)) S3Object.ALLOWED_METADATA.push(VERSION_HEADER);

  const putMetadata = store.putMetadata.bind(store);
  store.putMetadata = async (bucket, key, metadata, md5) => {
    const context = writeContext.getStore();
    const versionId = versioned(bucket) ? randomUUID().replaceAll("-", "") : "";
    if (context) context.versionId = versionId;
    await putMetadata(bucket, key, { ...metadata, ...(versionId && { [VERSION_HEADER]: versionId }) }, md5);
  };
  store.putContent = putContent;

  const putPart = store.putPart.bind(store);
  store.putPart = async (bucket, uploadId, part, content) => {
    await uploadFolder(store, bucket, uploadId, writeContext.getStore()?.key);
    return await putPart(bucket, uploadId, part, content);
  };
  store.putObjectMultipart = async (bucket, uploadId, wanted) => {
    const { key = "", headers = {} } = writeContext.getStore() ?? {};
    const folder = await uploadFolder(store, bucket, uploadId, key);
    const parts = await checkParts(folder, wanted, headers["x-amz-mp-object-size"]);
    const metadata = JSON.parse(await readFile(join(folder, "metadata"), "utf8")) as S3rver.Metadata;
    const digests = Buffer.concat(parts.map(({ etag }) => Buffer.from(etag, "hex")));
    const etag = `${createHash("md5").update(digests).digest("hex")}-${parts.length}`;
    const path = store.getResourcePath(bucket, key, "object");
    await mkdir(dirname(path), { recursive: true });
    const [size] = await putContent(path, Readable.from(concatenate(parts), { objectMode: false }));
    await store.putMetadata(bucket, key, metadata, etag);
    await rm(folder, { recursive: true });
    return { size, md5: etag };
  };
}

/** Writes a body beside its place and moves it there when it is whole: what breaks off leaves nothing behind. */
async function putContent(path: string, content: Readable): Promise<[size: number, md5: string]> {
  const wanted = writeContext.getStore()?.headers["x-amz-checksum-sha256"];
  const md5 = createHash("md5");
  const sha256 = wanted === undefined ? undefined : createHash("sha256");
  const partial = `${path}.${randomUUID()}.partial`;
  let size = 0;
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
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
  return [size, md5.digest("hex")];
}

/**
 * The folder of an upload that was begun for this key.
 *
 * @throws S3Error where there is none
 */
export async function uploadFolder(
  store: S3rver.Store,
  bucket: string,
  uploadId: string,
  key: string | undefined,
): Promise<string> {
  const folder = join(store.getResourcePath(bucket, undefined, "uploads"), uploadId);
  const isUpload = /^[0-9a-f]{32}$/.test(uploadId) && existsSync(folder);
  if (!isUpload || (await readFile(join(folder, "key"), "utf8")) !== key) {
    throw new S3Error(
      "NoSuchUpload",
      "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
      { UploadId: uploadId },
    );
  }
  return folder;
}

/** The parts of an upload that have arrived whole, by number. */
export async function listParts(folder: string): Promise<Part[]> {
  const numbers = (await readdir(folder)).filter((name) => /^\d+$/.test(name)).map(Number);
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

async function checkParts(
  folder: string,
  wanted: readonly { number: number; etag: string }[],
  objectSize: string | undefined,
): Promise<Part[]> {
  const present = new Map((await listParts(folder)).map((part) => [part.number, part]));
  const parts = wanted.map(({ number, etag }, index) => {
    const part = present.get(number);
    if (part?.etag !== etag) {
      throw new S3Error(
        "InvalidPart",
        "One or more of the specified parts could not be found, or its entity tag did not match.",
        { PartNumber: number },
      );
    }
    if (index > 0 && number <= (wanted[index - 1]?.number ?? 0)) {
      throw new S3Error("InvalidPartOrder", "The list of parts was not in ascending order.");
    }
    if (part.size < MIN_PART_BYTES && index < wanted.length - 1) {
      throw new S3Error(
        "EntityTooSmall",
        "Your proposed upload is smaller than the minimum allowed object size.",
        {
          PartNumber: number,
        },
      );
    }
    return part;
  });
  const size = parts.reduce((sum, part) => sum + part.size, 0);
  if (objectSize !== undefined && Number(objectSize) !== size) {
    throw new S3Error(
      "InvalidRequest",
      "The provided 'x-amz-mp-object-size' header does not match what was uploaded.",
    );
  }
  return parts;
}

async function* concatenate(parts: readonly Part[]): AsyncGenerator<Buffer> {
  for (const { path } of parts) yield* createReadStream(path);
}
