import { execFile } from "node:child_process";
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { ACTIONS } from "../../functions/sign-url/actions";
import { withReference } from "../../functions/sign-url/reference";
import { buildCommand } from "../../client/build";
import { App } from "cdktf";
import { CREDENTIALS, type Chain, start } from "../../local/chain";
import { ProducerConsumerStack } from "../../stacks/producer-consumer-stack";
import { type StageConfig, validateStage } from "../../stacks/stage";
import { Consumer, synthesize, temporaryFolder } from "../local/tools";
import { OPEN } from "../stacks/inspection-stack";
import { SynthesizedStack } from "../stacks/tools";
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
    expect(lines).toContain("$PWD/dist/tweedle.js");
    const own = lines.replace("$PWD/dist/tweedle.js", command).replace("received", folder);
    const pasted = `shopt -s expand_aliases\n${own}`;
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
    "stacks/constructs/gateway-definition.ts",
  ].map(read);
  const codes = sources.flatMap((source) =>
    [
      ...source.matchAll(/(?:RequestError\(\s*\d+,\s*|answerError\(\d+, |gatewayResponse\(\s*'")"?(\w+)"/g),
    ].map(([, code]) => code ?? ""),
  );
  expect(codes.length).toBeGreaterThan(12);
  for (const code of codes.filter((name) => !/^Invalid[A-Z]\w+(Numbers|Key)$/.test(name))) {
    expect(readme).toContain(`\`${code}\``);
  }
});

/** The cells of the rows of the table that comes first after a heading, without its head. */
function tableAfter(heading: string): string[][] {
  const [, rows = ""] = new RegExp(`\n${heading}\n.*?\n(\\|.*?)\n\n`, "s").exec(readme) ?? [];
  const lines = rows.split("\n").slice(2);
  expect(lines.length).toBeGreaterThan(5);
  return lines.map((line) => line.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, "")));
}

const codeIn = (text: string) => [...text.matchAll(/`([^`]+)`/g)].map(([, code = ""]) => code);

describe("the README's tables of a stage", () => {
  const outdir = temporaryFolder();
  const app = new App({ outdir });
  new ProducerConsumerStack(app, "events", { ...OPEN, eventBridge: true });
  app.synth();
  const stack = new SynthesizedStack(outdir, "events");
  /** By its name without the stage's prefix; of all functions the same. */
  const alarms = new Set(
    stack.ofType("aws_cloudwatch_metric_alarm").map(({ attributes }) =>
      String(attributes["alarm_name"])
        .replace("tweedle-open-alarm-", "")
        .replace(/^\w+-(errors|throttles)$/, "<function>-$1"),
    ),
  );

  test("say every alarm, and what sets it off", () => {
    const rows = tableAfter("### See what happens").map(([names = ""]) => codeIn(names));
    expect(new Set(rows.flat())).toEqual(alarms);
  });

  test("name of what can go wrong only alarms and tests that there are, and every alarm", () => {
    const rows = tableAfter("### What can go wrong");
    for (const row of rows) expect([row[0], row.length]).toEqual([row[0], 4]);
    const told = rows.flatMap(([, , tells = ""]) => codeIn(tells));
    const named = told.filter((code) => /^(<function>-\w+|[a-z0-9]+(-[a-z0-9]+)+)$/.test(code));
    expect(new Set(named)).toEqual(alarms);
    const tests = rows.flatMap(([, , , shown = ""]) => codeIn(shown));
    expect(tests.length).toBeGreaterThan(20);
    expect(tests.filter((path) => !existsSync(join(ROOT, "__tests__", path)))).toEqual([]);
  });

  test("say what each property of a stage does", () => {
    const propertiesOf = (): string => {
      try {
        validateStage({ ...OPEN, nonsense: true } as StageConfig);
      } catch (error) {
        return (error as Error).message.split("There are: ")[1] ?? "";
      }
      return "";
    };
    const properties = propertiesOf().replace(/\.$/, "").split(", ");
    expect(properties.length).toBeGreaterThan(20);
    const [, section = ""] = /\n### Switches\n(.*?)\n### /s.exec(readme) ?? [];
    const named = codeIn(section).map((code) => code.split(":")[0]);
    expect(properties.filter((property) => !named.includes(property))).toEqual([]);
  });
});

test("help and the README name commands that there are, and help names them all", () => {
  const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
  const named = (text: string) => [...text.matchAll(/npm (?:run )?([a-z:]+)/g)].map(([, name]) => name ?? "");
  const npmOwn = ["ci", "install", "pack", "prints", "uninstall"];
  for (const name of [...named(readme), ...named(read("help"))].filter((word) => !npmOwn.includes(word))) {
    expect(Object.keys(scripts)).toContain(name);
  }
  const hidden = ["help", "format:check", "dependencies", "prepack"];
  expect(
    Object.keys(scripts).filter((name) => !hidden.includes(name) && !named(read("help")).includes(name)),
  ).toEqual([]);
});
