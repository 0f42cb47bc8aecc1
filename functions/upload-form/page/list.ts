import { element, setHidden, setText } from "./dom";
import { Row } from "./row";
import { more } from "./texts";
import type { Upload } from "./upload";
import type { Uploads } from "./uploads";

/** Rows at once: a folder may have ten thousand files, and nobody reads as many. */
const MAX_ROWS = 100;

/** What is shown first where not all can be: what moves or wants something, then what waits, then what is over. */
const RANK = { running: 0, failed: 0, paused: 1, waiting: 2, done: 3, cancelled: 4 } as const;

/** Which of them are shown, in their own order. */
function choose(all: readonly Upload[]): readonly Upload[] {
  if (all.length <= MAX_ROWS) return all;
  const ranked = all.map((upload, index) => ({ upload, index, rank: RANK[upload.phase] }));
  ranked.sort((a, b) => a.rank - b.rank || a.index - b.index);
  return ranked
    .slice(0, MAX_ROWS)
    .toSorted((a, b) => a.index - b.index)
    .map(({ upload }) => upload);
}

/** The uploads that are seen, a row each. */
export class List {
  readonly #rows = new Map<Upload, Row>();
  readonly #root = element("list");

  constructor(private readonly uploads: Uploads) {}

  /** Shows which there are now. */
  update(): void {
    const shown = choose(this.uploads.all);
    const keep = new Set(shown);
    for (const [upload, row] of this.#rows) {
      // Who is at a row with the keyboard is not thrown off it.
      const isUsed = this.uploads.all.includes(upload) && row.root.contains(document.activeElement);
      if (keep.has(upload) || isUsed) continue;
      row.root.remove();
      this.#rows.delete(upload);
    }
    let before: Element | null = this.#root.firstElementChild;
    for (const upload of shown) {
      let row = this.#rows.get(upload);
      if (row) row.update();
      else {
        row = new Row(upload, this.uploads, (removed) => this.#remove(removed));
        this.#rows.set(upload, row);
      }
      if (row.root === before) before = before.nextElementSibling;
      else this.#root.insertBefore(row.root, before);
    }
    const hidden = this.uploads.all.filter((upload) => !keep.has(upload));
    const count = (...phases: string[]) => hidden.filter(({ phase }) => phases.includes(phase)).length;
    const waiting = count("waiting");
    const done = count("done");
    const rest = element("more");
    setHidden(rest, hidden.length === 0);
    setText(rest, more(waiting, done, hidden.length - waiting - done));
  }

  #remove(row: Row): void {
    const { upload, root } = row;
    const neighbour = (root.nextElementSibling ?? root.previousElementSibling) as HTMLElement | null;
    this.uploads.remove(upload);
    const next = [...this.#rows.values()].find((other) => other.root === neighbour);
    if (next) next.focus();
    else element("choose-files").focus();
    this.update();
  }
}
