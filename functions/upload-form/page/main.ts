import { copy } from "./copy";
import { element, on, setHidden, setProgress, setText } from "./dom";
import { type Found, chosen, dropped } from "./files";
import { showInterrupted } from "./interrupted";
import { forgetOld } from "./journal";
import { List } from "./list";
import { say } from "./say";
import { BUTTON, SAID, summary } from "./texts";
import type { Phase, Upload } from "./upload";
import { Uploads } from "./uploads";

const { title } = document;
const phases = new WeakMap<Upload, Phase>();
const uploads = new Uploads(changed);
const list = new List(uploads);
let isDue = false;
let arrived: string[] = [];

/** Draws once a frame, however much happens in between. */
function draw(): void {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    list.update();
    const { files, size, sent, earlierBytes, by } = uploads.totals();
    uploads.meter.add(sent - earlierBytes);
    const isOpen = by.waiting + by.running + by.paused > 0;
    setHidden(element("uploads"), files === 0);
    const rate = by.running > 0 ? uploads.meter.rate() : 0;
    setText(element("summary"), summary(by.done, files, sent, size, rate));
    const all = element("all");
    setHidden(all, !isOpen || files < 2);
    setProgress(all, sent, size);
    const canPause = by.waiting + by.running > 0;
    setText(element("pause-all"), canPause ? BUTTON.pauseAll : BUTTON.resumeAll);
    setHidden(element("pause-all"), files < 2 || !isOpen);
    setHidden(element("copy-keys"), by.done < 2);
    setHidden(element("clear"), files < 2 || by.done + by.cancelled === 0);
    setHidden(element("meaning"), by.done === 0);
    document.title = isOpen && size > 0 ? `${Math.floor((sent / size) * 100)} % · ${title}` : title;
  });
}

function changed(upload: Upload): void {
  draw();
  const { phase, name } = upload;
  if (phases.get(upload) === phase) return;
  phases.set(upload, phase);
  // One that is chosen again is a row of the list from now on.
  void showInterrupted();
  if (phase === "failed") say(SAID.failed(name, upload.failure?.message ?? ""));
  if (phase !== "done") return;
  if (arrived.length === 0) {
    // Those that arrive together are said together.
    setTimeout(() => {
      const { files, by } = uploads.totals();
      const isAll = files > 1 && by.done === files;
      say(isAll ? SAID.allDone : SAID.arrived(arrived));
      arrived = [];
    }, 500);
  }
  arrived.push(name);
}

function take({ items, unread }: Found): void {
  // Elsewhere, a browser hashes nothing.
  if (!isSecureContext) return setText(element("notice"), SAID.insecure);
  if (items.length > 0) say(SAID.added(items.length));
  else if (unread === 0) say(SAID.none);
  if (unread > 0) say(SAID.unread(unread));
  setText(element("notice"), unread > 0 ? SAID.unread(unread) : items.length === 0 ? SAID.none : "");
  uploads.add(items);
  draw();
}

for (const what of ["files", "folder"]) {
  const input = element(what) as HTMLInputElement;
  on(element(`choose-${what}`), "click", () => input.click());
  on(input, "change", () => {
    take(chosen(input));
    // The same file may be chosen again.
    input.value = "";
  });
}

// Anywhere: a file that misses its place would otherwise be opened, and the page left.
let depth = 0;
const over = (change: number) => {
  depth = Math.max(0, depth + change);
  document.body.classList.toggle("over", depth > 0);
};
on(document, "dragenter", () => over(1));
on(document, "dragleave", () => over(-1));
on(document, "dragover", (event) => event.preventDefault());
on(document, "drop", (event) => {
  event.preventDefault();
  over(-depth);
  if (event.dataTransfer) void dropped(event.dataTransfer).then(take);
});

on(element("pause-all"), "click", () => {
  const { by } = uploads.totals();
  if (by.waiting + by.running > 0) uploads.pauseAll();
  else uploads.resumeAll();
});
on(element("clear"), "click", () => {
  uploads.clear();
  element("choose-files").focus();
  draw();
});
on(element("copy-keys"), "click", () => {
  const keys = uploads.all.flatMap(({ key }) => key ?? []);
  void copy(element("copy-keys"), BUTTON.copyKeys, keys.join("\n"), SAID.allCopied);
});

on(window, "beforeunload", (event) => {
  if (uploads.all.some(({ isOpen }) => isOpen)) event.preventDefault();
});
on(window, "offline", () => say(SAID.offline));
on(window, "online", () => say(SAID.online));
// What is left of a rate changes although nothing happens.
setInterval(() => {
  if (uploads.all.some(({ phase }) => phase === "running")) draw();
}, 1000);
forgetOld();
void showInterrupted();
// Another tab has begun, ended or discarded one.
on(window, "storage", () => void showInterrupted());
