import { element } from "./dom";

const QUIET_MS = 800;
const sentences: string[] = [];
let isDue = false;

/** Says something to who listens to the page. What comes at once is said together: a screen reader would lose the first. */
export function say(sentence: string): void {
  sentences.push(sentence);
  if (isDue) return;
  isDue = true;
  setTimeout(() => {
    isDue = false;
    const live = element("live");
    const text = sentences.splice(0).join(" ");
    // A text that is there already is read out again only if it changes.
    live.textContent = live.textContent === text ? `${text}\u00A0` : text;
  }, QUIET_MS);
}
