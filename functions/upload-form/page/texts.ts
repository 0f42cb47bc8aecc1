import { formatBytes } from "../../../stacks/format";

/** What people call media types; others are called by their own names. */
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
const files = (count: number) => `${count.toLocaleString("en")} ${count === 1 ? "file" : "files"}`;

function duration(seconds: number): string {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/*
 * Every word that the page says, in one place.
 */

/** What buttons are called. */
export const BUTTON = {
  pauseAll: "Pause all",
  resumeAll: "Resume all",
  copyKeys: "Copy all keys",
  pause: "Pause",
  resume: "Resume",
  retry: "Try again",
  cancel: "Cancel",
  remove: "Remove",
  copy: "Copy key",
  copied: "Copied",
  notCopied: "Not copied",
  /** For who cannot see which row it is in. */
  of: (label: string, name: string) => `${label}: ${name}`,
} as const;

/** What stands in index.html and stays, by the names that it has there. */
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
    "A file is known by its key, which nobody can guess. Whoever receives from the queue behind this page is told it, and fetches the file by it. Keep it if you may have to ask about the file.",
  progressAll: "All uploads",
} as const;

/** What the stage takes. */
export function limits(
  maxObjectBytes: number | undefined,
  contentTypes: readonly string[] | undefined,
): string {
  const size = maxObjectBytes === undefined ? "" : `Up to ${formatBytes(maxObjectBytes)} each.`;
  const types = contentTypes ? `${capitalize(typeNames(contentTypes))} only.` : "";
  return [size, types].filter(Boolean).join(" ") || "Any type, any size.";
}

/** How it goes with a file. */
export const ROW = {
  waiting: "Waiting",
  checking: "Reading the file",
  offline: "No connection. It goes on by itself.",
  busy: "The service is busy. It goes on by itself.",
  finishing: "Almost there",
  cancelled: "Cancelled",
  done: "Arrived",
  paused: (sent: number, size: number) => `Paused at ${formatBytes(sent)} of ${formatBytes(size)}`,
  running: (sent: number, size: number, rate: number) =>
    [
      `${formatBytes(sent)} of ${formatBytes(size)}`,
      ...(rate > 0 ? [`${formatBytes(rate)}/s`, `${duration((size - sent) / rate)} left`] : []),
    ].join(" · "),
  renamed: (name: string) => `Sent as ${name}: some of its characters are not fit for a key.`,
  progress: (name: string) => `Progress of ${name}`,
} as const;

/** How it goes with all of them. */
export function summary(done: number, all: number, sent: number, size: number, rate: number): string {
  const bytes = `${formatBytes(sent)} of ${formatBytes(size)}`;
  const pace = rate > 0 ? ` · ${formatBytes(rate)}/s · ${duration((size - sent) / rate)} left` : "";
  return done === all
    ? `${files(all)}, ${formatBytes(size)}`
    : `${done.toLocaleString("en")} of ${files(all)} · ${bytes}${pace}`;
}

/** What the list does not show. */
export const more = (waiting: number, done: number, others: number) =>
  [
    waiting > 0 ? `${files(waiting)} more waiting` : "",
    done > 0 ? `${files(done)} more arrived` : "",
    others > 0 ? `${files(others)} more stopped` : "",
  ]
    .filter(Boolean)
    .join(" · ");

/** For who listens. */
export const SAID = {
  added: (count: number) => `${files(count)} added.`,
  none: "There is no file in it.",
  insecure: "This page sends files over https only.",
  unread: (count: number) => `${files(count)} or folders could not be read.`,
  arrived: (names: readonly string[]) =>
    names.length === 1 ? `${names[0]} has arrived.` : `${files(names.length)} have arrived.`,
  failed: (name: string, why: string) => `${name}: ${why}`,
  allDone: "All files have arrived.",
  offline: "The connection is lost.",
  online: "The connection is back.",
} as const;

const reason = (status: number, code: string) => `${status} ${code}`.trim();

/** Why a file does not arrive. */
export const FAILURE = {
  tooLarge: (size: number, most: number) =>
    `Too large: it has ${formatBytes(size)}, and at most ${formatBytes(most)} are taken here.`,
  tooLargeForPage: (size: number, most: number) =>
    `Too large for a browser: it has ${formatBytes(size)}. Up to ${formatBytes(most)} go up here, more with the tweedle command.`,
  type: (type: string, names: string) => `This type (${type}) is not taken here: ${names} only.`,
  changed: "The file was changed, moved or deleted meanwhile. Choose it once more.",
  elsewhere: "This file is on its way already, here or in another tab.",
  bucket: (status: number, code: string) =>
    `The storage refuses it (${reason(status, code)}). Try again later, or tell whoever runs this page.`,
  unreachable:
    "The storage cannot be reached, though this page can. A firewall or an extension may keep it away.",
  api: (sentence: string) => `It is refused: ${sentence}`,
  again: (status: number, code: string) =>
    `It failed again and again (${reason(status, code)}). Try again later.`,
  ours: (what: string) => `Something broke on this page: ${what}`,
} as const;
