import type { Service } from "../../../contract/answers";
import { formatBytes } from "../../../stacks/format";

/** Common names of media types; the others keep their own. */
const TYPE_NAMES: Readonly<Record<string, string>> = {
  "image/*": "images",
  "video/*": "videos",
  "audio/*": "audio",
  "text/*": "text",
  "text/plain": "plain text",
  "text/csv": "CSV",
  "application/pdf": "PDF",
  "application/zip": "ZIP",
  "application/json": "JSON",
};

/** Media types as people call them: images and PDF. */
export const typeNames = (types: readonly string[]) => {
  const names = types.map((type) => TYPE_NAMES[type] ?? type);
  const last = names.pop() ?? "";
  return names.length > 0 ? `${names.join(", ")} and ${last}` : last;
};

const capitalize = (text: string) => text.slice(0, 1).toUpperCase() + text.slice(1);
const files = (count: number, which = "") =>
  `${count.toLocaleString("en")} ${which}${count === 1 ? "file" : "files"}`;

function duration(seconds: number): string {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/*
 * Every word that the page says, in one place.
 */

/** The labels of buttons. */
export const BUTTON = {
  pauseAll: "Pause all",
  resumeAll: "Resume all",
  copyKeys: "Copy all keys",
  pause: "Pause",
  resume: "Resume",
  retry: "Try again",
  cancel: "Cancel",
  remove: "Remove",
  hide: "Hide",
  discard: "Discard",
  copy: "Copy key",
  copied: "Copied",
  notCopied: "Not copied",
  /** For a screen reader, which does not show whose row a button is in. */
  of: (label: string, name: string) => `${label}: ${name}`,
} as const;

/** The fixed texts of index.html, by their placeholders. */
export const PAGE = {
  drop: "Drop files or folders here",
  chooseFiles: "Choose files",
  chooseFolder: "Choose a folder",
  uploads: "Uploads",
  pauseAll: BUTTON.pauseAll,
  copyKeys: BUTTON.copyKeys,
  clear: "Clear finished",
  copy: BUTTON.copy,
  noScript: "This page needs JavaScript to send files.",
  meaning:
    "Each uploaded file has a key. Keep it if you may need to ask about the file later: the people behind this page find the file by it.",
  progressAll: "All uploads",
} as const;

/** The sizes and types that a stage takes, as a sentence. */
export function limits(
  maxObjectBytes: number | undefined,
  contentTypes: readonly string[] | undefined,
): string {
  const size = maxObjectBytes === undefined ? "" : `Up to ${formatBytes(maxObjectBytes)} each.`;
  const types = contentTypes ? `${capitalize(typeNames(contentTypes))} only.` : "";
  return [size, types].filter(Boolean).join(" ") || "Any type, any size.";
}

/** People's names of the services. */
const SERVICES: Readonly<Record<Service, string>> = {
  api: "This site",
  s3: "The storage service",
  sqs: "The queue",
};

/** An error response in a few words: 503 SlowDown. */
const reason = ({ status, code }: ErrorResponse) => `${status} ${code}`.trim();

interface ErrorResponse {
  readonly status: number;
  readonly code: string;
  /** The service's own sentence, or empty. */
  readonly message: string;
}

/** The state of a file. */
export const ROW = {
  waiting: "Waiting",
  checking: "Reading the file",
  offline: "No connection. The upload continues when it is back.",
  finishing: "Almost done",
  cancelled: "Cancelled",
  done: "Uploaded",
  /** @param seconds until the upload is given up */
  trouble: (
    { service, refusal }: { readonly service: Service; readonly refusal: ErrorResponse | undefined },
    seconds: number,
  ) => {
    const trouble = refusal ? `is busy (${reason(refusal)})` : "does not respond";
    return `${SERVICES[service]} ${trouble}. Trying again for ${duration(seconds)}.`;
  },
  paused: (sent: number, size: number) => `Paused at ${formatBytes(sent)} of ${formatBytes(size)}`,
  running: (sent: number, size: number, rate: number) =>
    [
      `${formatBytes(sent)} of ${formatBytes(size)}`,
      ...(rate > 0 ? [`${formatBytes(rate)}/s`, `${duration((size - sent) / rate)} left`] : []),
    ].join(" · "),
  renamed: (name: string) => `Uploaded as ${name}: unsupported characters were replaced.`,
  progress: (name: string) => `Progress of ${name}`,
} as const;

/** The state of all files together. */
export function summary(done: number, all: number, sent: number, size: number, rate: number): string {
  const bytes = `${formatBytes(sent)} of ${formatBytes(size)}`;
  const pace = rate > 0 ? ` · ${formatBytes(rate)}/s · ${duration((size - sent) / rate)} left` : "";
  return done === all
    ? `${files(all)}, ${formatBytes(size)}`
    : `${done.toLocaleString("en")} of ${files(all)} · ${bytes}${pace}`;
}

/** An upload of an earlier page. @param done the part that is there, from 0 to 1 */
export const INTERRUPTED = (name: string, done: number): string =>
  `${name} was interrupted at ${Math.floor(done * 100)}\u00a0%. Choose the same file again to continue.`;

/** The files that the list does not show. */
export const more = (waiting: number, done: number, others: number) =>
  [
    waiting > 0 ? `${files(waiting, "more ")} waiting` : "",
    done > 0 ? `${files(done, "more ")} uploaded` : "",
    others > 0 ? `${files(others, "more ")} stopped` : "",
  ]
    .filter(Boolean)
    .join(" · ");

/** The sentences for a screen reader; some are notices, too. */
export const SAID = {
  added: (count: number) => `${files(count)} added.`,
  none: "No files were found there.",
  insecure: "This page sends files over https only.",
  unread: (count: number) => `${files(count)} or folders could not be read.`,
  arrived: (names: readonly string[]) =>
    names.length === 1 ? `${names[0]} is uploaded.` : `${files(names.length)} are uploaded.`,
  failed: (name: string, why: string) => `${name}: ${why}`,
  allDone: "All files are uploaded.",
  offline: "The connection is lost.",
  online: "The connection is back.",
  copied: (name: string) => `Copied the key of ${name}.`,
  allCopied: "Copied all keys.",
  discarded: (name: string) => `${name} is discarded.`,
} as const;

/** The reasons why a file is not uploaded. */
export const FAILURE = {
  tooLarge: (size: number, limit: number) =>
    `Too large: ${formatBytes(size)}. The limit is ${formatBytes(limit)}.`,
  tooLargeForPage: (size: number, limit: number) =>
    `Too large for a browser: ${formatBytes(size)}. The limit is ${formatBytes(limit)}; larger files need the tweedle command.`,
  type: (type: string, accepted: string) => `Files of the type ${type} are not accepted: ${accepted} only.`,
  changed: "The file was changed, moved or deleted during the upload. Choose it again.",
  unreadable:
    "The file cannot be read: it has changed, or is not available at the moment. Choose it again to continue.",
  elsewhere: "This file is being uploaded already, here or in another tab.",
  bucket: (response: ErrorResponse) => `The storage service rejected the upload (${reason(response)}).`,
  api: (response: ErrorResponse) => `Rejected: ${response.message || `${reason(response)}.`}`,
  again: (response: ErrorResponse) =>
    `Upload failed after several attempts (${reason(response)}). ${response.message}`.trim(),
  unreachable:
    "Upload failed after several attempts: the storage service does not respond. A firewall or a browser extension may block it.",
  silent: "Upload failed after several attempts: this site does not respond.",
  ours: (what: string) => `Something went wrong on this page: ${what}`,
} as const;
