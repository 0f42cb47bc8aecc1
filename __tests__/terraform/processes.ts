import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { stripVTControlCharacters } from "node:util";

export interface RunOptions {
  readonly cwd?: string;
  /** All variables of the process. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const running = new Set<ChildProcess>();

/** Starts a process that {@link stopProcesses} will stop. It gets no input. */
export function start(command: string, args: readonly string[], { cwd, environment }: RunOptions) {
  const child = spawn(command, args, { cwd, env: environment, stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  child.once("close", () => running.delete(child));
  return child;
}

/**
 * Runs a command to its end.
 *
 * @returns what it wrote to stdout
 * @throws Error with the last that it wrote, where it ended with another code than 0
 */
export async function run(command: string, args: readonly string[], options: RunOptions): Promise<string> {
  const child = start(command, args, options);
  const closed = once(child, "close");
  const [stdout, stderr, [exitCode]] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
  if (exitCode !== 0) {
    throw new Error(`${command} ${args.join(" ")} ended with ${exitCode}:\n${lastLines(stdout + stderr)}`);
  }
  return stdout;
}

function lastLines(output: string): string {
  const lines = stripVTControlCharacters(output).split("\n");
  return lines
    .filter((line) => line.trim() !== "")
    .slice(-50)
    .join("\n");
}

/** Stops whatever is still running, and waits for its end: a test that failed or took too long leaves nothing. */
export async function stopProcesses(): Promise<void> {
  await Promise.all(
    [...running].map(async (child) => {
      const closed = once(child, "close");
      child.kill();
      await closed;
    }),
  );
}
