import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { type Readable, Transform, pipeline } from "node:stream";
import { callbackify } from "node:util";
import { TweedleError } from "../errors";
import { atExit } from "./exit";

/** Time that a command has to end once it is asked to, in milliseconds: less than a consumer waits for its handlers. */
const END_TIMEOUT_MS = 3000;

/** A shell command that runs. */
export interface ShellCommand {
  readonly child: ChildProcess;
  /** Sends a signal to the command and to all that it has started, unless it has ended. */
  readonly kill: (name: NodeJS.Signals) => void;
  /** Asks the command to end, by SIGTERM, and kills it after 3 s. */
  readonly stop: () => void;
  /** Resolves once the command has ended: to the sentence that says how, or to undefined after exit code 0. */
  readonly ended: Promise<string | undefined>;
}

/** Starts a shell command, which does not outlive this process. */
export function startShell(command: string, stdio: StdioOptions, env?: Record<string, string>): ShellCommand {
  // A group of its own: the shell's children can be told, too, and Ctrl-C is for us to pass on.
  const child = spawn(command, { shell: true, detached: true, env: { ...process.env, ...env }, stdio });
  const isRunning = () => child.exitCode === null && child.signalCode === null;
  const kill = (name: NodeJS.Signals) => {
    try {
      if (child.pid !== undefined && isRunning()) process.kill(-child.pid, name);
    } catch {
      // It has ended by itself.
    }
  };
  let killing: NodeJS.Timeout | undefined;
  const stop = () => {
    if (!isRunning()) return;
    kill("SIGTERM");
    killing ??= setTimeout(kill, END_TIMEOUT_MS, "SIGKILL");
  };
  const isOver = atExit(() => kill("SIGKILL"));
  const ended = once(child, "exit")
    .then(
      ([code, killedBy]: (number | string | null)[]) =>
        code === 0 ? undefined : `The command ended with ${killedBy ?? `exit code ${code}`}.`,
      (error: Error) => `The command could not be started: ${error.message}.`,
    )
    .finally(() => {
      clearTimeout(killing);
      isOver();
    });
  return { child, kill, stop, ended };
}

/** Runs a shell command for what it prints: a stream that fails where the command does. */
export function outputOf(command: string): Readable {
  const { child, stop, ended } = startShell(command, ["inherit", "pipe", "inherit"]);
  const output = endingWith(child.stdout as Readable, async () => {
    const failure = await ended;
    if (failure !== undefined) throw new TweedleError("Invalid", `${failure} Nothing is sent.`);
  });
  return output.once("close", stop);
}

/**
 * Passes a stream on, with a check in front of its end.
 *
 * @param check told how many bytes there were; where it throws, the stream fails and does not end
 */
export function endingWith(from: Readable, check: (bytes: number) => Promise<void> | void): Readable {
  let bytes = 0;
  const checked = new Transform({
    transform: (chunk: Buffer, _, done) => {
      bytes += chunk.length;
      done(null, chunk);
    },
    flush: callbackify(async () => check(bytes)),
  });
  // The reader of the stream is told of an error.
  pipeline(from, checked, () => undefined);
  return checked;
}
