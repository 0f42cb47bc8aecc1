/** A piece of Markdown that stays whole. */
interface Line {
  readonly line: string;
}

/** Lines between something that opens and something that closes, on each page that they are on. */
interface Fold {
  readonly open: string;
  readonly close: string;
  readonly lines: readonly string[];
  /** Pages that these lines may begin; on later ones, and on what is full, they are left out. */
  readonly lastPage: number;
  /** What to say of lines that are left out. */
  readonly leftOut: (lines: readonly string[]) => string;
}

export type Part = Line | Fold;

/** GitHub's own: 65,536 characters a comment. Bytes are never fewer, and a note may still be put on top. */
export const PAGE_BYTES = 64_000;

/** For the sentence about what was left out. */
const RESERVE_BYTES = 1_000;

const size = (text: string) => Buffer.byteLength(text) + 1;

/**
 * Lays parts out on pages. A line is always there, on however many pages that takes; what is folded is there as far as
 * it may begin pages, and what is not is spoken of.
 *
 * @param room how many bytes a page has
 */
export function paginate(parts: readonly Part[], room: number): string[] {
  const pages: string[][] = [[]];
  let left = room;
  const put = (text: string) => {
    pages.at(-1)?.push(text);
    left -= size(text);
  };
  const turn = () => {
    pages.push([]);
    left = room;
  };
  for (const part of parts) {
    if ("line" in part) {
      if (size(part.line) > left && left < room) turn();
      put(part.line);
    } else putFold(part);
  }
  return pages.map((lines) => lines.join("\n"));

  function putFold({ open, close, lines, lastPage, leftOut }: Fold): void {
    const frame = size(open) + size(close) + RESERVE_BYTES;
    const out: string[] = [];
    let opened = false;
    for (const line of lines) {
      const needed = size(line) + (opened ? size(close) + RESERVE_BYTES : frame);
      if (needed > left) {
        // A line that no page holds is no reason to turn one.
        if (pages.length >= lastPage || size(line) + frame > room) {
          out.push(line);
          continue;
        }
        if (opened) put(close);
        turn();
        opened = false;
      }
      if (!opened) put(open);
      opened = true;
      put(line);
    }
    if (opened) put(close);
    if (out.length > 0) {
      const sentence = leftOut(out);
      if (size(sentence) > left) turn();
      put(sentence);
    }
  }
}
