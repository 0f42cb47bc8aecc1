import { printable, printableLines } from "../client/cli/terminal";

/**
 * Somebody else's words in a line of Markdown: a code span, in which nothing is markup, a mention or a link. Its
 * delimiter is longer than any run of backticks in it. https://spec.commonmark.org/0.31.2/#code-spans
 */
export function code(words: string): string {
  const plain = printable(words);
  const fence = "`".repeat(longestRun(plain) + 1);
  // A space that is taken off again keeps a backtick at an end apart from the delimiter.
  const pad = plain === "" || /^[` ]|[` ]$/.test(plain) ? " " : "";
  return `${fence}${pad}${plain}${pad}${fence}`;
}

/** A fence for blocks of somebody else's text, which none of its lines can close. */
export const fenceFor = (blocks: readonly string[]): string =>
  "`".repeat(Math.max(3, ...blocks.map((block) => longestRun(block) + 1)));

/** Text for a fenced block: lines stay lines, and other control characters are seen. */
export const fenced = (text: string): string =>
  printableLines(text.replaceAll("\r\n", "\n").replaceAll("\t", "  "));

function longestRun(words: string): number {
  let longest = 0;
  for (const [run] of words.matchAll(/`+/g)) longest = Math.max(longest, run.length);
  return longest;
}
