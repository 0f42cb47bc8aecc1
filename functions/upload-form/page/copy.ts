import { setText } from "./dom";
import { say } from "./say";
import { BUTTON } from "./texts";

const SHOWN_MS = 2000;

/** Copies a text, and says for a moment on the button whether it did. */
export async function copy(button: HTMLElement, label: string, text: string): Promise<void> {
  let said: string = BUTTON.copied;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    said = BUTTON.notCopied;
  }
  say(said);
  setText(button, said);
  setTimeout(() => setText(button, label), SHOWN_MS);
}
