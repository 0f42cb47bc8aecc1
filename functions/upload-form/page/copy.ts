import { setText } from "./dom";
import { say } from "./say";
import { BUTTON } from "./texts";

const SHOWN_MS = 2000;

/**
 * Copies a text, and says for a moment on the button whether it did.
 *
 * @param copied the sentence for a screen reader, which reads no button that changes
 */
export async function copy(button: HTMLElement, label: string, text: string, copied: string): Promise<void> {
  let said: string = BUTTON.copied;
  let sentence = copied;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    said = BUTTON.notCopied;
    sentence = BUTTON.notCopied;
  }
  say(sentence);
  setText(button, said);
  setTimeout(() => setText(button, label), SHOWN_MS);
}
