import { escapeControls as printable } from "../../common/quote";
import { formatBytes } from "../../stacks/format";
import type { ProgressReport } from "../produce/progress";
import type { Waiting } from "../retry";

const BAR = 10;
/** What takes less is over before anybody reads it, in milliseconds. */
const PATIENCE_MS = 1000;
const REFRESH_MS = 100;
/** A longer name would leave no place for what changes. */
const MAX_LABEL = 32;

/** A line on the terminal that says how far something is; nothing where there is no terminal. */
export class ProgressLine {
  readonly #terminal = process.stderr;
  #shownAt = -Infinity;
  #showing = false;

  /**
   * @param text what to say
   * @param begunAt when that began, as performance.now() has it
   */
  show(text: (elapsedSeconds: number) => string, begunAt: number): void {
    const now = performance.now();
    if (!this.#terminal.isTTY || now - begunAt < PATIENCE_MS || now - this.#shownAt < REFRESH_MS) return;
    this.clear();
    const line = printable(text((now - begunAt) / 1000));
    this.#terminal.write(line.slice(0, (this.#terminal.columns || 80) - 1));
    this.#showing = true;
    this.#shownAt = now;
  }

  /** Takes the line away: what is written next stands in its place. */
  clear(): void {
    if (this.#showing) this.#terminal.write("\r\u001b[K");
    this.#showing = false;
  }
}

/**
 * cat.mp4  ████░░░░░░  41 %  882 MB of 2.1 GB  412 MB/s  3 s left  part 27 of 64
 * cat.mp4  waiting for S3, 12 s of 5 min: connection refused  882 MB of 2.1 GB
 */
export function progressText(
  what: string,
  { bytes, resumedBytes = 0, totalBytes, parts, waiting }: ProgressReport,
  elapsedSeconds: number,
): string {
  const rate = (bytes - resumedBytes) / Math.max(elapsedSeconds, 0.001);
  const done = totalBytes ? Math.min(bytes / totalBytes, 1) : undefined;
  const filled = Math.round((done ?? 0) * BAR);
  const label = what.length > MAX_LABEL ? `…${what.slice(1 - MAX_LABEL)}` : what;
  const amount =
    totalBytes === undefined ? formatBytes(bytes) : `${formatBytes(bytes)} of ${formatBytes(totalBytes)}`;
  if (waiting) return [label, waitingText(waiting), amount].join("  ");
  return [
    label,
    done === undefined ? undefined : "█".repeat(filled) + "░".repeat(BAR - filled),
    done === undefined ? undefined : `${Math.floor(done * 100)} %`,
    amount,
    `${formatBytes(rate)}/s`,
    totalBytes === undefined || rate === 0 ? undefined : `${formatSeconds((totalBytes - bytes) / rate)} left`,
    parts && `part ${parts.done}${parts.total === undefined ? "" : ` of ${parts.total}`}`,
  ]
    .filter((text) => text !== undefined)
    .join("  ");
}

const WAITED_FOR = { api: "the API", s3: "S3", sqs: "SQS" } as const;

/** waiting for S3, 12 s of 5 min: connection refused */
export function waitingText({ service, reason, elapsedMs, maxDurationMs }: Waiting): string {
  const most = formatSeconds(maxDurationMs / 1000).replace(/ 00 \w+$/, "");
  return `waiting for ${service ? WAITED_FOR[service] : "this machine"}, ${formatSeconds(elapsedMs / 1000)} of ${most}: ${reason}`;
}

/** 3 s, 2 min 05 s, 1 h 12 min */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
  if (whole < 86_400)
    return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")} min`;
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3600)} h`;
}

/** Columns, each as wide as its widest cell; numbers to the right. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((cells) => (cells[column] ?? "").length)));
  return all
    .map((cells) =>
      cells
        .map((cell, column) =>
          right.includes(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

export { printable };

/** Text of several lines, of which only the ends of lines stay what they are. */
export const printableLines = (text: string): string => text.split("\n").map(printable).join("\n");

/** A line of JSON. JSON has no such characters but in its strings, where it reads these escapes. */
export const printJson = (value: unknown): void => console.log(printable(JSON.stringify(value)));
