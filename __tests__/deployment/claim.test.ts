import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { claim } from "../../deployment/claim";
import { temporaryFolder } from "../stacks/tools";

const folder = temporaryFolder();
const fileOf = (name: string) => join(folder, name, "run.json");
/** A process that has been, and is no more. */
const ended = () => spawnSync(process.execPath, ["--eval", ""]).pid;
const left = (name: string, run: object): string => {
  const file = fileOf(name);
  spawnSync("mkdir", ["-p", join(folder, name)]);
  writeFileSync(file, JSON.stringify({ host: hostname(), begun: 1000, ...run }));
  return file;
};

test("a run that comes to its end leaves nothing behind", async () => {
  const { mayHaveLocked, release } = await claim(fileOf("fresh"));
  expect(mayHaveLocked).toBeUndefined();
  expect(existsSync(fileOf("fresh"))).toBe(true);
  release();
  expect(existsSync(fileOf("fresh"))).toBe(false);
});

test("a run that was killed is taken over, and when it may have made a lock is kept in mind until one comes to its end", async () => {
  const file = left("killed", { pid: ended(), terraformStarted: 5000 });
  const expectWhen = async () => {
    const { mayHaveLocked } = await claim(file);
    // What was locked before it began, or long after it started Terraform last, is somebody else's.
    const locks = [999, 1000, 125_000, 125_001].map((at) => mayHaveLocked?.(new Date(at)));
    expect(locks).toEqual([false, true, true, false]);
  };
  await expectWhen();
  // That one was killed, too.
  writeFileSync(file, readFileSync(file, "utf8").replace(String(process.pid), String(ended())));
  await expectWhen();
});

test.each([
  ["a run that is under way", { pid: process.ppid }],
  ["a Terraform that outlives its run", { pid: 2 ** 22 + 1, terraform: process.ppid }],
])("%s is left alone", async (name, run) => {
  const file = left(name, run);
  const before = readFileSync(file, "utf8");
  await expect(claim(file, 0)).rejects.toThrow(
    `npm run bootstrap is under way here already, as process ${process.ppid}: wait for its end.`,
  );
  expect(readFileSync(file, "utf8")).toBe(before);
});

test("a file that was written in half is no claim", async () => {
  const file = left("half", {});
  writeFileSync(file, '{"host":');
  expect((await claim(file)).mayHaveLocked).toBeUndefined();
});
