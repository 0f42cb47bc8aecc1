import { createHash } from "node:crypto";
import type { Context, Fields, Produced } from "./context";
import { Journal, type JournalEntry } from "./journal";
import { LAYOUT_METADATA, Layout } from "./layout";
import {
  type CreatedUpload,
  type Upload,
  type UploadedPart,
  abortUpload,
  completeUpload,
  createUpload,
  isFresh,
  isNoSuchUpload,
  listParts,
  refuseTooLarge,
  uploadPart,
} from "./multipart";
import { type HashedPart, type Part, hashed, partsOf } from "./parts";
import { withWorkers } from "./pool";
import { FileChangedError, type FileSource, digestOf } from "./source";

/** Whether an upload that S3 does not know any more was completed: nobody else drops it before its day is over. */
const mayBeDone = (entry: JournalEntry) => entry.completing && isFresh(entry);

type Parts = AsyncIterable<Part> | Iterable<Part>;

interface UploadOptions {
  /** In bytes, where it is known. */
  readonly size?: number;
  /** A last look at what was sent, which throws where it must not be announced. */
  readonly check?: (() => Promise<void>) | undefined;
}

/**
 * Uploads in parts, and gives the upload up where that fails.
 *
 * @throws TweedleError Invalid, as soon as there is more than the stage takes
 */
export async function upload(
  context: Context,
  parts: Parts,
  fields: Fields,
  layout: Layout,
  { size, check }: UploadOptions = {},
): Promise<Produced> {
  const begun = await createUpload(context, withLayout(fields, layout), size);
  try {
    const uploaded = await uploadParts(context, begun, capped(parts, fields, begun), []);
    await check?.();
    await completeUpload(context, begun, uploaded);
    return produced(begun, uploaded);
  } catch (error) {
    // The failure is what the caller has to know. What is left, S3 drops by itself after a day.
    await abortUpload(context, begun).catch(() => undefined);
    throw error;
  }
}

/** Parts, up to the one with which there would be more than the stage takes. */
async function* capped(
  parts: Parts,
  { object_key: name }: Fields,
  { maxObjectBytes }: CreatedUpload,
): AsyncGenerator<Part> {
  let size = 0;
  for await (const part of parts) {
    size += part.end - part.start;
    try {
      refuseTooLarge(name, size, maxObjectBytes);
    } catch (error) {
      await part.source.close();
      throw error;
    }
    yield part;
  }
}

interface ResumeOptions {
  readonly stateDirectory: string;
  readonly apiUrl: string;
  /** Told what was sent, before that is noted as done. */
  readonly onProduced: (produced: Produced) => void;
}

/**
 * Uploads a file in parts so that another process can go on where this one ends: what has arrived is checked
 * against the file, and only what is missing is sent. Any failure keeps the upload, unless S3 says that it does not have
 * it any more, or the file has changed.
 */
export async function resumableUpload(
  context: Context,
  file: FileSource,
  fields: Fields,
  wanted: Layout,
  options: ResumeOptions,
): Promise<Produced> {
  const { stateDirectory, apiUrl, onProduced } = options;
  const journal = await Journal.of(stateDirectory, apiUrl, file.path, context);
  const unlock = await journal.lock();
  try {
    const sent = await goOn(context, file, fields, wanted, journal);
    // In this order: who is killed in between finds it done, and sends no second message.
    onProduced(sent);
    await journal.remove();
    return sent;
  } finally {
    await unlock();
  }
}

async function goOn(
  context: Context,
  file: FileSource,
  fields: Fields,
  wanted: Layout,
  journal: Journal,
): Promise<Produced> {
  const { path, size, modifiedAt } = { ...file, path: journal.path };
  const asked = JSON.stringify(fields);
  const noted = await journal.read();
  const isSame =
    noted?.path === path && noted.size === size && noted.modifiedAt === modifiedAt && noted.asked === asked;
  const old = noted && isSame ? await findUpload(context, noted) : undefined;
  if (noted && !isSame) {
    // In this order: what is noted as about to be an object must not be gone by our own hand.
    await journal.remove();
    await abortUpload(context, noted).catch(() => undefined);
  }
  if (old === "done") return await producedFrom(file, noted as JournalEntry, context.signal);
  const layout = (old && Layout.parse((noted as JournalEntry).layout)) ?? wanted;
  context.progress.totalParts = layout.count(size);
  const entry: JournalEntry = old
    ? (noted as JournalEntry)
    : {
        ...(await createUpload(context, withLayout(fields, layout), size)),
        path,
        size,
        modifiedAt,
        asked,
        layout: layout.toString(),
        completing: false,
      };
  try {
    await journal.write(entry);
    const parts = await uploadParts(context, entry, partsOf(file, layout), old ?? []);
    await file.assertUnchanged();
    await journal.write({ ...entry, completing: true });
    await completeUpload(context, entry, parts, mayBeDone(entry));
    return produced(entry, parts);
  } catch (error) {
    if (isNoSuchUpload(error) || error instanceof FileChangedError) {
      await journal.remove();
      await abortUpload(context, entry).catch(() => undefined);
    }
    throw error;
  }
}

/** The parts of a noted upload; "done" where it has become an object; undefined where S3 has dropped it. */
async function findUpload(
  context: Context,
  noted: JournalEntry,
): Promise<UploadedPart[] | "done" | undefined> {
  const parts = await listParts(context, noted);
  if (parts) return parts;
  return mayBeDone(noted) ? "done" : undefined;
}

async function uploadParts(
  context: Context,
  begun: Upload,
  parts: Parts,
  present: readonly UploadedPart[],
): Promise<UploadedPart[]> {
  const { progress, concurrency } = context;
  const byNumber = new Map(present.map((part) => [part.number, part]));
  const uploaded: UploadedPart[] = [];
  const work = async (part: HashedPart, signal: AbortSignal) => {
    try {
      const there = byNumber.get(part.number);
      // Whether it is the one that the file has.
      const isThere = there?.checksum === part.checksum && there.size === part.end - part.start;
      if (isThere) progress.resume(there.size);
      uploaded.push(isThere ? there : await uploadPart({ ...context, signal }, begun, part));
      progress.partDone();
    } finally {
      await part.source.close();
    }
  };
  // The pool takes one at a time: while this one is hashed, those before it are on their way.
  await withWorkers(concurrency, hashed(parts, context.signal), work, context.signal);
  return uploaded.toSorted((a, b) => a.number - b.number);
}

const withLayout = (fields: Fields, layout: Layout) => ({
  ...fields,
  metadata: { ...fields.metadata, [LAYOUT_METADATA]: layout.toString() },
});

/** The checksum of a payload in parts: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html#composite-checksums */
export function compositeChecksum(digests: readonly Buffer[]): string {
  return `${createHash("sha256").update(Buffer.concat(digests)).digest("base64")}-${digests.length}`;
}

function produced({ key }: Upload, parts: readonly UploadedPart[]): Produced {
  return {
    key,
    size: parts.reduce((sum, { size }) => sum + size, 0),
    via: "multipart",
    parts: parts.length,
    checksum: compositeChecksum(parts.map(({ checksum }) => Buffer.from(checksum, "base64"))),
  };
}

/** What an earlier process has completed. */
async function producedFrom(file: FileSource, noted: JournalEntry, signal?: AbortSignal): Promise<Produced> {
  const digests: Buffer[] = [];
  for (const { start, end } of partsOf(
    file,
    Layout.parse(noted.layout) ?? Layout.ofSize(file.size, file.size),
  )) {
    digests.push(await digestOf(file, start, end, signal));
  }
  const checksum = compositeChecksum(digests);
  return { key: noted.key, size: file.size, via: "multipart", parts: digests.length, checksum };
}
