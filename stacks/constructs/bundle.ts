import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildSync } from "esbuild";
import { type Zippable, zipSync } from "fflate";
import { createFolderSync } from "../../common/create-folder";

/** A function's code as Lambda takes it. */
export interface Bundle {
  /** The bundled JavaScript, index.js of the zip. */
  readonly code: string;
  readonly zip: Uint8Array;
  /** SHA-256 of the zip in base64, as Lambda and Terraform compare it. */
  readonly hash: string;
}

export interface BundleOptions {
  /** Further files of the zip, beside index.js: their contents by name. @default none */
  readonly files?: Readonly<Record<string, string>>;
  /** Packages that others stand in for, as esbuild's option of the same name. @default none */
  readonly alias?: Readonly<Record<string, string>>;
  /** Packages that are left out, as esbuild's option of the same name. @default none */
  readonly external?: readonly string[];
}

const ROOT = join(__dirname, "../..");

/**
 * Bundles a function into a zip that has the same bytes wherever and whenever it is made, so that a plan shows a
 * change of a function only where there is one. (cdktf's own archives hold modification times.)
 *
 * @param entry the function's file, relative to the repository: functions/sign-url/index.ts
 */
export function bundle(entry: string, { files = {}, alias = {}, external = [] }: BundleOptions = {}): Bundle {
  const { outputFiles } = buildSync({
    absWorkingDir: ROOT,
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    platform: "node",
    target: "node22",
    format: "cjs",
    legalComments: "none",
    // The ES modules of the SDK's packages: from the CommonJS ones nothing can be shaken off.
    mainFields: ["module", "main"],
    alias: { ...alias },
    external: [...external],
    logLevel: "warning",
  });
  const code = outputFiles[0]?.text ?? "";
  const contents: Record<string, string> = { ...files, "index.js": code };
  const zippable: Zippable = {};
  for (const name of Object.keys(contents).toSorted()) {
    // Unix, readable by the function's user. fflate writes local time, so a local date is the same everywhere.
    zippable[name] = [
      new TextEncoder().encode(contents[name]),
      { mtime: new Date(1980, 0, 1), os: 3, attrs: 0o100644 << 16, level: 9 },
    ];
  }
  const zip = zipSync(zippable);
  return { code, zip, hash: createHash("sha256").update(zip).digest("base64") };
}

/**
 * Writes a bundle where cdktf can copy it from at synth.
 *
 * @returns the zip's path
 */
export function writeBundle({ zip, hash }: Bundle, outdir: string): string {
  const folder = join(outdir, "bundles", Buffer.from(hash, "base64").toString("hex"));
  createFolderSync(folder);
  const path = join(folder, "function.zip");
  writeFileSync(path, zip);
  return path;
}
