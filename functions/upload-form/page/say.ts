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
    element("live").textContent = sentences.splice(0).join(" ");
  }, QUIET_MS);
}
