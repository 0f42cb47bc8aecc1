import { LAYOUT_METADATA, partBytesOf } from "../../../client/produce/layout";
import { sha256 } from "./digest";
import { Failure, Refusal, notOfS3, outcomeUnknown } from "./errors";
import { ask, send } from "./http";
import {
  type Entry,
  type Interrupted,
  fingerprint,
  isFresh,
  lockOf,
  readEntry,
  removeEntry,
  writeEntry,
} from "./journal";
import { inLane } from "./lanes";
import { type Context, retryContext, throwIfChanged } from "./put-object";
import { retrying } from "./retry";
import { EXPIRES_IN, LANES, PART_BYTES } from "./settings";
import { elementsIn, escapeXml, textIn } from "./xml";
import { FAILURE } from "./texts";

interface Part {
  readonly number: number;
  readonly size: number;
  readonly eTag: string;
  readonly checksum: string;
}

const isGone = (error: unknown) =>
  error instanceof Refusal && error.service === "s3" && error.code === "NoSuchUpload";
const isThere = (error: unknown) => error instanceof Refusal && error.status === 412;

/** How long an upload is tried to be given up, in milliseconds: after a day S3 does it by itself. */
const GIVE_UP_MS = 10_000;

/** A file that goes up in parts, several at once. It can be begun again, after a reload too: what is there stays. */
export class Multipart {
  #id: string | undefined;
  #entry: Entry | undefined;
  readonly #parts = new Map<number, Part>();
  /** What S3 has of an earlier run, by number: it counts once it is seen to be what the file has. */
  #present = new Map<number, Part>();
  /** Bytes that were compared, and not sent. */
  #earlierBytes = 0;

  /** @returns the key */
  async run(context: Context): Promise<string> {
    const { chosen, name, signal } = context;
    context.onWait("checking");
    this.#id ??= await fingerprint(chosen, name, signal);
    signal.throwIfAborted();
    return await this.#alone(async (isAlone) => {
      // Another one would take what this one does to the upload for what S3 did.
      if (!isAlone) throw new Failure(FAILURE.elsewhere, true);
      return await this.#run(context);
    });
  }

  /** Says whether no other tab works on the file, and until it is over none does. */
  async #alone<T>(work: (isAlone: boolean) => Promise<T>): Promise<T> {
    const name = lockOf(this.#id ?? "");
    return await navigator.locks.request(name, { ifAvailable: true }, (lock) => work(lock !== null));
  }

  /** Whether another tab has ended the upload, or goes on with another. */
  #isLost(): boolean {
    return readEntry(this.#id ?? "")?.uploadId !== this.#entry?.uploadId;
  }

  /** Gives the upload up: S3 drops its parts. */
  async giveUp(): Promise<void> {
    await this.#alone(async (isAlone) => {
      const entry = this.#entry;
      if (!entry || !isAlone || this.#isLost()) return;
      this.#forget();
      await abortUpload(entry);
    });
  }

  async #run(context: Context): Promise<string> {
    const { chosen, signal } = context;
    const partBytes = partBytesOf(chosen.size, PART_BYTES);
    if (this.#isLost()) this.#drop();
    if (!this.#entry && (await this.#resume(context)) === "done") return this.#end();
    this.#entry ??= await this.#create(context, partBytes);
    this.#note();
    try {
      await this.#putParts(context, partBytes);
      signal.throwIfAborted();
      await this.#complete(context);
    } catch (error) {
      // The next try begins another upload.
      if (isGone(error)) this.#forget();
      throw error;
    }
    return this.#end();
  }

  /** Finds what an earlier page has begun. */
  async #resume(context: Context): Promise<"done" | undefined> {
    const entry = readEntry(this.#id ?? "");
    if (!entry) return undefined;
    try {
      this.#present = await listParts(context, entry);
      this.#entry = entry;
    } catch (error) {
      if (!isGone(error)) throw error;
      // Nobody else drops an upload before its day is over: it became an object.
      if (entry.completing) {
        this.#entry = entry;
        return "done";
      }
      removeEntry(this.#id ?? "");
    }
    return undefined;
  }

  /** Begins an upload. The request itself is not broken off: S3 might keep what nobody knows the id of. */
  async #create(context: Context, partBytes: number): Promise<Entry> {
    const { name, type, signal } = context;
    const fields = {
      object_key: name,
      content_type: type,
      checksum_algorithm: "SHA256",
      metadata: { [LAYOUT_METADATA]: String(partBytes) },
      expires_in: EXPIRES_IN,
    };
    return await retrying(async () => {
      const signed = await ask("createMultipartUpload", fields, signal);
      const uploadId = textIn((await send(signed)).xml, "UploadId");
      if (!uploadId) throw notOfS3();
      return { key: signed.object_key, uploadId, begunAt: Date.now(), completing: false, name, done: 0 };
    }, retryContext(context));
  }

  async #putParts(context: Context, partBytes: number): Promise<void> {
    const { file } = context.chosen;
    const count = Math.ceil(context.chosen.size / partBytes);
    const under = new Map<number, number>();
    const report = () => {
      const done = [...this.#parts.values()].reduce((sum, part) => sum + part.size, 0);
      const inFlight = [...under.values()].reduce((sum, bytes) => sum + bytes, 0);
      context.onProgress(done + inFlight, this.#earlierBytes);
    };
    const stop = new AbortController();
    const abort = () => stop.abort(context.signal.reason);
    context.signal.addEventListener("abort", abort);
    const inner = { ...context, signal: stop.signal };
    let next = 1;
    const work = async () => {
      try {
        while (next <= count && !stop.signal.aborted) {
          const number = next++;
          if (this.#parts.has(number)) continue;
          const blob = file.slice((number - 1) * partBytes, number * partBytes);
          const part = await inLane(() =>
            this.#putPart(inner, number, blob, (bytes) => {
              under.set(number, bytes);
              report();
            }),
          );
          under.delete(number);
          this.#parts.set(number, part);
          this.#entry = { ...(this.#entry as Entry), done: this.#parts.size / count };
          this.#note();
          report();
        }
      } catch (error) {
        stop.abort(error);
        throw error;
      }
    };
    try {
      const results = await Promise.allSettled(Array.from({ length: Math.min(LANES, count) }, work));
      context.signal.throwIfAborted();
      if (results.some(({ status }) => status === "rejected")) throw stop.signal.reason;
    } finally {
      context.signal.removeEventListener("abort", abort);
    }
  }

  async #putPart(
    context: Context,
    number: number,
    blob: Blob,
    onProgress: (bytes: number) => void,
  ): Promise<Part> {
    const { chosen, signal } = context;
    signal.throwIfAborted();
    const checksum = await sha256(blob, chosen, signal);
    const present = this.#present.get(number);
    if (present?.checksum === checksum && present.size === blob.size) {
      this.#earlierBytes += blob.size;
      return present;
    }
    const { key, uploadId } = this.#entry as Entry;
    const fields = {
      object_key: key,
      upload_id: uploadId,
      part_numbers: [number],
      content_length: blob.size,
      checksum_sha256: checksum,
      expires_in: EXPIRES_IN,
    };
    const attempt = async () => {
      onProgress(0);
      const { parts, ...signed } = await ask("uploadPart", fields, signal);
      try {
        const { eTag } = await send(
          { ...signed, url: parts?.[0]?.url ?? "" },
          { body: blob, signal, onProgress },
        );
        if (!eTag) throw notOfS3();
        return { number, size: blob.size, eTag, checksum };
      } catch (error) {
        await throwIfChanged(error, blob, checksum, context);
        throw error;
      }
    };
    return await retrying(attempt, retryContext(context));
  }

  /**
   * Makes the parts one object, which announces it. Tried again after an answer that was lost, S3 says that the object
   * is there, or that the upload is not: both mean that the first try did it.
   */
  async #complete({ chosen, signal, onWait }: Context): Promise<void> {
    const { key, uploadId, completing } = this.#entry as Entry;
    let ambiguous = completing;
    this.#entry = { ...(this.#entry as Entry), completing: true };
    this.#note();
    const fields = {
      object_key: key,
      upload_id: uploadId,
      content_length: chosen.size,
      if_none_match: "*",
      expires_in: EXPIRES_IN,
    };
    const listed = [...this.#parts.values()]
      .toSorted((a, b) => a.number - b.number)
      .map(
        ({ number, eTag, checksum }) =>
          `<Part><PartNumber>${number}</PartNumber><ETag>${escapeXml(eTag)}</ETag><ChecksumSHA256>${checksum}</ChecksumSHA256></Part>`,
      );
    const body = `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${listed.join("")}</CompleteMultipartUpload>`;
    const attempt = async () => {
      onWait("finishing");
      const signed = await ask("completeMultipartUpload", fields, signal);
      try {
        const { xml } = await send(signed, { body });
        if (!xml.includes("<CompleteMultipartUploadResult")) throw notOfS3();
      } catch (error) {
        if (ambiguous && (isThere(error) || (isGone(error) && isFresh(this.#entry as Entry)))) return;
        ambiguous ||= outcomeUnknown(error);
        throw error;
      }
    };
    await retrying(attempt, { signal, onWait });
  }

  #note(): void {
    if (this.#id && this.#entry) writeEntry(this.#id, this.#entry);
  }

  #forget(): void {
    if (this.#id) removeEntry(this.#id);
    this.#drop();
  }

  #drop(): void {
    this.#entry = undefined;
    this.#parts.clear();
    this.#present.clear();
    this.#earlierBytes = 0;
  }

  #end(): string {
    const { key } = this.#entry as Entry;
    this.#forget();
    return key;
  }
}

/** Ends an upload: S3 drops its parts. */
async function abortUpload({ key, uploadId }: Entry): Promise<void> {
  try {
    await retrying(
      async () => await send(await ask("abortMultipartUpload", { object_key: key, upload_id: uploadId })),
      { maxDurationMs: GIVE_UP_MS },
    );
  } catch {
    // It is gone already; or after a day S3 does it by itself.
  }
}

/** Discards the upload of an earlier page, unless a tab works on it. */
export async function discard({ id, entry }: Interrupted): Promise<void> {
  await navigator.locks.request(lockOf(id), { ifAvailable: true }, async (lock) => {
    if (!lock) return;
    removeEntry(id);
    await abortUpload(entry);
  });
}

/** The parts that S3 has, page by page. */
async function listParts({ signal, onWait }: Context, { key, uploadId }: Entry): Promise<Map<number, Part>> {
  const parts = new Map<number, Part>();
  for (let marker = 0; ;) {
    const fields = {
      object_key: key,
      upload_id: uploadId,
      part_number_marker: marker,
      expires_in: EXPIRES_IN,
    };
    const { xml } = await retrying(async () => send(await ask("listParts", fields, signal), { signal }), {
      signal,
      onWait,
    });
    for (const part of partsIn(xml)) parts.set(part.number, part);
    const next = Number(textIn(xml, "NextPartNumberMarker"));
    if (textIn(xml, "IsTruncated") !== "true" || !(next > marker)) return parts;
    marker = next;
  }
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html */
const partsIn = (xml: string): Part[] =>
  elementsIn(xml, "Part").map((part) => ({
    number: Number(textIn(part, "PartNumber")),
    size: Number(textIn(part, "Size")),
    eTag: textIn(part, "ETag"),
    checksum: textIn(part, "ChecksumSHA256"),
  }));
