import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Command } from "commander";
import { buildCommand } from "../../client/build";
import { tweedle as command } from "../../client/cli/tweedle";
import { temporaryFolder } from "../local/tools";
import { ROOT, type RunOptions, run } from "./tools";

const folder = temporaryFolder();
const bin = join(folder, "tweedle.js");
// Tests that run at once begin before what is to be done before all.
buildCommand(bin);

const nothing = Object.fromEntries(
  Object.keys(process.env)
    .filter((name) => /^(TWEEDLE|AWS)_/.test(name))
    .map((name) => [name, undefined]),
);
const tweedle = (args: readonly string[], { env, ...options }: RunOptions = {}) =>
  run(process.execPath, [bin, ...args], {
    cwd: folder,
    ...options,
    env: { ...nothing, AWS_EC2_METADATA_DISABLED: "true", AWS_CONFIG_FILE: "/dev/null", ...env },
  }).ended;

const every = (parent: Command, path: readonly string[] = []): (readonly [string[], Command])[] =>
  parent.commands.flatMap((each) => [
    [[...path, each.name()], each] as const,
    ...every(each, [...path, each.name()]),
  ]);
const commands = every(command);
const sources: Record<string, readonly [file: string, flags: string]> = {
  produce: ["run-produce", "produce"],
  consume: ["run-consume", "consume"],
  reconcile: ["run-reconcile", "reconcile"],
};

test("every subcommand is there", () => {
  expect(commands.map(([path]) => path.join(" "))).toEqual([
    "produce",
    "consume",
    "dlq",
    "dlq list",
    "dlq show",
    "dlq redrive",
    "dlq drop",
    "reconcile",
  ]);
});

test.concurrent.each(commands)(
  "%s --help says all its options, and what they do",
  async (path, { options }) => {
    const { code, stdout, stderr } = await tweedle([...path, "--help"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(new RegExp(`^Usage: tweedle ${path.join(" ")} `));
    for (const { long, description } of options) {
      expect(stdout).toContain(long);
      expect(stdout.replace(/\s+/g, " ")).toContain(description.replace(/\s+/g, " "));
    }
    for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
  },
);

test.each(Object.entries(sources))(
  "%s offers what its code reads, and nothing else",
  (name, [file, flags]) => {
    const read = (path: string) => readFileSync(join(ROOT, "client", "cli", `${path}.ts`), "utf8");
    const [, body = ""] = /Flags \{(.*?)\n\}/s.exec(read(flags)) ?? [];
    const declared = [...body.matchAll(/readonly (\w+)/g)].map(([, flag]) => flag ?? "");
    const [, subcommand] = commands.find(([path]) => path.join(" ") === name) ?? [];
    const own = subcommand?.options.map((option) => option.attributeName()) ?? [];
    const settings = ["apiUrl", "queueUrl", "deadLetterQueueUrl", "bucketName", "stage"];
    expect(own.filter((option) => !settings.includes(option)).toSorted()).toEqual(declared.toSorted());
    for (const flag of declared) expect(read(file)).toMatch(new RegExp(`\\b${flag}\\b`));
  },
);

test("tweedle --help names the subcommands, the environment and the exit codes", async () => {
  const { code, stdout } = await tweedle(["--help"]);
  expect(code).toBe(0);
  for (const name of ["produce", "consume", "dlq", "reconcile", "TWEEDLE_API_URL", "130", "143"]) {
    expect(stdout).toContain(name);
  }
});

test("tweedle --help loads nothing that asks anybody", () => {
  const hook = join(folder, "hook.js");
  const loaded = join(folder, "loaded.json");
  const write = `require("fs").writeFileSync(${JSON.stringify(loaded)}, JSON.stringify(process.moduleLoadList))`;
  writeFileSync(hook, `process.on("exit", () => ${write})`);
  execFileSync(process.execPath, ["--require", hook, bin, "--help"], { stdio: "ignore" });
  const modules = JSON.parse(readFileSync(loaded, "utf8")) as string[];
  expect(modules).toContain("NativeModule fs");
  expect(modules.filter((name) => /^NativeModule (http|https|tls)$/.test(name))).toEqual([]);
});

test("--version says the package's", async () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
  expect(await tweedle(["--version"])).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: "" });
});

const file = "file.txt";
writeFileSync(join(folder, file), "x");
const API = ["--api-url", "http://127.0.0.1:9/dev"];
const QUEUE = ["--queue-url", "http://127.0.0.1:9/1/queue"];
const LETTERS = ["--dead-letter-queue-url", "http://127.0.0.1:9/1/letters"];

test.concurrent.each<[string[], string]>([
  [["produc"], "unknown command 'produc' (Did you mean produce?) (tweedle --help says more)"],
  [["produce"], "Say what to send: files, - for standard input, or --exec COMMAND, and not both."],
  [["produce", file, "--exec", "x"], "Say what to send: files, - for standard input, or --exec COMMAND"],
  [["produce", file, "--follow-links"], "--follow-links is for the links in folders: say -r, too."],
  [["produce", "--resum", "x"], "unknown option '--resum' (Did you mean --resume?)"],
  [["consume", "x"], "too many arguments"],
  [["dlq", "show"], "missing required argument 'id' (tweedle dlq show --help says more)"],
  [["dlq", "drop"], "missing required argument 'id'"],
  [["produce", file, "--part-size", "32"], "It must be from 5MiB to 5GiB."],
  [["produce", file, "--part-size", "x"], "It must be a size, such as"],
  [["produce", file, "--inline-threshold", "-1"], "It must be a size"],
  [["produce", file, "--concurrency", "0"], "It must be a whole number from 1 to 64."],
  [["produce", file, "--metadata", "x"], "It must be name=value."],
  [["produce", file, "--metadata", "Ä=1"], "must have names of a-z"],
  [["produce", file, "--metadata", "a=1", "--metadata", "b=two  spaces"], "values of printable ASCII"],
  [
    ["produce", file, "--metadata", `a=${"x".repeat(2000)}`, "--metadata", `b=${"x".repeat(15)}`],
    "Metadata may have 2016 bytes, names and values together, not 2017.",
  ],
  [["produce", file, "--metadata", "tweedle-x=1"], "reserved"],
  [["produce", file, "--content-type", "text"], "It must be a media type"],
  [["consume", "--visibility-timeout", "13h"], "It must be whole seconds, from 1s to 12h."],
  [["consume", "--visibility-timeout", "0.5s"], "It must be whole seconds"],
  [["consume", "--max", "1.5"], "It must be a whole number"],
  [["reconcile", "--older-than", "tomorrow"], "It must be a time, such as 30s"],
  [["consume", ...API, ...QUEUE], "Say where payloads go: --out DIR or --exec COMMAND, and not both."],
  [["consume", ...API, ...QUEUE, "--out", "a", "--exec", "b"], "Say where payloads go: --out DIR or"],
  [["dlq", "redrive", ...LETTERS, ...QUEUE], "Say which letters to send back: their ids, or --all."],
  [["dlq", "redrive", "a", "--all", ...LETTERS, ...QUEUE], "Say which letters to send back"],
  [["produce", file], "Say where the API is: --api-url <url>, TWEEDLE_API_URL, or --stage STAGE."],
  [["consume", "--out", "x", ...API], "Say where the queue is: --queue-url <url>, TWEEDLE_QUEUE_URL"],
  [["dlq", "list"], "Say where the dead-letter queue is: --dead-letter-queue-url <url>"],
  [["reconcile", ...QUEUE], "Say where the content bucket is: --bucket-name <name>"],
  [
    ["produce", file, "--api-url", "example"],
    '"example" is not a URL of the API: it must be like https://ID.execute-api.REGION.amazonaws.com/STAGE.',
  ],
  [["produce", file, "--api-url", "ftp://example"], '"ftp://example" is not a URL of the API'],
  [
    ["consume", "--out", "x", "--queue-url", "example", ...API],
    '"example" is not a URL of the queue: it must be like https://sqs.REGION.amazonaws.com/ACCOUNT/QUEUE.',
  ],
  [["dlq", "list", "--dead-letter-queue-url", "a\u001bb"], "is not a URL of the dead-letter queue"],
  [["consume", "--out", "file.txt", ...API, ...QUEUE], "--out file.txt must be a folder that may be written"],
  [["produce", file, file, "--name", "x", ...API], "--name is for one payload, and there are several."],
  [["produce", "-", "-", ...API], "Standard input can be sent once."],
  [["produce", "-", "--resume", ...API], "--resume is for files: - cannot be read again."],
  [["produce", "--exec", "date", "--resume", ...API], "--resume is for files: date cannot be read again."],
  [["produce", file, "--expected-size", "1GB", ...API], "--expected-size is for standard input and --exec"],
  [["produce", file, "--name", "../x", ...API], '"../x" cannot be a payload\'s name'],
  [["produce", file, "--name", "\u001b[2J", ...API], "cannot be a payload's name"],
  [["produce", file, "--name", "", ...API], "cannot be a payload's name"],
])("tweedle %j ends with 2 and one line", async (args, says) => {
  const { code, stdout, stderr } = await tweedle(args);
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toContain(says);
  expect(stderr).toMatch(/^tweedle: [^\n\p{Cc}]+\n$/u);
});

test.each([[[]], [["dlq"]]])("tweedle %j shows its help and ends with 2", async (args) => {
  const { code, stdout, stderr } = await tweedle(args);
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toMatch(/^Usage: tweedle/);
});

test.concurrent.each<[string[], number, Record<string, string>, string]>([
  [
    ["dlq", "list", ...LETTERS, "--bucket-name", "b"],
    1,
    { AWS_REGION: "eu-central-1" },
    "There are no AWS credentials: sign in (aws sso login), or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
  ],
  [
    ["consume", "--out", "x", ...API, ...QUEUE],
    1,
    { AWS_REGION: "eu-central-1" },
    "There are no AWS credentials: sign in",
  ],
  [["dlq", "redrive", "--all", ...LETTERS, ...QUEUE], 1, {}, "The region is missing: set AWS_REGION"],
  [
    ["reconcile", "--bucket-name", "b", ...QUEUE],
    1,
    {
      AWS_REGION: "eu-central-1",
      AWS_ACCESS_KEY_ID: "a",
      AWS_SECRET_ACCESS_KEY: "b",
      AWS_ENDPOINT_URL_S3: "http://127.0.0.1:9",
    },
    "127.0.0.1:9 cannot be reached (ECONNREFUSED): look at the network, the region and the URLs.",
  ],
  [["consume", "--out", "/proc/none", ...API, ...QUEUE], 1, {}, "--out /proc/none must be a folder"],
])("tweedle %j without what AWS wants ends with %d and one line", async (args, wanted, env, says) => {
  const { code, stdout, stderr } = await tweedle(args, { env });
  expect([code, stdout]).toEqual([wanted, ""]);
  expect(stderr).toContain(says);
  expect(stderr).toMatch(/^tweedle: [^\n]+\n$/);
});

describe("--stage", () => {
  const path = (name: string) => join(folder, name);
  const outputs = { api_url: "from-stage", queue_url: "http://127.0.0.1:9/1/queue" };
  const program = (name: string, script: string) => {
    mkdirSync(dirname(path(name)), { recursive: true });
    writeFileSync(path(name), `#!/bin/sh\n${script}`);
    chmodSync(path(name), 0o755);
    return path(name);
  };
  const withTerraform = (name: string, script: string) => {
    const terraform = program(`${name}/terraform`, script);
    return { PATH: `${dirname(terraform)}:${process.env["PATH"]}`, TWEEDLE_API_URL: "from-shell" };
  };
  const values = (given: object) =>
    JSON.stringify(Object.fromEntries(Object.entries(given).map(([name, value]) => [name, { value }])));
  const printing = (text: string) => `printf '%s' '${text}'`;
  beforeAll(() => mkdirSync(path("cdktf.out/stacks/producer-consumer-dev"), { recursive: true }));

  test("takes Terraform's outputs, whatever the shell holds, and flags before them", async () => {
    const env = withTerraform("good", `echo "$@" >> calls\n${printing(values(outputs))}`);
    const sent = ["produce", file, "--stage", "dev"];
    expect((await tweedle([...sent, "--api-url", "flag"], { env })).stderr).toContain('"flag" is not a URL');
    // Terraform takes a second: it is asked only for what is missing.
    expect(() => readFileSync(path("calls"))).toThrow("ENOENT");
    expect((await tweedle(sent, { env })).stderr).toContain('"from-stage" is not a URL');
    expect(readFileSync(path("calls"), "utf8")).toBe(
      "-chdir=cdktf.out/stacks/producer-consumer-dev output -json -no-color\n",
    );
  });

  test("runs what TERRAFORM_BINARY_NAME names, and says so where that is missing", async () => {
    const sent = ["produce", file, "--stage", "dev"];
    const TERRAFORM_BINARY_NAME = program("bin/tofu", printing(values({ api_url: "from-tofu" })));
    const env = { ...withTerraform("unused", printing(values(outputs))), TERRAFORM_BINARY_NAME };
    expect((await tweedle(sent, { env })).stderr).toContain('"from-tofu" is not a URL');
    const missing = await tweedle(sent, { env: { ...env, TERRAFORM_BINARY_NAME: "no-tofu" } });
    expect([missing.code, missing.stderr]).toEqual([
      1,
      "tweedle: Terraform's outputs of dev cannot be read: no-tofu, which TERRAFORM_BINARY_NAME names, is not on the PATH: install it, or unset TERRAFORM_BINARY_NAME to run terraform.\n",
    ]);
  });

  test.each<[string, number, string, string]>([
    [
      "lacks",
      2,
      printing(values({ queue_url: "x" })),
      "The stage dev has no output api_url. Say where the API is: --api-url <url>.",
    ],
    ["empty", 1, printing("{}"), "The stage dev has no outputs: deploy it first."],
    [
      "broken",
      1,
      "echo 'Error: Backend initialization required' >&2; exit 1",
      "Backend initialization required",
    ],
    ["garbled", 1, printing("<html>"), 'dev cannot be read: terraform printed "<html>", which is not JSON.'],
    ["void", 1, printing("null"), 'dev cannot be read: terraform printed "null", which is not JSON.'],
  ])("of a Terraform that %s ends with %d and says so", async (name, wanted, script, says) => {
    const { code, stdout, stderr } = await tweedle(["produce", file, "--stage", "dev"], {
      env: withTerraform(name, script),
    });
    expect([code, stdout]).toEqual([wanted, ""]);
    expect(stderr).toContain(says);
    expect(stderr).toMatch(/^tweedle: [^\n]+\n$/);
  });

  test("without Terraform, or without such a stage, says so", async () => {
    const without = await tweedle(["produce", file, "--stage", "dev"], { env: { PATH: "/nowhere" } });
    expect([without.code, without.stderr]).toEqual([
      1,
      "tweedle: Terraform's outputs of dev cannot be read: terraform is not on the PATH. Install Terraform 1.10 or later: https://developer.hashicorp.com/terraform/install\n",
    ]);
    const none = await tweedle(["consume", "--out", "x", "--stage", "qa"]);
    expect(none.code).toBe(2);
    expect(none.stderr).toContain("There is no cdktf.out/stacks/producer-consumer-qa here");
    expect(none.stderr).toContain("or say --api-url <url> and --queue-url <url>.");
  });
});
