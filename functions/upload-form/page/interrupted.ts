import { element, on, setHidden } from "./dom";
import { type Interrupted, interruptedUploads } from "./journal";
import { discard } from "./multipart";
import { say } from "./say";
import { BUTTON, INTERRUPTED, SAID } from "./texts";

let shown = "";

/** Shows the uploads of earlier pages, and the remedy: choosing the file again, or discarding what is there. */
export async function showInterrupted(): Promise<void> {
  const uploads = await interruptedUploads();
  const ids = uploads.map(({ id }) => id).join(" ");
  if (ids === shown) return;
  // A screen reader hears of them once, when the page has come.
  if (shown === "") for (const { entry } of uploads) say(INTERRUPTED(entry.name, entry.done));
  shown = ids;
  const list = element("interrupted");
  list.replaceChildren(...uploads.map(itemOf));
  setHidden(list, uploads.length === 0);
}

function itemOf(upload: Interrupted): HTMLElement {
  const { name, done } = upload.entry;
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = BUTTON.discard;
  button.setAttribute("aria-label", BUTTON.of(BUTTON.discard, name));
  on(button, "click", () => {
    button.disabled = true;
    void discard(upload).then(() => {
      say(SAID.discarded(name));
      element("choose-files").focus();
      return showInterrupted();
    });
  });
  item.append(INTERRUPTED(name, done), " ", button);
  return item;
}
