import { UPLOAD_DAYS } from "../../sign-url/limits";
import { sha256 } from "./digest";
import { API } from "./settings";

/** What is known of an upload in parts that a reload may interrupt. It holds no URL. */
export interface Entry {
  readonly key: string;
  readonly uploadId: string;
  /** When it was begun, in milliseconds since 1970: S3 drops it a day after that. */
  readonly begunAt: number;
  /** Whether it was about to become an object: it may be one. */
  readonly completing: boolean;
}

const PREFIX = `tweedle:${API}:`;
const FIRST_BYTES = 64 * 1024;

/** What tells a file from others, without reading all of it. What its parts are is compared part by part. */
export async function fingerprint(file: File, name: string): Promise<string> {
  const first = await sha256(file.slice(0, FIRST_BYTES));
  const facts = JSON.stringify([name, file.type, file.size, file.lastModified, first]);
  return await sha256(new Blob([facts]));
}

/** A browser may keep nothing: then an upload goes on until the page is left. */
function storage<T>(use: (storage: Storage) => T): T | undefined {
  try {
    return use(localStorage);
  } catch {
    return undefined;
  }
}

/** Whether S3 keeps an upload still, unless somebody ends it. */
export const isFresh = ({ begunAt }: Entry): boolean => Date.now() - begunAt < UPLOAD_DAYS * 86_400_000;

/** Whether there is a place where uploads are noted. */
export const isKept = (): boolean => Boolean(storage(() => true));

export function readEntry(id: string): Entry | undefined {
  return storage((kept) => {
    const entry = JSON.parse(kept.getItem(PREFIX + id) ?? "null") as Entry | null;
    return entry && isFresh(entry) ? entry : undefined;
  });
}

export const writeEntry = (id: string, entry: Entry): void =>
  storage((kept) => kept.setItem(PREFIX + id, JSON.stringify(entry)));

export const removeEntry = (id: string): void => storage((kept) => kept.removeItem(PREFIX + id));

/** Forgets uploads that S3 has dropped by now. */
export function forgetOld(): void {
  storage((kept) => {
    const ids = Object.keys(kept).flatMap((name) =>
      name.startsWith(PREFIX) ? [name.slice(PREFIX.length)] : [],
    );
    for (const id of ids) if (!readEntry(id)) kept.removeItem(PREFIX + id);
  });
}
