import { join } from "node:path";
import { buildSync } from "esbuild";

/** Bundles as esbuild does by default: its CommonJS, not the ES modules that our own bundle is made of. */
export function usualBundle(entry: string): string {
  const options = { bundle: true, minify: true, write: false, platform: "node", target: "node22" } as const;
  return buildSync({ entryPoints: [join(__dirname, entry)], ...options }).outputFiles[0]?.text ?? "";
}
