import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "../local/tools";
import { type Ended, ROOT, run } from "./tools";

/** A project that has installed the package, as npm packs it. */
const project = temporaryFolder();
const packing = temporaryFolder();
const installed = join(project, "node_modules", "tweedle");
const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  readonly files: readonly string[];
  readonly bin: Readonly<Record<string, string>>;
  readonly scripts: Readonly<Record<string, string>>;
};
const npm = (cwd: string, ...args: readonly string[]) => run("npm", args, { cwd }).ended;
let installation: Ended;

beforeAll(async () => {
  const outdir = join(packing, "dist");
  execFileSync(process.execPath, ["--import", "tsx", "client/build.ts", "--outdir", outdir], { cwd: ROOT });
  // The registry would have to be asked for its dependencies; ours are linked below.
  writeFileSync(join(packing, "package.json"), JSON.stringify({ ...manifest, dependencies: {} }));
  // What builds is in none of these files, and has run already.
  await npm(packing, "pack", "--ignore-scripts", "--pack-destination", project);
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "consumer", private: true }));
  installation = await npm(project, "install", "--offline", "--no-audit", "--no-fund", "./tweedle-0.1.0.tgz");
  symlinkSync(join(ROOT, "node_modules"), join(installed, "node_modules"));
  mkdirSync(join(project, "node_modules", "@types"));
  symlinkSync(join(ROOT, "node_modules/@types/node"), join(project, "node_modules/@types/node"));
}, 60_000);

const node = (cwd: string, name: string, code: string) => {
  writeFileSync(join(cwd, name), code);
  return run(process.execPath, [name], { cwd }).ended;
};
const NAMES = '["Consumer","Producer","TweedleError"]\n';

test("what is packed has the command and the library", () => {
  expect(manifest.files).toEqual(["dist"]);
  for (const path of [...Object.values(manifest.bin), "dist/index.js", "dist/types/client/index.d.ts"]) {
    expect([path, existsSync(join(installed, path))]).toEqual([path, true]);
  }
});

test("the package installs without a script, of which npm would warn", () => {
  expect(installation.code).toBe(0);
  expect(installation.stderr).not.toContain("script");
  expect(installation.stdout).toMatch(/^\nadded 1 package in \S+\n$/);
  const { scripts } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8")) as typeof manifest;
  // https://docs.npmjs.com/cli/using-npm/scripts#npm-install
  const ofAnInstallation = /^(pre|post)?(install|prepare)$|^prepublish$/;
  expect(Object.keys(scripts).filter((name) => ofAnInstallation.test(name))).toEqual([]);
});

test("npm ci builds the command, and so does npm pack before it packs", () => {
  const { "build:client": build, dependencies, prepack } = manifest.scripts;
  expect([dependencies, prepack]).toEqual(["npm run build:client", "npm run build:client"]);
  expect(build).toBe("node --import tsx client/build.ts");
  for (const path of Object.values(manifest.bin)) expect(existsSync(join(ROOT, path))).toBe(true);
});

test("require and import give the same library", async () => {
  const names =
    "console.log(JSON.stringify(Object.keys(tweedle).filter((name) => /^[A-Z]/.test(name)).sort()))";
  const required = await node(project, "a.cjs", `const tweedle = require("tweedle"); ${names}`);
  expect(required).toMatchObject({ code: 0, stdout: NAMES });
  const imported = await node(project, "b.mjs", `import * as tweedle from "tweedle"; ${names}`);
  expect(imported).toMatchObject({ code: 0, stdout: NAMES });
  const named = 'import { Producer } from "tweedle"; console.log(typeof Producer)';
  expect(await node(project, "c.mjs", named)).toMatchObject({ code: 0, stdout: "function\n" });
});

test("the package knows itself by its name", async () => {
  const named = 'import { Consumer, Producer } from "tweedle"; console.log(typeof Consumer, typeof Producer)';
  expect(await node(installed, "self.mjs", named)).toMatchObject({ code: 0, stdout: "function function\n" });
});

test("the command runs as npm links it", async () => {
  const link = join(project, "node_modules", ".bin", "tweedle");
  const { code, stdout } = await run(link, ["--version"]).ended;
  expect([code, stdout]).toEqual([0, "0.1.0\n"]);
});

const SOURCE = `
import { createReadStream } from "node:fs";
import { Consumer, type ConsumerEvent, type Handler, type Payload, type Produced, Producer, TweedleError } from "tweedle";

const handler: Handler = async ({ id, key, size, metadata, receiveCount, body }: Payload) => {
  for await (const chunk of body) console.log(id, key, size, metadata["a"], receiveCount, (chunk as Buffer).length);
};
const onEvent = (event: ConsumerEvent) => {
  if (event.kind === "failed") console.log(event.error.message, event.retryAfterSeconds);
  if (event.kind === "handled") console.log(event.payload.key);
};

export async function main(): Promise<Produced> {
  const producer = new Producer({ apiUrl: "https://example.com/dev" });
  try {
    await producer.produce("file.txt", { metadata: { a: "1" } });
    await producer.produce(createReadStream("file.txt"), { name: "x", signal: AbortSignal.timeout(1000) });
    return await producer.produce(Buffer.from("x"));
  } catch (error) {
    if (error instanceof TweedleError && error.code === "Interrupted") console.log(error.message);
    throw error;
  } finally {
    producer.close();
    await new Consumer({ apiUrl: "", queueUrl: "", handler, onEvent, concurrency: 2 }).run();
  }
}
// @ts-expect-error -- There is no such option.
new Producer({ apiUrl: "", nonsense: true });
`;

test.each([
  ["nodenext", "nodenext", "commonjs"],
  ["nodenext", "nodenext", "module"],
  ["preserve", "bundler", "module"],
])(
  "its types hold where modules are %s and resolved as %s, in a %s",
  async (module, moduleResolution, type) => {
    const folder = join(project, `${moduleResolution}-${type}`);
    mkdirSync(folder);
    writeFileSync(join(folder, "package.json"), JSON.stringify({ type }));
    writeFileSync(join(folder, "index.ts"), SOURCE);
    const compilerOptions = {
      module,
      moduleResolution,
      target: "ES2022",
      types: ["node"],
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      skipLibCheck: false,
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions }));
    const tsc = join(ROOT, "node_modules/typescript/lib/tsc.js");
    expect(await run(process.execPath, [tsc, "-p", folder], { cwd: folder }).ended).toMatchObject({
      code: 0,
      stdout: "",
    });
  },
);
