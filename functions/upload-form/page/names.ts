import { MAX_NAME_BYTES, UNFIT, ZERO_WIDTH } from "../../sign-url/names";

const bytes = (text: string) => new TextEncoder().encode(text).length;

const UNFIT_ALONE_OR_AT_END = new RegExp(`^\\.{1,2}$|^${ZERO_WIDTH}+|${ZERO_WIDTH}+$`, "g");

const cleanSegment = (segment: string) =>
  Array.from(segment, (character) => (UNFIT.test(character) ? "_" : character))
    .join("")
    .replace(UNFIT_ALONE_OR_AT_END, "_");

/** The name of a payload for a file's path: what the API would refuse is replaced, and what is too long loses its middle. */
export function cleanName(path: string): string {
  const name = path
    .normalize("NFC")
    .split("/")
    .filter((segment) => segment !== "")
    .map(cleanSegment)
    .join("/");
  if (bytes(name) <= MAX_NAME_BYTES) return name || "_";
  const characters = Array.from(name);
  const end = characters.slice(-40).join("").split("/").at(-1) ?? "";
  let start = "";
  for (const character of characters) {
    if (bytes(start + character + end) + 3 > MAX_NAME_BYTES) break;
    start += character;
  }
  // A cut may end in a slash.
  return `${start.replace(/\/$/, "")}…${end}`;
}
