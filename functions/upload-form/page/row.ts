import { copy } from "./copy";
import { element, on, setHidden, setProgress, setText, within } from "./dom";
import { BUTTON, ROW, SAID } from "./texts";
import type { Phase, Upload } from "./upload";
import type { Uploads } from "./uploads";

/** What the first button of a row does, by how far the upload is; nothing where there is none. */
const FIRST: Readonly<Partial<Record<Phase, string>>> = {
  waiting: BUTTON.pause,
  running: BUTTON.pause,
  paused: BUTTON.resume,
  failed: BUTTON.retry,
};

/** One upload, as it is seen: name, progress, how it goes, and what can be done about it. */
export class Row {
  readonly root: HTMLElement;
  readonly #progress: HTMLElement;
  readonly #status: HTMLElement;
  readonly #first: HTMLElement;
  readonly #last: HTMLElement;
  readonly #key: HTMLElement;

  constructor(
    readonly upload: Upload,
    uploads: Uploads,
    onRemove: (row: Row) => void,
  ) {
    const { content } = element("row") as HTMLTemplateElement;
    this.root = document.importNode(within(content, "row"), true);
    const { name, item } = upload;
    const slash = name.lastIndexOf("/") + 1;
    setText(within(this.root, "folder"), name.slice(0, slash));
    setText(within(this.root, "base"), name.slice(slash));
    const renamed = within(this.root, "renamed");
    setHidden(renamed, name === item.path.normalize("NFC"));
    setText(renamed, ROW.renamed(name));
    this.#progress = within(this.root, "progress");
    this.#progress.setAttribute("aria-label", ROW.progress(name));
    this.#status = within(this.root, "status");
    this.#key = within(this.root, "key");
    this.#first = within(this.root, "first");
    this.#last = within(this.root, "last");

    on(this.#first, "click", () => {
      if (upload.phase === "paused" || upload.phase === "failed") upload.resume();
      else upload.pause();
      uploads.pump();
    });
    on(this.#last, "click", () => {
      const wasOpen = upload.isOpen;
      // A failed one may have parts left.
      void upload.cancel().then(() => uploads.pump());
      if (!wasOpen) onRemove(this);
    });
    const button = within(this.root, "copy");
    on(button, "click", () => void copy(button, BUTTON.copy, upload.key ?? "", SAID.copied(name)));
    button.setAttribute("aria-label", BUTTON.of(BUTTON.copy, name));
    this.update();
  }

  /** Shows how it is now. */
  update(): void {
    const { phase, sent, size, status, name, failure, key = "" } = this.upload;
    this.root.dataset["phase"] = phase;
    this.root.dataset["moves"] = String(phase === "running" && !this.upload.waitReason);
    setHidden(this.#progress, phase === "done" || phase === "failed" || phase === "cancelled");
    setProgress(this.#progress, sent, size);
    setText(this.#status, status);
    const label = phase === "failed" && !failure?.mayRetry ? undefined : FIRST[phase];
    const hadFocus = document.activeElement === this.#first;
    setHidden(this.#first, label === undefined);
    this.#label(this.#first, label ?? "", name);
    const last = phase === "done" ? BUTTON.hide : BUTTON.remove;
    this.#label(this.#last, this.upload.isOpen ? BUTTON.cancel : last, name);
    setHidden(this.#key, phase !== "done");
    setText(within(this.#key, "text"), key);
    if (hadFocus && this.#first.hidden) this.focus();
  }

  /** Puts the keyboard where something can be done. */
  focus(): void {
    (this.upload.phase === "done" ? within(this.root, "copy") : this.#last).focus();
  }

  #label(button: HTMLElement, label: string, name: string): void {
    if (button.textContent === label) return;
    setText(button, label);
    button.setAttribute("aria-label", BUTTON.of(label, name));
  }
}
