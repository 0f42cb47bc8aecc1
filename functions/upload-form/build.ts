import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { buildSync } from "esbuild";
import type { Page } from "./page";
import { PAGE, limits, typeNames } from "./page/texts";

/** What of its stage the page says. */
export interface PageSettings {
  readonly title: string;
  /** The largest object, in bytes; undefined for what S3 takes. */
  readonly maxObjectBytes: number | undefined;
  /** The media types that are taken; undefined for any. */
  readonly contentTypes: readonly string[] | undefined;
}

const FOLDER = join(__dirname, "page");

const escapeHtml = (text: string) =>
  text.replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);

/** How a policy names what is inlined: https://www.w3.org/TR/CSP3/#grammardef-hash-source */
const hashSource = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

let assets: { readonly script: string; readonly style: string } | undefined;

/** The page's script and style, each as one file. They are the same for every stage. */
function buildAssets() {
  const { outputFiles } = buildSync({
    absWorkingDir: FOLDER,
    entryPoints: ["main.ts", "style.css"],
    outdir: FOLDER,
    bundle: true,
    minify: true,
    write: false,
    format: "iife",
    target: ["chrome110", "firefox115", "safari16.4"],
    charset: "utf8",
    legalComments: "none",
    logLevel: "warning",
  });
  const of = (ending: string) => (outputFiles.find(({ path }) => path.endsWith(ending))?.text ?? "").trim();
  return { script: of(".js"), style: of(".css") };
}

/**
 * The upload form as one page without anything outside of it, and a policy that lets nothing else in: what is inlined
 * is named by its digest. All that a stage says, and every text, stands in it escaped; the script reads the settings
 * from the body's attributes.
 */
export function buildPage({ title, maxObjectBytes, contentTypes }: PageSettings): Page {
  assets ??= buildAssets();
  const { script, style } = assets;
  const values: Readonly<Record<string, string>> = {
    ...PAGE,
    title,
    maxObjectBytes: String(maxObjectBytes ?? ""),
    contentTypes: contentTypes?.join(",") ?? "",
    typeNames: typeNames(contentTypes ?? []),
    limits: limits(maxObjectBytes, contentTypes),
  };
  const html = readFileSync(join(FOLDER, "index.html"), "utf8")
    .replace(/<!--.*?-->\n?/gs, "")
    .replace(/\n\s*/g, "\n")
    .replace(/\{\{(\w+)\}\}/g, (_, name: string) => {
      if (!Object.hasOwn(values, name)) throw new Error(`The page has no text for {{${name}}}.`);
      return escapeHtml(values[name] ?? "");
    })
    // Functions: what they put there may hold "$&".
    .replace('<link rel="stylesheet" href="style.css" />', () => `<style>${style}</style>`)
    .replace('<script src="main.ts"></script>', () => `<script>${script}</script>`);
  const policy = [
    "default-src 'none'",
    `script-src ${hashSource(script)}`,
    `style-src ${hashSource(style)}`,
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
  return { html, policy };
}
