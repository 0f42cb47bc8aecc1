import { UPLOAD_DAYS } from "../../sign-url/limits";
import { digestOf, sha256 } from "./digest";
import type { ChosenFile } from "./files";
import { API } from "./settings";

/** The notes on an upload in parts that a reload may interrupt. They hold no URL. */
export interface Entry {
  readonly key: string;
  readonly uploadId: string;
  /** When it was begun, in milliseconds since 1970: S3 drops it a day after that. */
  readonly begunAt: number;
  /** Whether it was about to become an object: it may be one. */
  readonly completing: boolean;
  /** The payload's name. */
  readonly name: string;
  /** The part of the file that S3 has, from 0 to 1. */
  readonly done: number;
}

/** An upload of an earlier page that did not come to its end. */
export interface Interrupted {
  readonly id: string;
  readonly entry: Entry;
}

const PREFIX = `tweedle:${API}:`;
const FIRST_BYTES = 64 * 1024;

/** Tells a file from others, without reading all of it. What its parts are is compared part by part. */
export async function fingerprint(chosen: ChosenFile, name: string, signal: AbortSignal): Promise<string> {
  const { file, size, lastModified } = chosen;
  const first = await sha256(file.slice(0, FIRST_BYTES), chosen, signal);
  const facts = JSON.stringify([name, file.type, size, lastModified, first]);
  return await digestOf(new TextEncoder().encode(facts));
}

/** The uploads of this page, which shows them itself. */
const own = new Set<string>();

/** Entries that the browser would not keep: it has no storage for this page, or none that is free. */
const unsaved = new Map<string, Entry>();

/** A browser may refuse its storage to a page, for reading or for writing alone. */
function storage<T>(use: (storage: Storage) => T): T | undefined {
  try {
    return use(localStorage);
  } catch {
    return undefined;
  }
}

/** Whether S3 keeps an upload still, unless somebody ends it. */
export const isFresh = ({ begunAt }: Entry): boolean => Date.now() - begunAt < UPLOAD_DAYS * 86_400_000;

export function readEntry(id: string): Entry | undefined {
  own.add(id);
  return readAny(id);
}

function readAny(id: string): Entry | undefined {
  const entry =
    unsaved.get(id) ??
    storage((kept) => JSON.parse(kept.getItem(PREFIX + id) ?? "null") as Entry | null | undefined);
  return entry && isFresh(entry) ? entry : undefined;
}

/** Notes an upload: for a later page where the browser keeps that, and else for as long as this page lives. */
export function writeEntry(id: string, entry: Entry): void {
  unsaved.set(id, entry);
  storage((kept) => {
    kept.setItem(PREFIX + id, JSON.stringify(entry));
    unsaved.delete(id);
  });
}

export function removeEntry(id: string): void {
  unsaved.delete(id);
  storage((kept) => kept.removeItem(PREFIX + id));
}

const idsOf = (kept: Storage): string[] =>
  Object.keys(kept).flatMap((name) => (name.startsWith(PREFIX) ? [name.slice(PREFIX.length)] : []));

/** Forgets uploads that S3 has dropped by now. */
export function forgetOld(): void {
  storage((kept) => {
    for (const id of idsOf(kept)) if (!readAny(id)) kept.removeItem(PREFIX + id);
  });
}

/** The name of the lock that the tab holds which works on an upload. */
export const lockOf = (id: string): string => `tweedle:${id}`;

/** The uploads of earlier pages that no tab works on. */
export async function interruptedUploads(): Promise<Interrupted[]> {
  const { held = [] } = await navigator.locks.query();
  const locked = new Set(held.map(({ name }) => name));
  const ids = storage(idsOf) ?? [];
  return ids
    .filter((id) => !own.has(id) && !locked.has(lockOf(id)))
    .flatMap((id) => {
      const entry = readAny(id);
      return entry ? [{ id, entry }] : [];
    });
}
