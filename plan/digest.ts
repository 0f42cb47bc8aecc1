import { createHash, scryptSync } from "node:crypto";

/** The values in a plan's JSON of a change of a resource or an output. */
export interface Values {
  readonly before?: unknown;
  readonly after?: unknown;
  readonly after_unknown?: unknown;
  readonly before_sensitive?: unknown;
  readonly after_sensitive?: unknown;
}

/** The properties that have a part for each attribute of a resource. */
const BY_ATTRIBUTE = ["before", "after", "after_unknown", "before_sensitive", "after_sensitive"] as const;

/** Makes a guess at a sensitive value cost about a tenth of a second: https://www.rfc-editor.org/rfc/rfc7914 */
const SCRYPT = { N: 2 ** 15, r: 8, p: 1, maxmem: 2 ** 26 };

/**
 * Computes a digest of values from a plan. A review is shown to more people than the plan's JSON is, so values of which
 * any is sensitive are digested at a cost that makes guessing slow.
 *
 * @param values any JSON
 * @param marks of what is sensitive in it: true, false, or an object or a list of such
 * @returns 64 hexadecimal digits
 */
export function digestOf(values: unknown, ...marks: readonly unknown[]): string {
  const json = JSON.stringify(values);
  return marks.some(hasTrue)
    ? scryptSync(json, "tweedle-plan", 32, SCRYPT).toString("hex")
    : createHash("sha256").update(json).digest("hex");
}

/** Leaves the other attributes out of a change. */
export const withAttributes = (change: Values, attributes: readonly string[]): object => ({
  ...change,
  ...Object.fromEntries(
    BY_ATTRIBUTE.map((property) => [
      property,
      attributes.map((name) => [name, partOf(change[property], name) ?? null]),
    ]),
  ),
});

/** The part of a change's property that an attribute has. Marks of all attributes alike are no object. */
export const partOf = (values: unknown, attribute: string): unknown =>
  typeof values === "object" && values !== null
    ? (values as Readonly<Record<string, unknown>>)[attribute]
    : values;

/** Whether anything is marked: as unknown, or as sensitive. */
export const hasTrue = (marks: unknown): boolean =>
  marks === true || (typeof marks === "object" && marks !== null && Object.values(marks).some(hasTrue));

/** An escaped character, which only a string has, the end of a string, or a number. */
const TOKEN = /\\.|"|-?\d[\d.eE+-]*/g;

/**
 * Parses a plan's JSON. Terraform's numbers have any number of digits, of which JavaScript keeps 15, so they become
 * texts, `\u0000number 12`.
 */
export function parseExactly(json: string): unknown {
  let inString = false;
  const exact = json.replace(TOKEN, (token) => {
    if (token === '"') inString = !inString;
    return inString || !/^[-\d]/.test(token) ? token : `"\\u0000number ${token}"`;
  });
  return JSON.parse(exact);
}
