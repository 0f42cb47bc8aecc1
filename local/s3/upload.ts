import { createHash } from "node:crypto";
import { readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import S3Error from "@20minutes/s3rver/lib/models/error";
import { createFolder } from "../../common/create-folder";
import type { WrittenBody } from "./bodies";
import { type Checksum, compositeChecksum } from "./checksum";

/** A part that has arrived whole. */
export interface Part {
  readonly number: number;
  readonly size: number;
  readonly etag: string;
  /** In base64, where the upload announced digests. */
  readonly sha256: string | undefined;
  readonly arrivedAt: Date;
  /** Of its file, in the upload's folder. */
  readonly name: string;
}

/** A part as a completion lists it. */
export interface ListedPart {
  readonly number: number;
  readonly etag: string;
  readonly sha256: string | undefined;
}

/** What a multipart upload was begun with. */
export interface UploadRecord {
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Whether each part must have a SHA-256. */
  readonly hasDigests: boolean;
}

/** What the parts are together. */
export interface Assembled {
  readonly parts: readonly Part[];
  readonly size: number;
  readonly etag: string;
  readonly checksum: Checksum | undefined;
}

const MIN_PART_BYTES = 5 * 1024 ** 2;
/** Of the folder that is an upload. */
export const UPLOAD_RECORD = "upload.json";

/**
 * A multipart upload: a folder with a file that says what it was begun with, and one for each part. The folder
 * becomes the object's as it is; what makes it an upload is that first file.
 */
export class Upload implements UploadRecord {
  /** It has been completed or given up: what still arrives comes too late. */
  over = false;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly hasDigests: boolean;

  private constructor(
    readonly folder: string,
    { key, headers, hasDigests }: UploadRecord,
    private readonly byNumber: Map<number, Part>,
  ) {
    this.key = key;
    this.headers = headers;
    this.hasDigests = hasDigests;
  }

  static async begin(folder: string, record: UploadRecord): Promise<void> {
    await createFolder(folder);
    await writeFile(join(folder, UPLOAD_RECORD), JSON.stringify(record));
  }

  /** An upload from the disk; undefined where there is none. */
  static async open(folder: string): Promise<Upload | undefined> {
    try {
      const record = JSON.parse(await readFile(join(folder, UPLOAD_RECORD), "utf8")) as UploadRecord;
      const parts = (await readdir(folder)).map(parsePart).filter((part) => part !== undefined);
      // Where a process was killed before it removed the part that another replaced, the last counts.
      parts.sort((a, b) => a.arrivedAt.getTime() - b.arrivedAt.getTime());
      return new Upload(folder, record, new Map(parts.map((part) => [part.number, part])));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Makes a folder an upload no more: its parts stay. */
  static async end(folder: string): Promise<void> {
    await rm(join(folder, UPLOAD_RECORD), { force: true });
  }

  /** The parts, by number. */
  get parts(): Part[] {
    return [...this.byNumber.values()].toSorted((a, b) => a.number - b.number);
  }

  /** Moves a part in, whole, in the place of an earlier one of that number. */
  async add(number: number, path: string, { size, md5, sha256 }: WrittenBody): Promise<void> {
    const earlier = this.byNumber.get(number);
    const arrivedAt = new Date(Math.max(Date.now(), (earlier?.arrivedAt.getTime() ?? 0) + 1));
    const part = { number, size, etag: md5, sha256, arrivedAt };
    const name = partName(part);
    await rename(path, join(this.folder, name));
    this.byNumber.set(number, { ...part, name });
    if (earlier) await rm(join(this.folder, earlier.name), { force: true });
  }

  /**
   * Puts the parts together that a completion lists, as numbers only: no byte is read.
   *
   * https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
   *
   * @param objectSize what the request says of all parts together
   * @throws S3Error where they are not what has arrived, or not in order
   */
  assemble(listed: readonly ListedPart[], objectSize: string | undefined): Assembled {
    const parts = listed.map((wanted, index) => {
      const part = this.#find(wanted);
      if (index > 0 && part.number <= (listed[index - 1]?.number ?? 0)) {
        throw new S3Error("InvalidPartOrder", "The list of parts was not in ascending order.");
      }
      if (part.size < MIN_PART_BYTES && index < listed.length - 1) {
        const message = "Your proposed upload is smaller than the minimum allowed object size.";
        throw new S3Error("EntityTooSmall", message, { PartNumber: part.number });
      }
      return part;
    });
    // Of parts with digests, S3 wants the numbers without a gap, and answers otherwise that it is its own fault:
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    if (this.hasDigests && parts.some(({ number }, index) => number !== index + 1)) {
      throw new S3Error("InternalError", "We encountered an internal error. Please try again.");
    }
    const size = parts.reduce((sum, part) => sum + part.size, 0);
    if (objectSize !== undefined && Number(objectSize) !== size) {
      const message = "The provided 'x-amz-mp-object-size' header does not match what was uploaded.";
      throw new S3Error("InvalidRequest", message);
    }
    const digests = Buffer.concat(parts.map(({ etag }) => Buffer.from(etag, "hex")));
    const etag = `${createHash("md5").update(digests).digest("hex")}-${parts.length}`;
    const checksum = this.hasDigests ? compositeChecksum(parts.map(({ sha256 = "" }) => sha256)) : undefined;
    return { parts, size, etag, checksum };
  }

  #find({ number, etag, sha256 }: ListedPart): Part {
    if (this.hasDigests && !sha256) {
      const message = `The upload was created using a sha256 checksum. The complete request must include the checksum for each part. It was missing for part ${number} in the request.`;
      throw new S3Error("InvalidRequest", message);
    }
    const part = this.byNumber.get(number);
    if (!part || part.etag !== etag || (sha256 && part.sha256 !== sha256)) {
      const message =
        "One or more of the specified parts could not be found, or its entity tag did not match.";
      throw new S3Error("InvalidPart", message, { PartNumber: number });
    }
    return part;
  }

  /** Removes the parts that a completion left out. */
  async dropOthers(kept: readonly Part[]): Promise<void> {
    const names = new Set(kept.map(({ name }) => name));
    const others = (await readdir(this.folder)).filter((name) => !names.has(name));
    for (const name of others) await rm(join(this.folder, name), { force: true });
  }
}

/** Its file's name says all of a part: it arrives in one step, and a list of ten thousand is one look at a folder. */
function partName({ number, size, etag, sha256, arrivedAt }: Omit<Part, "name">): string {
  const digest = sha256 === undefined ? "" : Buffer.from(sha256, "base64").toString("hex");
  return [number, arrivedAt.getTime(), size, etag, digest].join(".");
}

const PART_NAME = /^(\d+)\.(\d+)\.(\d+)\.([0-9a-f]{32})\.([0-9a-f]{64})?$/;

function parsePart(name: string): Part | undefined {
  const [, number, time, size, etag = "", digest] = PART_NAME.exec(name) ?? [];
  if (number === undefined) return undefined;
  return {
    number: Number(number),
    size: Number(size),
    etag,
    sha256: digest === undefined ? undefined : Buffer.from(digest, "hex").toString("base64"),
    arrivedAt: new Date(Number(time)),
    name,
  };
}
