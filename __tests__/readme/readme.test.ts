import { execFile } from "node:child_process";
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { ACTIONS } from "../../functions/sign-url/actions";
import { withReference } from "../../functions/sign-url/reference";
import { buildCommand } from "../../client/build";
import { CREDENTIALS, type Chain, start } from "../../local/chain";
import { Consumer, synthesize, temporaryFolder } from "../local/tools";
import { describeWith } from "../terraform/describe-with";

const ROOT = join(__dirname, "../..");
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const readme = read("README.md");

test("the README's reference is the action table's (npm run reference makes it)", () => {
  expect(withReference(readme)).toBe(readme);
  for (const [name, { fields }] of Object.entries(ACTIONS)) {
    expect(readme).toContain(`| \`${name}\` |`);
    for (const field of Object.keys(fields)) expect(readme).toContain(`| \`${field}\``);
  }
});

test("a README without a place for the reference is refused", () => {
  expect(() => withReference("# Tweedle")).toThrow("The README lacks");
});

describeWith(["curl"], "the README's curl lines", () => {
  const stackOf = synthesize();

  test("put two payloads when they are pasted", async () => {
    const [, lines = ""] = /## The API.*?```sh\n(.*?)```/s.exec(readme) ?? [];
    const chain = await start({ stack: stackOf("dev") });
    const pasted = lines.replace("http://127.0.0.1:4600/dev", chain.apiUrl);
    expect(pasted).not.toBe(lines);
    await promisify(execFile)("bash", ["-e", "-c", pasted], { cwd: ROOT });
    const consumer = new Consumer(chain);
    const names = [await consumer.announced(), await consumer.announced()].map(({ key }) =>
      key.split("/").at(-1),
    );
    expect(names).toEqual(["lock.json", "cat.txt"]);
    await chain.stop();
  });
});

describe("the README's ways to send and receive", () => {
  const [, section = ""] = /## Send and receive\n(.*?)\n## /s.exec(readme) ?? [];
  const blocks = (language: string) =>
    [...section.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, "gs"))].map(([, code]) => code ?? "");
  const stackOf = synthesize();
  const folder = temporaryFolder();
  const node = promisify(execFile);
  let chain: Chain;
  let env: NodeJS.ProcessEnv;

  beforeAll(async () => {
    chain = await start({ stack: stackOf("dev") });
    env = {
      ...process.env,
      TWEEDLE_API_URL: chain.apiUrl,
      TWEEDLE_QUEUE_URL: chain.queueUrl,
      AWS_REGION: chain.stack.region,
      AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
    };
  });

  afterAll(() => chain.stop());

  test("in the shell", async () => {
    const command = join(folder, "tweedle.js");
    buildCommand(command);
    const [lines = ""] = blocks("sh");
    const pasted = lines.replaceAll("npx tweedle", `node ${command}`).replace("received", folder);
    const { stdout } = await node("bash", ["-e", "-c", pasted], { cwd: ROOT, env });
    expect(stdout).toMatch(/package-lock\.json\n.*stacks\.tar\n/);
    // The last of them, in the message itself, counted by wc.
    expect(stdout).toContain(`\n${statSync(join(ROOT, "package.json")).size}\n`);
    const received = readdirSync(folder, { recursive: true }).map(String);
    expect(received.filter((name) => /\/(package-lock\.json|stacks\.tar)$/.test(name))).toHaveLength(2);
  });

  test("in TypeScript", async () => {
    const lock = readFileSync(join(ROOT, "package-lock.json"));
    writeFileSync(join(folder, "package-lock.json"), lock);
    const programs = blocks("ts").map((code, index) => {
      const path = join(folder, `${index}.mts`);
      writeFileSync(path, code.replace('"tweedle"', JSON.stringify(join(ROOT, "client", "index.ts"))));
      return path;
    });
    expect(programs).toHaveLength(2);
    const tsx = ["--import", require.resolve("tsx")];
    const [producer = "", consumer = ""] = programs;
    const { stdout } = await node(process.execPath, [...tsx, producer], { cwd: folder, env });
    expect(stdout).toMatch(/^input\/.*\/package-lock\.json\n$/);
    await node(process.execPath, [...tsx, consumer], { cwd: folder, env });
    const payloads = readdirSync(folder).filter((name) => name.endsWith(".payload"));
    expect(payloads).toHaveLength(1);
    expect(readFileSync(join(folder, payloads[0] ?? "")).equals(lock)).toBe(true);
  });
});

test("the README says every error code that the signer and the gateway answer", () => {
  const sources = [
    ...["functions/sign-url", "functions/send-message"].flatMap((folder) =>
      readdirSync(join(ROOT, folder)).map((name) => `${folder}/${name}`),
    ),
    "stacks/constructs/url-api.ts",
  ].map(read);
  const codes = sources.flatMap((source) =>
    [...source.matchAll(/(?:RequestError\(\s*\d+,\s*|answerError\(\d+, |gatewayResponse\('")"?(\w+)"/g)].map(
      ([, code]) => code ?? "",
    ),
  );
  expect(codes.length).toBeGreaterThan(12);
  for (const code of codes.filter((name) => !/^Invalid[A-Z]\w+(Numbers|Key)$/.test(name))) {
    expect(readme).toContain(`\`${code}\``);
  }
});

test("help and the README name commands that there are, and help names them all", () => {
  const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
  const named = (text: string) => [...text.matchAll(/npm (?:run )?([a-z:]+)/g)].map(([, name]) => name ?? "");
  const npmOwn = ["ci", "pack", "prints"];
  for (const name of [...named(readme), ...named(read("help"))].filter((word) => !npmOwn.includes(word))) {
    expect(Object.keys(scripts)).toContain(name);
  }
  const hidden = ["help", "format:check"];
  expect(
    Object.keys(scripts).filter((name) => !hidden.includes(name) && !named(read("help")).includes(name)),
  ).toEqual([]);
});
