import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { SendMessageCommand } from "@aws-sdk/client-sqs";
import { ROOT, commandTools, run } from "./tools";

const { folder, chain } = commandTools();
const bin = join(folder, "tweedle.js");
writeFileSync(join(folder, "a.txt"), "a");

/** Each with what has to be in the queues before. */
const COMMANDS: readonly (readonly [
  args: readonly string[],
  before: { readonly payloads?: number; readonly deadLetters?: readonly string[] },
])[] = [
  [["--help"], {}],
  [["--version"], {}],
  [["dlq", "redrive", "--help"], {}],
  [["produce", "a.txt"], {}],
  [["produce", "a.txt", "--json"], {}],
  [["consume", "--out", "out", "--max", "1"], { payloads: 1 }],
  [["consume", "--out", "out", "--max", "1", "--json"], { payloads: 1 }],
  [["dlq", "list"], { deadLetters: ["{}"] }],
  [["dlq", "show", ""], { deadLetters: ["{}"] }],
  [["dlq", "redrive", ""], { deadLetters: ["{}"] }],
  [["dlq", "drop", ""], { deadLetters: ["{}"] }],
  [["reconcile"], {}],
];

afterEach(() => chain().empty());

async function prepare({ payloads = 0, deadLetters = [] }: (typeof COMMANDS)[number][1]): Promise<void> {
  const { sqs, deadLetterQueueUrl, env } = chain();
  for (const MessageBody of deadLetters)
    await sqs.send(new SendMessageCommand({ QueueUrl: deadLetterQueueUrl, MessageBody }));
  for (let count = 0; count < payloads; count += 1)
    await run(process.execPath, [bin, "produce", "a.txt"], { cwd: folder, env }).ended;
}

/** Runs a command by a shell, which says where its standard output goes. */
const through = (shell: string, args: readonly string[]) =>
  run("bash", ["-c", shell, "bash", process.execPath, ...args], {
    cwd: folder,
    env: chain().env,
  }).ended;

test.each(COMMANDS)("tweedle %j > /dev/full ends with 1 and one line", async (args, before) => {
  await prepare(before);
  const { code, stderr } = await through('exec "$@" > /dev/full', [bin, ...args]);
  expect([code, stderr]).toEqual([
    1,
    "tweedle: Standard output cannot be written: ENOSPC: no space left on device, write.\n",
  ]);
});

test.each(COMMANDS.filter(([args]) => !args.includes("dlq")))(
  "tweedle %j does not fail where its reader has gone",
  async (args, before) => {
    await prepare(before);
    const { code, stderr } = await through('exec 3> >(:); wait $!; exec "$@" >&3', [bin, ...args]);
    expect([code, stderr]).toEqual([0, ""]);
  },
);

test.each([
  ["limits", "limits/index.ts"],
  ["plan", "plan/index.ts"],
  ["start", "local/start.ts"],
  ["bootstrap", "deployment/bootstrap.ts"],
])("npm run %s ends with 1 in the one case, and with 0 in the other", async (_, script) => {
  const args = ["--import", require.resolve("tsx"), join(ROOT, script), "--help"];
  expect(await through('exec "$@" > /dev/full', args)).toMatchObject({
    code: 1,
    stderr: "Standard output cannot be written: ENOSPC: no space left on device, write.\n",
  });
  expect(await through('exec 3> >(:); wait $!; exec "$@" >&3', args)).toMatchObject({ code: 0, stderr: "" });
});
