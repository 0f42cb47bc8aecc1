import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";
import { temporaryFolder } from "../local/tools";
import { type Ended, ROOT, filesIn, run } from "./tools";

/** A project that has installed the package, as npm packs it. */
const project = temporaryFolder();
const packing = temporaryFolder();
const installed = join(project, "node_modules", "tweedle");
const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  readonly files: readonly string[];
  readonly bin: Readonly<Record<string, string>>;
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly exports: {
    readonly ".": Readonly<Record<"import" | "require", Readonly<Record<"types" | "default", string>>>>;
  };
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
  const { import: module, require: commonJs } = manifest.exports["."];
  for (const path of [...Object.values(manifest.bin), ...Object.values(module), ...Object.values(commonJs)]) {
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

/** The packages of npm that a file of the package imports or requires, its types included. */
function packagesOf(path: string): string[] {
  const { outputs } = buildSync({
    entryPoints: [path],
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    loader: { ".mts": "ts" },
    // A type has no code: its imports are kept.
    tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
    outdir: "out",
    write: false,
    metafile: true,
    logLevel: "silent",
  }).metafile;
  const imported = Object.values(outputs).flatMap(({ imports }) => imports);
  const names = imported
    .filter(({ external, path: name }) => external && !isBuiltin(name))
    .map(({ path: name }) => /^(@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? name);
  return [...new Set(names)].toSorted();
}

test("what depends on a package of npm is the library for require and the types, and the manifest names no other", () => {
  const dist = join(installed, "dist");
  expect(packagesOf(join(dist, "tweedle.js"))).toEqual([]);
  expect(packagesOf(join(dist, "esm/index.mjs"))).toEqual([]);
  const required = packagesOf(join(dist, "index.js"));
  expect(required).toEqual(Object.keys(manifest.dependencies).toSorted());
  const types = filesIn(join(dist, "types")).map((file) => readFileSync(join(dist, "types", file), "utf8"));
  const typed = types.flatMap((text) =>
    [...text.matchAll(/from "([^.][^"]*)"/g)].map(([, name = ""]) => name),
  );
  expect(typed.filter((name) => !isBuiltin(name) && !required.includes(name))).toEqual([]);
});

/** A program that reaches all that a consumer and a producer load, as far as nothing listens where they look. */
const PROGRAM = `
import { Consumer, Producer, TweedleError } from "tweedle";
const apiUrl = "http://127.0.0.1:1/dev";
const refused = (error) => console.log(error instanceof TweedleError, /refused/i.test(error.message));
const credentials = { accessKeyId: "a", secretAccessKey: "b" };
const queueUrl = "http://127.0.0.1:1/1/queue";
new Consumer({ apiUrl, queueUrl, handler: () => undefined }).run().catch(refused);
const producer = new Producer({ apiUrl, retry: { maxAttempts: 1 } });
producer.produce(Buffer.from("x"), { name: "cat.jpg" }).catch(refused);
`;
const CREDENTIALS = { AWS_REGION: "eu-central-1", AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b" };

test.each(["esm", "cjs"] as const)(
  "esbuild bundles it for Node as %s, and the bundle runs",
  async (format) => {
    const [entry, outfile] = [
      join(project, "program.mjs"),
      join(project, `bundled.${format === "esm" ? "mjs" : "cjs"}`),
    ];
    writeFileSync(entry, PROGRAM);
    buildSync({ entryPoints: [entry], bundle: true, platform: "node", format, outfile, logLevel: "silent" });
    const ended = await run(process.execPath, [outfile], { env: CREDENTIALS }).ended;
    expect(ended).toMatchObject({ code: 0, stdout: "true true\ntrue true\n", stderr: "" });
  },
);

/** The files that a program loads, as V8 counts them: https://nodejs.org/api/cli.html#node_v8_coveragedir */
async function loadedBy(name: string, code: string): Promise<string[]> {
  const folder = join(project, `coverage-${name}`);
  writeFileSync(join(project, name), code);
  const env = { ...CREDENTIALS, NODE_V8_COVERAGE: folder };
  expect(await run(process.execPath, [name], { cwd: project, env }).ended).toMatchObject({ code: 0 });
  const [report = ""] = filesIn(folder);
  const { result } = JSON.parse(readFileSync(join(folder, report), "utf8")) as { result: { url: string }[] };
  return result.filter(({ url }) => url.startsWith("file:")).map(({ url }) => fileURLToPath(url));
}

test.each([
  ["a.mjs", 'import { Producer, Consumer } from "tweedle";'],
  ["a.cjs", 'const { Producer, Consumer } = require("tweedle");'],
])("a producer in %s loads nothing of the AWS SDK, and a consumer does", async (name, imports) => {
  const ofSdk = (files: readonly string[]) =>
    files.filter(
      (file) =>
        /@aws-sdk|@smithy|sqs-consumer/.test(file) ||
        /SQSClient = class|class SQSClient\b/.test(readFileSync(file, "utf8")),
    );
  const producer = `${imports} const producer = new Producer({ apiUrl: "http://127.0.0.1:1/dev", retry: { maxAttempts: 1 } });
    producer.produce(Buffer.from("x")).catch(() => producer.close());`;
  expect(ofSdk(await loadedBy(name, producer))).toEqual([]);
  const consumer = `${imports} new Consumer({ apiUrl: "http://127.0.0.1:1/dev", queueUrl: "http://127.0.0.1:1/1/q", handler: () => undefined })
    .run().catch(() => undefined);`;
  expect(ofSdk(await loadedBy(`consumer-${name}`, consumer))).not.toEqual([]);
});

test("a consumer's options are checked where it is made", async () => {
  const code = `import { Consumer } from "tweedle";
    const options = { apiUrl: "http://127.0.0.1:1/dev", queueUrl: "http://127.0.0.1:1/1/q", handler: () => undefined };
    for (const wrong of [{ concurrency: 0 }, { queueUrl: "queue" }, { apiUrl: "api" }])
      try { new Consumer({ ...options, ...wrong }); } catch (error) { console.log(error.code); }`;
  expect(await node(project, "options.mjs", code)).toMatchObject({ code: 0, stdout: "Invalid\n".repeat(3) });
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
