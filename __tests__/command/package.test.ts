import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "../local/tools";
import { ROOT, run } from "./tools";

/** A project that has the package in its node_modules, as npm puts it there: what `files` says, and nothing else. */
const project = temporaryFolder();
const installed = join(project, "node_modules", "tweedle");
const packed = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  readonly files: readonly string[];
  readonly bin: Readonly<Record<string, string>>;
};

beforeAll(() => {
  mkdirSync(installed, { recursive: true });
  const outdir = join(installed, "dist");
  execFileSync(process.execPath, ["--import", "tsx", "client/build.ts", "--outdir", outdir], { cwd: ROOT });
  cpSync(join(ROOT, "package.json"), join(installed, "package.json"));
  // Its dependencies lie beside it.
  symlinkSync(join(ROOT, "node_modules"), join(installed, "node_modules"));
  mkdirSync(join(project, "node_modules", "@types"));
  symlinkSync(join(ROOT, "node_modules/@types/node"), join(project, "node_modules/@types/node"));
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "consumer", private: true }));
}, 60_000);

const node = (cwd: string, name: string, code: string) => {
  writeFileSync(join(cwd, name), code);
  return run(process.execPath, [name], { cwd }).ended;
};
const NAMES = '["Consumer","Producer","TweedleError"]\n';

test("what is packed has the command and the library, and is built before", () => {
  expect(packed.files).toEqual(["dist"]);
  for (const path of [...Object.values(packed.bin), "dist/index.js", "dist/types/client/index.d.ts"]) {
    expect([path, existsSync(join(installed, path))]).toEqual([path, true]);
  }
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
  mkdirSync(join(link, ".."));
  symlinkSync(join("..", "tweedle", packed.bin["tweedle"] ?? ""), link);
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
    const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
    expect(await run(process.execPath, [tsc, "-p", folder], { cwd: folder }).ended).toMatchObject({
      code: 0,
      stdout: "",
    });
  },
);
