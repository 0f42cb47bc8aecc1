/** Longest value that a message quotes, and longest sentence of another program that it repeats, in characters. */
const MAX_VALUE = 100;
const MAX_SENTENCE = 500;

/**
 * Replaces control characters, line separators, bidirectional controls, noncharacters and zero-width characters by
 * their escapes, \u001b: they move the cursor of a terminal, show one text as another, or are not seen.
 *
 * https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing
 */
export const escapeControls = (text: string): string =>
  text.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\p{NChar}\u200b\u2060\ufeff]/gu, (character) =>
    character.split("").map(escapeUnit).join(""),
  );

/** The escape of a UTF-16 unit: a character beyond U+FFFF has two. */
const escapeUnit = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;

/**
 * Formats a value from outside for a message, as JSON: on one line, without control characters, and cut after 100
 * characters, with the length of a text that is cut. Never throws.
 */
export function quote(value: unknown): string {
  if (typeof value !== "string") return escapeControls(cut(jsonOf(value), MAX_VALUE));
  const text = cut(value, MAX_VALUE);
  return `${escapeControls(JSON.stringify(text))}${text === value ? "" : ` (${value.length} characters)`}`;
}

/** Formats a sentence of another program for a message: on one line, without control characters, cut after 500. */
export const excerpt = (sentence: string): string => escapeControls(cut(sentence, MAX_SENTENCE));

/** The beginning of a text, with an ellipsis where there is more. A surrogate pair stays whole. */
function cut(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max).replace(/[\uD800-\uDBFF]$/, "")}…`;
}

function jsonOf(value: unknown): string {
  if (typeof value === "number") return String(value);
  try {
    return JSON.stringify(value) ?? typeof value;
  } catch {
    // Cyclic, or nested deeper than the stack.
    return typeof value;
  }
}
