import { execFileSync } from "node:child_process";
import { chmodSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildSync } from "esbuild";

const ROOT = join(__dirname, "..");

/** The command, with all that it needs, as one file: node would take a second to find as much in node_modules. */
export function buildCommand(outfile: string): void {
  buildSync({
    absWorkingDir: ROOT,
    entryPoints: ["client/cli/tweedle.ts"],
    outfile,
    bundle: true,
    minify: true,
    keepNames: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    mainFields: ["module", "main"],
    banner: { js: "#!/usr/bin/env node" },
    legalComments: "none",
    logLevel: "warning",
  });
  chmodSync(outfile, 0o755);
}

/** The library: our own code as one file, the packages that it needs left to npm. */
function buildLibrary(folder: string): void {
  buildSync({
    absWorkingDir: ROOT,
    entryPoints: ["client/index.ts"],
    outfile: join(folder, "index.js"),
    bundle: true,
    packages: "external",
    platform: "node",
    target: "node20",
    format: "cjs",
    logLevel: "warning",
  });
  const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  execFileSync(
    process.execPath,
    [tsc, "-p", join(ROOT, "client", "tsconfig.json"), "--outDir", join(folder, "types")],
    { stdio: "inherit" },
  );
}

/** What `npm run prepare` makes, and `npm ci` too: dist/tweedle.js, dist/index.js and its types. */
if (require.main === module) {
  const { outdir } = parseArgs({
    options: { outdir: { type: "string", default: join(ROOT, "dist") } },
  }).values;
  // What an earlier version has made may be no part of this one.
  rmSync(join(outdir, "types"), { recursive: true, force: true });
  buildCommand(join(outdir, "tweedle.js"));
  buildLibrary(outdir);
}
