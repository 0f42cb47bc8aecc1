import { createHash } from "node:crypto";
import S3Error from "@20minutes/s3rver/lib/models/error";

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html */
export interface Checksum {
  /** In base64; of an object in parts, with "-" and their number. */
  readonly sha256: string;
  readonly type: "FULL_OBJECT" | "COMPOSITE";
}

type Headers = Readonly<Record<string, string | undefined>>;

const CHECKSUM_HEADER = "x-amz-checksum-sha256";
const CHECKSUM_TYPE_HEADER = "x-amz-checksum-type";
const ALGORITHM_HEADER = "x-amz-checksum-algorithm";

const isDigest = (value: string) => {
  const bytes = Buffer.from(value, "base64");
  return bytes.length === 32 && bytes.toString("base64") === value;
};

/**
 * The SHA-256 that a request declares of its body.
 *
 * @throws S3Error where it is none
 */
export function declaredDigest(headers: Headers): string | undefined {
  const digest = headers[CHECKSUM_HEADER];
  if (digest !== undefined && !isDigest(digest)) {
    throw new S3Error("InvalidRequest", `Value for ${CHECKSUM_HEADER} header is invalid.`);
  }
  return digest;
}

/**
 * Whether an upload announces that each of its parts has a SHA-256.
 *
 * @throws S3Error for what S3 refuses, and for what is not served here
 */
export function announcesDigests(headers: Headers): boolean {
  const { [ALGORITHM_HEADER]: algorithm, [CHECKSUM_TYPE_HEADER]: type = "COMPOSITE" } = headers;
  if (algorithm === undefined) return false;
  if (algorithm !== "SHA256") {
    throw new S3Error("NotImplemented", `Of checksums, SHA256 is served here, not ${algorithm}.`);
  }
  // Of hashes, S3 cannot make the whole's out of the parts'.
  if (type !== "COMPOSITE") {
    const message = `The ${type} checksum type cannot be used with the sha256 checksum algorithm.`;
    throw new S3Error("InvalidRequest", message);
  }
  return true;
}

/** The checksum of an object in parts: of their digests, as bytes in a row. */
export function compositeChecksum(digests: readonly string[]): Checksum {
  const bytes = Buffer.concat(digests.map((digest) => Buffer.from(digest, "base64")));
  const sha256 = createHash("sha256").update(bytes).digest("base64");
  return { sha256: `${sha256}-${digests.length}`, type: "COMPOSITE" };
}

/** The headers that tell an object's checksum, or announce that an upload's will be told. */
export const checksumHeaders = ({ sha256, type }: Checksum) => ({
  [CHECKSUM_HEADER]: sha256,
  [CHECKSUM_TYPE_HEADER]: type,
});
export const announcedHeaders = { [ALGORITHM_HEADER]: "SHA256", [CHECKSUM_TYPE_HEADER]: "COMPOSITE" };
export const digestHeader = (sha256: string) => ({ [CHECKSUM_HEADER]: sha256 });

/** Whether a read is to tell the checksum: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html */
export const wantsChecksum = (headers: Headers) => headers["x-amz-checksum-mode"] === "ENABLED";
