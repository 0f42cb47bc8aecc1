import type { Readable } from "node:stream";
import { UPLOAD_DAYS } from "../../functions/sign-url/limits";
import type { SignedCreation, SignedParts } from "../api";
import { HttpError, TweedleError } from "../errors";
import { notOfS3, parseXml } from "../http";
import { outcomeUnknown, retry } from "../retry";
import { EXPIRES_IN, SignedRequest } from "../signed-request";
import type { Context, Fields } from "./context";
import type { HashedPart } from "./parts";
import { throwIfChanged } from "./put-object";

/** An upload in parts that S3 knows. */
export interface Upload {
  readonly key: string;
  readonly uploadId: string;
  /** When it was begun, in milliseconds since 1970: S3 drops it a day after that, whatever was done with it since. */
  readonly begunAt: number;
}

/** An upload that has just begun. */
export interface CreatedUpload extends Upload {
  /** The largest object that the stage takes, in bytes; undefined for what S3 takes. */
  readonly maxObjectBytes: number | undefined;
}

/** Whether S3 keeps an upload still, unless somebody ends it. */
export const isFresh = ({ begunAt }: Upload): boolean => Date.now() - begunAt < UPLOAD_DAYS * 86_400_000;

/** A part that has arrived. */
export interface UploadedPart {
  readonly number: number;
  readonly size: number;
  readonly eTag: string;
  /** SHA-256 in base64. */
  readonly checksum: string;
}

/**
 * Begins an upload. Where the answer is lost another is begun; S3 drops the first one after a day.
 *
 * @param size the payload's, in bytes, where it is known
 * @throws TweedleError Invalid, where that is more than the stage takes
 */
export async function createUpload(context: Context, fields: Fields, size = 0): Promise<CreatedUpload> {
  const { api, signal } = context;
  let key = "";
  let maxObjectBytes: number | undefined;
  const request = new SignedRequest(api.connections, async () => {
    const signed = await api.ask<SignedCreation>(
      "createMultipartUpload",
      { ...fields, checksum_algorithm: "SHA256", expires_in: EXPIRES_IN },
      context,
    );
    key = signed.object_key;
    maxObjectBytes = signed.max_object_bytes;
    refuseTooLarge(fields.object_key, size, maxObjectBytes);
    return signed;
  });
  return await retry(
    "Beginning the upload",
    async () => {
      const begunAt = Date.now();
      const answer = parseXml((await request.exchange({ signal })).text);
      const { UploadId } = (answer["InitiateMultipartUploadResult"] ?? {}) as { UploadId?: string };
      if (!UploadId) throw notOfS3("no upload id");
      return { key, uploadId: UploadId, begunAt, maxObjectBytes };
    },
    context,
  );
}

/** @throws TweedleError Invalid, where the stage would refuse to complete a payload of so many bytes */
export function refuseTooLarge(name: string, size: number, maxObjectBytes: number | undefined): void {
  if (maxObjectBytes === undefined || size <= maxObjectBytes) return;
  throw new TweedleError("Invalid", `${name} has ${size} bytes: this stage takes up to ${maxObjectBytes}.`);
}

/** Puts one part, with its length and digest signed. */
export async function uploadPart(
  context: Context,
  { key, uploadId }: Upload,
  { number, source, start, end, checksum }: HashedPart,
): Promise<UploadedPart> {
  const { api, progress, signal } = context;
  const request = new SignedRequest(api.connections, async () => {
    const fields = {
      object_key: key,
      upload_id: uploadId,
      part_numbers: [number],
      content_length: end - start,
      checksum_sha256: checksum,
      expires_in: EXPIRES_IN,
    };
    const { parts, ...signed } = await api.ask<SignedParts>("uploadPart", fields, context);
    return { ...signed, url: parts[0]?.url ?? "" };
  });
  return await retry(
    `Uploading part ${number}`,
    () =>
      progress.attempt(end - start, async (sent) => {
        const body = (): Readable => sent(source.read(start, end));
        try {
          const { etag } = (await request.exchange({ body, signal })).headers;
          if (!etag) throw notOfS3("no ETag");
          return { number, size: end - start, eTag: etag, checksum };
        } catch (error) {
          await throwIfChanged(error, "The payload", { source, start, end, checksum, signal });
          throw error;
        }
      }),
    context,
  );
}

/** The parts of an upload that have arrived; undefined where S3 does not know it any more. */
export async function listParts(
  context: Context,
  { key, uploadId }: Upload,
): Promise<UploadedPart[] | undefined> {
  const { api, signal } = context;
  const parts: UploadedPart[] = [];
  for (let marker = 0; ;) {
    const fields = {
      object_key: key,
      upload_id: uploadId,
      part_number_marker: marker,
      expires_in: EXPIRES_IN,
    };
    const request = new SignedRequest(api.connections, () => api.ask("listParts", fields, context));
    let page: ListPartsResult;
    try {
      const { text } = await retry("Listing parts", () => request.exchange({ signal }), context);
      page = parseXml(text)["ListPartsResult"] ?? {};
    } catch (error) {
      if (isNoSuchUpload(error)) return undefined;
      throw error;
    }
    for (const { PartNumber, Size, ETag, ChecksumSHA256 = "" } of page.Part ?? []) {
      parts.push({ number: Number(PartNumber), size: Number(Size), eTag: ETag, checksum: ChecksumSHA256 });
    }
    const next = Number(page.NextPartNumberMarker);
    if (page.IsTruncated !== "true" || !(next > marker)) return parts;
    marker = next;
  }
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html */
interface ListPartsResult {
  readonly IsTruncated?: string;
  readonly NextPartNumberMarker?: string;
  readonly Part?: readonly {
    readonly PartNumber: string;
    readonly Size: string;
    readonly ETag: string;
    readonly ChecksumSHA256?: string;
  }[];
}

/**
 * Makes the parts one object, which announces it. Tried again after an answer that was lost, S3 says that the
 * object is there, or that the upload is not: both mean that the first try did it.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
 *
 * @param mayBeDone whether an earlier process may have completed it
 */
export async function completeUpload(
  context: Context,
  begun: Upload,
  parts: readonly UploadedPart[],
  mayBeDone = false,
): Promise<void> {
  const { api, signal } = context;
  let ambiguous = mayBeDone;
  const fields = {
    object_key: begun.key,
    upload_id: begun.uploadId,
    content_length: parts.reduce((sum, { size }) => sum + size, 0),
    if_none_match: "*",
    expires_in: EXPIRES_IN,
  };
  const request = new SignedRequest(api.connections, () =>
    api.ask("completeMultipartUpload", fields, context),
  );
  const listed = parts.map(
    ({ number, eTag, checksum }) =>
      `<Part><PartNumber>${number}</PartNumber><ETag>${eTag}</ETag><ChecksumSHA256>${checksum}</ChecksumSHA256></Part>`,
  );
  const body = `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${listed.join("")}</CompleteMultipartUpload>`;
  await retry(
    "Completing the upload",
    async () => {
      try {
        const { text } = await request.exchange({ body: () => body, signal });
        if (!text.includes("CompleteMultipartUploadResult")) throw notOfS3("no result");
      } catch (error) {
        if (ambiguous && (isThere(error) || (isGone(error) && isFresh(begun)))) return;
        ambiguous ||= outcomeUnknown(error);
        throw error;
      }
    },
    context,
  );
}

/** Whether S3 says that it does not, or no longer, have an upload. */
export const isNoSuchUpload = (error: unknown): boolean =>
  error instanceof HttpError && error.code === "NoSuchUpload";
/** The same of a completion, of which some S3 engines say no more than 404. */
const isGone = (error: unknown) =>
  isNoSuchUpload(error) || (error instanceof HttpError && error.status === 404 && error.code === "");
const isThere = (error: unknown) => error instanceof HttpError && error.status === 412;

/** How long giving an upload up may take, in milliseconds: after a day S3 does it by itself. */
const ABORT_TIMEOUT_MS = 10_000;

/** Gives an upload up: S3 drops its parts. It does not end with the signal of the upload, and tries for a little only. */
export async function abortUpload(
  { api, retry: options }: Context,
  { key, uploadId }: Upload,
): Promise<void> {
  const fields = { object_key: key, upload_id: uploadId };
  const signal = AbortSignal.timeout(ABORT_TIMEOUT_MS);
  const context = { retry: options, signal };
  const request = new SignedRequest(api.connections, () => api.ask("abortMultipartUpload", fields, context));
  try {
    await retry("Giving the upload up", () => request.exchange({ signal }), context);
  } catch (error) {
    if (!isNoSuchUpload(error)) throw error;
  }
}
