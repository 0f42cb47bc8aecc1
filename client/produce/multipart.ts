import type { Readable } from "node:stream";
import { UPLOAD_DAYS } from "../../functions/sign-url/limits";
import type { SignedCreation, SignedParts } from "../api";
import { HttpError, TweedleError } from "../errors";
import { notOfS3, parseXml, textOf, throwIfError } from "../http";
import { mayHaveWorked, retrying } from "../retry";
import { EXPIRES_IN, SignedRequest } from "../signed-request";
import type { Context, Fields } from "./context";
import type { HashedPart } from "./parts";

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
export async function createUpload(
  { api, retry, signal }: Context,
  fields: Fields,
  size = 0,
): Promise<CreatedUpload> {
  let key = "";
  let maxObjectBytes: number | undefined;
  const request = new SignedRequest(api.connections, async () => {
    const signed = await api.ask<SignedCreation>(
      "createMultipartUpload",
      { ...fields, checksum_algorithm: "SHA256", expires_in: EXPIRES_IN },
      signal,
    );
    key = signed.object_key;
    maxObjectBytes = signed.max_object_bytes;
    refuseTooLarge(fields.object_key, size, maxObjectBytes);
    return signed;
  });
  return await retrying(
    "Beginning an upload",
    async () => {
      const begunAt = Date.now();
      const answer = parseXml(await textOf(await request.send({ signal })));
      const { UploadId } = (answer["InitiateMultipartUploadResult"] ?? {}) as { UploadId?: string };
      if (!UploadId) throw new TweedleError("Refused", "S3 answered no upload id.");
      return { key, uploadId: UploadId, begunAt, maxObjectBytes };
    },
    { signal, retry },
  );
}

/** @throws TweedleError Invalid, where the stage would refuse to complete a payload of so many bytes */
export function refuseTooLarge(name: string, size: number, maxObjectBytes: number | undefined): void {
  if (maxObjectBytes === undefined || size <= maxObjectBytes) return;
  throw new TweedleError("Invalid", `${name} has ${size} bytes: this stage takes up to ${maxObjectBytes}.`);
}

/** Puts one part, with its length and digest signed. */
export async function uploadPart(
  { api, progress, retry, signal }: Context,
  { key, uploadId }: Upload,
  { number, source, start, end, checksum }: HashedPart,
): Promise<UploadedPart> {
  const request = new SignedRequest(api.connections, async () => {
    const fields = {
      object_key: key,
      upload_id: uploadId,
      part_numbers: [number],
      content_length: end - start,
      checksum_sha256: checksum,
      expires_in: EXPIRES_IN,
    };
    const { parts, ...signed } = await api.ask<SignedParts>("uploadPart", fields, signal);
    return { ...signed, url: parts[0]?.url ?? "" };
  });
  return await retrying(
    `Putting part ${number}`,
    () =>
      progress.attempt(end - start, async (sent) => {
        const body = (): Readable => sent(source.read(start, end));
        const response = await request.send({ body, signal });
        await textOf(response);
        const { etag } = response.headers;
        if (!etag) throw new TweedleError("Refused", `S3 answered no ETag for part ${number}.`);
        return { number, size: end - start, eTag: etag, checksum };
      }),
    { signal, retry },
  );
}

/** The parts of an upload that have arrived; undefined where S3 does not know it any more. */
export async function listParts(
  { api, retry, signal }: Context,
  { key, uploadId }: Upload,
): Promise<UploadedPart[] | undefined> {
  const parts: UploadedPart[] = [];
  for (let marker = 0; ;) {
    const fields = {
      object_key: key,
      upload_id: uploadId,
      part_number_marker: marker,
      expires_in: EXPIRES_IN,
    };
    const request = new SignedRequest(api.connections, () => api.ask("listParts", fields, signal));
    let page: ListPartsResult;
    try {
      const text = await retrying("Listing parts", async () => textOf(await request.send({ signal })), {
        signal,
        retry,
      });
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
  { api, retry, signal }: Context,
  begun: Upload,
  parts: readonly UploadedPart[],
  mayBeDone = false,
): Promise<void> {
  let ambiguous = mayBeDone;
  const fields = {
    object_key: begun.key,
    upload_id: begun.uploadId,
    content_length: parts.reduce((sum, { size }) => sum + size, 0),
    if_none_match: "*",
    expires_in: EXPIRES_IN,
  };
  const request = new SignedRequest(api.connections, () =>
    api.ask("completeMultipartUpload", fields, signal),
  );
  const listed = parts.map(
    ({ number, eTag, checksum }) =>
      `<Part><PartNumber>${number}</PartNumber><ETag>${eTag}</ETag><ChecksumSHA256>${checksum}</ChecksumSHA256></Part>`,
  );
  const body = `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${listed.join("")}</CompleteMultipartUpload>`;
  await retrying(
    "Completing the upload",
    async () => {
      try {
        const answer = await textOf(await request.send({ body: () => body, signal }));
        throwIfError(answer);
        if (!answer.includes("CompleteMultipartUploadResult")) throw notOfS3("no result");
      } catch (error) {
        if (ambiguous && (isThere(error) || (isNoSuchUpload(error) && isFresh(begun)))) return;
        ambiguous ||= mayHaveWorked(error);
        throw error;
      }
    },
    { signal, retry },
  );
}

/** Of an answer that is cut short, the word is missing. */
const isNoSuchUpload = (error: unknown) =>
  error instanceof HttpError && error.status === 404 && ["NoSuchUpload", ""].includes(error.code);
const isThere = (error: unknown) => error instanceof HttpError && error.status === 412;

/** Gives an upload up: S3 drops its parts. It is tried a little; after a day S3 does it by itself. */
export async function abortUpload({ api }: Context, { key, uploadId }: Upload): Promise<void> {
  const fields = { object_key: key, upload_id: uploadId };
  const request = new SignedRequest(api.connections, () => api.ask("abortMultipartUpload", fields));
  try {
    await retrying("Giving the upload up", async () => textOf(await request.send()), {
      retry: { maxAttempts: 3 },
    });
  } catch (error) {
    if (!isNoSuchUpload(error)) throw error;
  }
}
