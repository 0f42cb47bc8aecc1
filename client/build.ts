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
  // The bin beside it is ESM without an extension, which Node takes from 20.10 on only.
  const tsc = join(ROOT, "node_modules", "typescript", "lib", "tsc.js");
  execFileSync(
    process.execPath,
    [tsc, "-p", join(ROOT, "client", "tsconfig.json"), "--outDir", join(folder, "types")],
    { stdio: "inherit" },
  );
}

/**
 * `npm run build:client`: makes dist/tweedle.js, dist/index.js and its types. `npm ci` runs it as the script
 * `dependencies`, and `npm pack` as `prepack`: npm takes a `prepare` for a script that an install would run, even in a
 * tarball, and warns of it. https://docs.npmjs.com/cli/using-npm/scripts#life-cycle-scripts
 */
if (require.main === module) {
  const { outdir } = parseArgs({
    options: { outdir: { type: "string", default: join(ROOT, "dist") } },
  }).values;
  // What an earlier version has made may be no part of this one.
  rmSync(join(outdir, "types"), { recursive: true, force: true });
  buildCommand(join(outdir, "tweedle.js"));
  buildLibrary(outdir);
}
