import { AsyncLocalStorage } from "node:async_hooks";
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import S3Error from "@20minutes/s3rver/lib/models/error";
import S3Object from "@20minutes/s3rver/lib/models/object";
import FilesystemStore from "@20minutes/s3rver/lib/stores/filesystem";
import { createFolder } from "../../common/create-folder";
import { Bodies, type Piece, type Range, type WrittenBody, writeBody } from "./bodies";
import {
  type Checksum,
  announcedHeaders,
  announcesDigests,
  checksumHeaders,
  declaredDigest,
  digestHeader,
  wantsChecksum,
} from "./checksum";
import { PARTIAL, dropLeftovers } from "./leftovers";
import { type ListedPart, Upload } from "./upload";

/** What a request says that the store acts on, and what the store tells the request. */
export interface StoreRequest {
  readonly key: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly query: Readonly<Record<string, string>>;
  /** The XML that came, once s3rver has parsed it. */
  readonly xml: () => unknown;
  /** Headers that the answer gets. */
  readonly answer: Record<string, string>;
  /** The checksum of an object that was completed. */
  checksum?: Checksum | undefined;
  /** The object that is read. */
  content?: Readable;
}

/** The request on whose behalf the store works. */
export const storeRequest = new AsyncLocalStorage<StoreRequest>();

/**
 * What the file with an object's name holds: all that S3 tells of it, and where its bytes are. It is replaced in one
 * step, so an object is there with all of its bytes and headers, or not at all.
 */
export interface ObjectRecord {
  readonly headers: Readonly<Record<string, string>>;
  readonly size: number;
  readonly etag: string;
  readonly modifiedAt: string;
  readonly checksum?: Checksum | undefined;
  /** A file in the bucket's folder of bodies, or a folder of parts there. */
  readonly body: string;
  readonly parts?: readonly { readonly name: string; readonly size: number }[];
}

const MAX_PARTS = 10_000;
/** A bucket's folder of bodies, as s3rver names its own. */
const BODIES = "._S3rver_bodies";
const VERSION_HEADER = "x-amz-version-id";

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
 * s3rver's store, with what it leaves out of S3: objects that are whole or not there, conditions, checksums, version
 * ids (of the one version that it keeps), ranges, keys of any fit length, and multipart uploads that are checked
 * before they become an object.
 */
export class ObjectStore extends FilesystemStore {
  readonly #bodies = new Bodies();
  /** By folder: what is on the disk, so that no request has to read it again. */
  readonly #uploads = new Map<string, Promise<Upload | undefined>>();

  constructor(
    private readonly directory: string,
    private readonly isVersioned: (bucket: string) => boolean,
  ) {
    super(directory);
    // What a stored object's metadata may be, in all of s3rver.
    if (!S3Object.ALLOWED_METADATA.includes(VERSION_HEADER)) S3Object.ALLOWED_METADATA.push(VERSION_HEADER);
  }

  /**
   * Removes what a killed process left unfinished.
   *
   * @throws StartError for objects that another version of this store has written
   */
  async clearUp(bucket: string): Promise<void> {
    await dropLeftovers(join(this.directory, bucket), join(this.directory, bucket, BODIES));
  }

  /** @throws S3Error for a key that would lead out of the bucket's folder */
  override getResourcePath(bucket: string, key: string | number | undefined, resource: string): string {
    // s3rver reads a key of digits from XML as a number.
    const segments = String(key ?? "").split("/");
    if (segments.some((segment) => segment === "." || segment === ".." || segment.includes("\0"))) {
      throw new S3Error("InvalidURI", "Couldn't parse the specified URI.");
    }
    if (segments.length > 1 && segments[0] === BODIES) {
      throw new S3Error("NotImplemented", `Keys that begin with ${BODIES}/ are not served here.`);
    }
    return super.getResourcePath(bucket, segments.map(cutSegment).join("/"), resource);
  }

  override async listObjects(bucket: string, options: { prefix: string }) {
    const list = await super.listObjects(bucket, options);
    for (const object of list.objects) object.key = object.key.replaceAll(CUT, "");
    return list;
  }

  override async getMetadata(bucket: string, key: string): Promise<Record<string, string>> {
    return metadataOf(await readRecord(this.getResourcePath(bucket, key, "object")));
  }

  override async getObject(bucket: string, key: string): Promise<S3Object | null> {
    const path = this.getResourcePath(bucket, key, "object");
    return await exclusively(path, async () => {
      const record = await findRecord(path);
      if (!record) return null;
      const request = storeRequest.getStore();
      const wanted = request?.query["versionId"];
      if (wanted !== undefined && wanted !== record.headers[VERSION_HEADER]) {
        throw new S3Error("NoSuchVersion", "The specified version does not exist.", { Key: key });
      }
      if (!matches(record.etag, request?.headers["if-match"])) throw preconditionFailed("If-Match");
      const range = parseRange(request?.headers["range"], record.size);
      const object = new S3Object(bucket, key, null, metadataOf(record));
      if (range) object.range = range;
      // Without content, a range is one that cannot be satisfied.
      if (range && range.end < range.start) return object;
      // The checksum is the whole object's: who reads a range of it has no use for it, and S3 does not tell it.
      if (record.checksum && !range && request && wantsChecksum(request.headers)) {
        Object.assign(object.metadata, checksumHeaders(record.checksum));
      }
      const body = this.#bodyPath(bucket, record.body);
      const content = this.#bodies.read(
        body,
        piecesOf(record, body),
        range ?? { start: 0, end: record.size - 1 },
      );
      object.content = content;
      if (request) request.content = content;
      return object;
    });
  }

  override async putObject({
    bucket,
    key,
    content,
    metadata,
  }: S3Object): Promise<{ size: number; md5: string }> {
    const request = storeRequest.getStore();
    const digest = declaredDigest(request?.headers ?? {});
    // A key that leads out is refused before its body is read.
    this.getResourcePath(bucket, key, "object");
    return await this.#receive(bucket, content ?? Readable.from([]), digest, async (partial, written) => {
      const { size, md5, sha256 } = written;
      const checksum = sha256 === undefined ? undefined : ({ sha256, type: "FULL_OBJECT" } as const);
      const body = randomUUID().replaceAll("-", "");
      await rename(partial, this.#bodyPath(bucket, body));
      try {
        await this.#commit(bucket, key, { headers: metadata, size, etag: md5, checksum, body });
      } catch (error) {
        await this.#bodies.remove(this.#bodyPath(bucket, body));
        throw error;
      }
      if (request && checksum) Object.assign(request.answer, checksumHeaders(checksum));
      return { size, md5 };
    });
  }

  override async deleteObject(bucket: string, key: string): Promise<void> {
    const path = this.getResourcePath(bucket, key, "object");
    await exclusively(path, async () => {
      const wanted = storeRequest.getStore()?.query["versionId"];
      const record = await findRecord(path);
      // S3 deletes a version that is not there without a word.
      if (!record || (wanted !== undefined && wanted !== record.headers[VERSION_HEADER])) return;
      await rm(path, { force: true });
      await rm(this.getResourcePath(bucket, key, "tagging.xml"), { force: true });
      await this.#bodies.remove(this.#bodyPath(bucket, record.body));
    });
    const root = join(this.directory, bucket);
    await exclusively(root, () => dropEmptyFolders(dirname(path), root));
  }

  override async initiateUpload(
    bucket: string,
    key: string,
    uploadId: string,
    headers: Readonly<Record<string, string>>,
  ): Promise<void> {
    this.getResourcePath(bucket, key, "object");
    const hasDigests = announcesDigests(headers);
    await Upload.begin(this.#bodyPath(bucket, uploadId), {
      key,
      headers: storedHeaders(headers),
      hasDigests,
    });
    if (hasDigests) Object.assign(storeRequest.getStore()?.answer ?? {}, announcedHeaders);
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
    const upload = await this.findUpload(bucket, uploadId);
    const request = storeRequest.getStore();
    const digest = declaredDigest(request?.headers ?? {});
    if (upload.hasDigests !== (digest !== undefined)) {
      const [expected, actual] = upload.hasDigests ? ["sha256", "null"] : ["null", "sha256"];
      const message = `Checksum Type mismatch occurred, expected checksum Type: ${expected}, actual checksum Type: ${actual}`;
      throw new S3Error("InvalidRequest", message);
    }
    return await this.#receive(bucket, content, digest, async (partial, written) => {
      await exclusively(upload.folder, async () => {
        if (upload.over) throw noSuchUpload(uploadId);
        await upload.add(Number(part), partial, written);
      });
      if (request && digest !== undefined) Object.assign(request.answer, digestHeader(digest));
      return { size: written.size, md5: written.md5 };
    });
  }

  override async putObjectMultipart(
    bucket: string,
    uploadId: string,
    wanted: readonly { number: number; etag: string }[],
  ): Promise<{ size: number; md5: string }> {
    return await exclusively(this.#bodyPath(bucket, uploadId), async () => {
      const upload = await this.findUpload(bucket, uploadId);
      const request = storeRequest.getStore() as StoreRequest;
      const digests = listedDigests(request.xml());
      const listed: ListedPart[] = wanted.map((part, index) => ({ ...part, sha256: digests[index] }));
      const whole = upload.assemble(listed, request.headers["x-amz-mp-object-size"]);
      const parts = whole.parts.map(({ name, size }) => ({ name, size }));
      const { key, headers } = upload;
      const { size, etag, checksum } = whole;
      // From here on the upload's folder is the object's. Should the process die before the next line, so it is still.
      await this.#commit(bucket, key, { headers, size, etag, checksum, body: uploadId, parts });
      await this.#end(upload);
      await upload.dropOthers(whole.parts);
      request.checksum = checksum;
      return { size, md5: etag };
    });
  }

  /** Drops an upload and its parts. */
  async abortUpload(bucket: string, uploadId: string): Promise<void> {
    await exclusively(this.#bodyPath(bucket, uploadId), async () => {
      const upload = await this.findUpload(bucket, uploadId);
      await this.#end(upload);
      await rm(upload.folder, { recursive: true });
    });
  }

  /** @throws S3Error where there is no such upload for the request's key */
  async findUpload(bucket: string, uploadId: string): Promise<Upload> {
    const folder = this.#bodyPath(bucket, uploadId);
    const known = this.#uploads.get(folder);
    const isId = /^[0-9a-f]{32}$/.test(uploadId);
    const upload = await (known ?? (isId ? this.#open(folder) : undefined));
    if (!upload || upload.over || upload.key !== storeRequest.getStore()?.key) throw noSuchUpload(uploadId);
    return upload;
  }

  #open(folder: string): Promise<Upload | undefined> {
    const opened = Upload.open(folder);
    this.#uploads.set(folder, opened);
    const forget = () => this.#uploads.delete(folder);
    opened.then((upload) => upload ?? forget(), forget);
    return opened;
  }

  async #end(upload: Upload): Promise<void> {
    upload.over = true;
    this.#uploads.delete(upload.folder);
    await Upload.end(upload.folder);
  }

  #bodyPath(bucket: string, body: string): string {
    return join(this.directory, bucket, BODIES, body);
  }

  /** Takes a body in beside its place, for `place` to move it there when it is whole: what breaks off leaves nothing. */
  async #receive<T>(
    bucket: string,
    content: Readable,
    digest: string | undefined,
    place: (partial: string, written: WrittenBody) => Promise<T>,
  ): Promise<T> {
    const partial = this.#bodyPath(bucket, `${randomUUID()}${PARTIAL}`);
    await createFolder(dirname(partial));
    try {
      return await place(partial, await writeBody(partial, content, digest));
    } finally {
      await rm(partial, { force: true });
    }
  }

  /** Makes a body the object of that key, in the place of an earlier one. */
  async #commit(bucket: string, key: string, object: Omit<ObjectRecord, "modifiedAt">): Promise<void> {
    const path = this.getResourcePath(bucket, key, "object");
    const partial = this.#bodyPath(bucket, `${randomUUID()}${PARTIAL}`);
    const request = storeRequest.getStore();
    const headers = storedHeaders(object.headers);
    if (this.isVersioned(bucket)) headers[VERSION_HEADER] = randomUUID().replaceAll("-", "");
    const record: ObjectRecord = { ...object, headers, modifiedAt: new Date().toISOString() };
    await exclusively(path, async () => {
      // https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
      if (request?.headers["if-none-match"] === "*" && existsSync(path))
        throw preconditionFailed("If-None-Match");
      const earlier = await findRecord(path);
      try {
        await writeFile(partial, JSON.stringify(record));
        // Nobody may find the folder empty in between, and drop it.
        await exclusively(join(this.directory, bucket), async () => {
          await createFolder(dirname(path));
          await rename(partial, path);
        });
      } finally {
        await rm(partial, { force: true });
      }
      if (earlier) await this.#bodies.remove(this.#bodyPath(bucket, earlier.body));
    });
    if (request && headers[VERSION_HEADER]) request.answer[VERSION_HEADER] = headers[VERSION_HEADER];
  }
}

const readRecord = async (path: string) => JSON.parse(await readFile(path, "utf8")) as ObjectRecord;

async function findRecord(path: string): Promise<ObjectRecord | undefined> {
  try {
    return await readRecord(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** As s3rver wants it. */
const metadataOf = ({ headers, etag, modifiedAt, size }: ObjectRecord): Record<string, string> => ({
  ...headers,
  etag: `"${etag}"`,
  "last-modified": new Date(modifiedAt).toUTCString(),
  "content-length": String(size),
});

const piecesOf = ({ parts, size }: ObjectRecord, body: string): Piece[] =>
  parts?.map((part) => ({ path: join(body, part.name), size: part.size })) ?? [{ path: body, size }];

/** Of a request's headers, those that are stored with an object. */
const storedHeaders = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).filter(
      ([name]) => S3Object.ALLOWED_METADATA.includes(name) || name.startsWith("x-amz-meta-"),
    ),
  );

/** The digests that a completion lists, in its order: of its XML, s3rver reads numbers and ETags only. */
function listedDigests(xml: unknown): (string | undefined)[] {
  const { Part } = (xml as { CompleteMultipartUpload: { Part: XmlPart | readonly XmlPart[] } })
    .CompleteMultipartUpload;
  return [Part].flat().map(({ ChecksumSHA256: digest }) => (typeof digest === "string" ? digest : undefined));
}

interface XmlPart {
  readonly ChecksumSHA256?: unknown;
}

const noSuchUpload = (uploadId: string) =>
  new S3Error(
    "NoSuchUpload",
    "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
    { UploadId: uploadId },
  );

const preconditionFailed = (Condition: string) =>
  new S3Error("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", {
    Condition,
  });

/** Whether an ETag is among those of an If-Match: https://www.rfc-editor.org/rfc/rfc9110#name-if-match */
const matches = (etag: string, condition: string | undefined) =>
  condition === undefined ||
  condition.split(",").some((wanted) => ["*", etag, `"${etag}"`].includes(wanted.trim()));

/** A range of bytes, both ends included, as S3 reads it: what is not well formed counts as none. */
function parseRange(header: string | undefined, size: number): Range | undefined {
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
