import S3Error from "@20minutes/s3rver/lib/models/error";
import type { Upload } from "./upload";

const MAX_PARTS_LISTED = 1000;

/**
 * A page of an upload's parts: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html
 *
 * @throws S3Error for a marker or a length that is no number
 */
export function listPartsResult(
  upload: Upload,
  query: Readonly<Record<string, string>>,
  names: { readonly bucket: string; readonly uploadId: string },
) {
  const marker = wholeNumber(query, "part-number-marker", 0);
  const maxParts = Math.min(wholeNumber(query, "max-parts", MAX_PARTS_LISTED), MAX_PARTS_LISTED);
  const rest = upload.parts.filter(({ number }) => number > marker);
  const page = rest.slice(0, maxParts);
  return {
    ListPartsResult: {
      Bucket: names.bucket,
      Key: upload.key,
      UploadId: names.uploadId,
      PartNumberMarker: marker,
      NextPartNumberMarker: page.at(-1)?.number ?? marker,
      MaxParts: maxParts,
      IsTruncated: rest.length > page.length,
      StorageClass: "STANDARD",
      ...(upload.hasDigests && { ChecksumAlgorithm: "SHA256", ChecksumType: "COMPOSITE" }),
      Part: page.map(({ number, arrivedAt, etag, size, sha256 }) => ({
        PartNumber: number,
        LastModified: arrivedAt.toISOString(),
        ETag: `"${etag}"`,
        Size: size,
        ...(sha256 !== undefined && { ChecksumSHA256: sha256 }),
      })),
    },
  };
}

function wholeNumber(query: Readonly<Record<string, string>>, name: string, otherwise: number): number {
  const value = query[name];
  if (value === undefined) return otherwise;
  if (/^\d{1,10}$/.test(value) && Number(value) < 2 ** 31) return Number(value);
  throw new S3Error("InvalidArgument", `Argument ${name} must be an integer between 0 and 2147483647`, {
    ArgumentName: name,
    ArgumentValue: value,
  });
}
