import { spawnSync } from "node:child_process";
import { cpSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { type Comparison, row } from "./table";
import { medians, takeTurns } from "./turns";

const ROOT = join(__dirname, "..");
const RUNS = 3;

// On a pipe of its own: the others are the app's.
const REPORT_PEAK = `process.on("exit", () => {
  require("node:fs").writeSync(3, String(process.resourceUsage().maxRSS));
});`;

const DEEP_IMPORT = /import\s*\{([^}]*)\}\s*from "@cdktf\/provider-aws\/lib\/([\w-]+)";/g;

/** Deep imports of the provider as imports of its root, with an alias for each name. */
function importRoot(source: string): string {
  const rewritten = source.replace(DEEP_IMPORT, (_, names: string, file: string) => {
    const namespace = file.replace(/-(\w)/g, (_dash, letter: string) => letter.toUpperCase());
    const aliases = [...names.matchAll(/(\w+)(?:\s+as\s+(\w+))?\s*(?:,|$)/g)].map(
      ([, name, local = name]) => `import ${local} = ${namespace}.${name};`,
    );
    return [`import { ${namespace} } from "@cdktf/provider-aws";`, ...aliases].join(" ");
  });
  if (rewritten.includes("@cdktf/provider-aws/lib/")) throw new Error(`An import stayed deep: ${rewritten}`);
  return rewritten;
}

/** Copies the app as it is now, but with imports of the provider's root. */
function copyApp(folder: string): void {
  for (const path of ["main.ts", "tsconfig.json", "stacks", "functions", "client"]) {
    cpSync(join(ROOT, path), join(folder, path), { recursive: true });
  }
  for (const entry of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    const path = join(folder, entry);
    if (path.endsWith(".ts")) writeFileSync(path, importRoot(readFileSync(path, "utf8")));
  }
}

/** ts-node as `cdktf init` sets it up. In tsconfig.json, which esbuild reads, it would change the bundle. */
function tsNodeEnvironment(folder: string): Record<string, string> {
  const cli = createRequire(require.resolve("cdktf-cli/package.json"));
  const project = join(folder, "tsconfig.ts-node.json");
  const template = cli.resolve("./bundle/templates/typescript/tsconfig.json");
  // The template's es2018 does not know what our code calls.
  writeFileSync(project, JSON.stringify({ extends: template, compilerOptions: { lib: ["es2024"] } }));
  // ts-node does not run on TypeScript 7. cdktf's own compiler brings a TypeScript 5.
  const compiler = createRequire(cli.resolve("jsii/package.json")).resolve("typescript");
  return { TS_NODE_PROJECT: project, TS_NODE_COMPILER: compiler };
}

/**
 * A synth of this app against the same app as `cdktf init` sets one up.
 *
 * @param folder where the other app goes; in the repository, for its packages
 * @throws Error where two ways do not synthesize the same
 */
export function compareSynths(folder: string): Comparison {
  const app = join(folder, "app");
  copyApp(app);
  const tsx = ["--import", "tsx", "main.ts"];
  const tsNode = [require.resolve("ts-node/dist/bin"), "main.ts"];
  const ways = [
    { name: "ours", cwd: ROOT, args: tsx, env: {} },
    { name: "cdktf init", cwd: app, args: tsNode, env: tsNodeEnvironment(app) },
    { name: "root import", cwd: app, args: tsx, env: {} },
  ];
  const reportPeak = join(folder, "report-peak.cjs");
  writeFileSync(reportPeak, REPORT_PEAK);

  const synths = takeTurns("synth", RUNS, ways, ({ name, cwd, args, env }, turn) => {
    const outdir = join(folder, `${name} ${turn}`);
    const start = performance.now();
    const { status, output } = spawnSync(process.execPath, ["--require", reportPeak, ...args], {
      cwd,
      env: { ...process.env, ...env, CDKTF_OUTDIR: outdir },
      encoding: "utf8",
      stdio: ["ignore", "ignore", "pipe", "pipe"],
    });
    const seconds = (performance.now() - start) / 1000;
    if (status !== 0) throw new Error(`The synth "${name}" failed: ${output[2]}`);
    const stacks = readdirSync(join(outdir, "stacks")).toSorted();
    const files = stacks.map((stack) => readFileSync(join(outdir, "stacks", stack, "cdk.tf.json"), "utf8"));
    return { seconds, peakMb: (Number(output[3]) * 1024) / 1e6, terraform: files.join() };
  });
  if (new Set(synths.flat().map(({ terraform }) => terraform)).size !== 1) {
    throw new Error("The ways do not synthesize the same cdk.tf.json.");
  }
  const seconds = medians(synths, (run) => run.seconds);
  const peakMb = medians(synths, (run) => run.peakMb);
  return {
    title: "synth",
    contenders: ways.map(({ name }) => name),
    rows: [row("wall time, s", seconds), row("peak memory, MB", peakMb)],
    notes: [
      'cdktf init: ts-node with its template\'s tsconfig, and import … from "@cdktf/provider-aws".',
      "root import: that import, run by tsx as ours is.",
      `Medians of ${RUNS} runs each, in turns; all synthesize the same cdk.tf.json.`,
    ],
  };
}
