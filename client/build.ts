import { execFileSync } from "node:child_process";
import { chmodSync, rmSync, writeFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Plugin, build, buildSync } from "esbuild";

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

/** The library for `require`: our own code as one file, the packages that it needs left to npm. */
function buildCommonJs(outfile: string): void {
  buildSync({
    absWorkingDir: ROOT,
    entryPoints: ["client/index.ts"],
    outfile,
    bundle: true,
    packages: "external",
    platform: "node",
    target: "node20",
    format: "cjs",
    logLevel: "warning",
  });
}

/**
 * The library for `import`, with the packages that it needs: most of them are CommonJS for Node, which a bundler cannot
 * put into ESM, since their `require` of Node's own modules has no meaning there. What is loaded later, such as the AWS
 * SDK, is in files of its own.
 */
async function buildModule(outdir: string): Promise<void> {
  await build({
    absWorkingDir: ROOT,
    entryPoints: ["client/index.ts"],
    outdir,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    splitting: true,
    platform: "node",
    target: "node20",
    format: "esm",
    mainFields: ["module", "main"],
    plugins: [IMPORT_NODE],
    legalComments: "none",
    logLevel: "warning",
  });
}

/** Turns each `require` of one of Node's own modules into an `import`. */
const IMPORT_NODE: Plugin = {
  name: "import-node",
  setup(esbuild) {
    const filter = new RegExp(`^(node:)?(${builtinModules.join("|")})$`);
    esbuild.onResolve({ filter }, ({ kind, path }) =>
      kind === "require-call" ? { path, namespace: "node" } : { path, external: true },
    );
    esbuild.onLoad({ filter: /./, namespace: "node" }, ({ path }) => ({
      contents: `export * from ${JSON.stringify(path)}; export { default } from ${JSON.stringify(path)};`,
    }));
  },
};

/** The library's types, for both. */
function buildTypes(outdir: string): void {
  // The bin beside it is ESM without an extension, which Node takes from 20.10 on only.
  const tsc = join(ROOT, "node_modules", "typescript", "lib", "tsc.js");
  execFileSync(process.execPath, [tsc, "-p", join(ROOT, "client", "tsconfig.json"), "--outDir", outdir], {
    stdio: "inherit",
  });
  writeFileSync(join(outdir, "client", "index.d.mts"), 'export * from "./index.js";\n');
}

/**
 * `npm run build:client`: makes dist/tweedle.js, dist/index.js, dist/esm and their types. `npm ci` runs it as the script
 * `dependencies`, and `npm pack` as `prepack`: npm takes a `prepare` for a script that an install would run, even in a
 * tarball, and warns of it. https://docs.npmjs.com/cli/using-npm/scripts#life-cycle-scripts
 */
if (require.main === module) {
  const { outdir } = parseArgs({
    options: { outdir: { type: "string", default: join(ROOT, "dist") } },
  }).values;
  // What an earlier version has made may be no part of this one.
  for (const folder of ["esm", "types"]) rmSync(join(outdir, folder), { recursive: true, force: true });
  buildCommand(join(outdir, "tweedle.js"));
  buildCommonJs(join(outdir, "index.js"));
  buildTypes(join(outdir, "types"));
  void buildModule(join(outdir, "esm"));
}
