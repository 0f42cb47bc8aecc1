/*
 * What little of S3's XML is read. Not by the browser's own parser: it would make a document of whatever a server
 * says, and writes its complaints about it with inline styles, which the page's policy forbids.
 */

const ENTITIES: Readonly<Record<string, string>> = {
  quot: '"',
  "#34": '"',
  apos: "'",
  lt: "<",
  gt: ">",
  amp: "&",
};

/** The text of the first element of this name; empty where there is none. */
export function textIn(xml: string, name: string): string {
  const [, text = ""] = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml) ?? [];
  return text.replace(/&(#?\w+);/g, (entity, of: string) => ENTITIES[of] ?? entity);
}

/** What is in each element of this name. */
export const elementsIn = (xml: string, name: string): string[] => xml.split(`<${name}>`).slice(1);

/** For the text of an element. */
export const escapeXml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
