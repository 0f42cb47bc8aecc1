import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { setTimeout } from "node:timers/promises";
import { createFolderSync } from "../common/create-folder";
import { isAlive } from "../client/processes";
import { DeploymentError } from "./errors";

/** Who works in a folder, and since when. */
interface Run {
  readonly host: string;
  readonly pid: number;
  /** Terraform's process, which outlives ours where ours alone is killed. */
  readonly terraform?: number;
  /** In milliseconds since 1970. */
  readonly begun: number;
  /** When it started Terraform last, in milliseconds since 1970. */
  readonly terraformStarted?: number;
}

/** That this process works in a folder, and no other does. */
export interface Claim {
  /** Of a run that was killed here, whether it may have left a lock of then; undefined where none was killed. */
  readonly mayHaveLocked: ((at: Date) => boolean) | undefined;
  /** Says that Terraform works for this process. */
  readonly started: (pid: number) => void;
  readonly release: () => void;
}

/** How long Terraform may take from its start to its lock: it reads the state's backend first. In milliseconds. */
const LOCKS_WITHIN_MS = 120_000;
/** How long the end of processes is waited for that were killed, or are about to end, in milliseconds. */
const PATIENCE_MS = 10_000;

/**
 * Claims a folder with a file in it. A file whose processes are gone was left by a run that was killed: its claim is taken over,
 * and kept in mind until a run comes to its end.
 *
 * @param patienceMs how long the end of a run is waited for
 * @throws DeploymentError where another run is under way
 */
export async function claim(file: string, patienceMs = PATIENCE_MS): Promise<Claim> {
  createFolderSync(dirname(file));
  const left = read(file);
  let busy = processOf(left);
  for (
    const since = Date.now();
    busy !== undefined && Date.now() - since < patienceMs;
    busy = processOf(left)
  ) {
    await setTimeout(200);
  }
  if (busy !== undefined) {
    throw new DeploymentError(
      `npm run bootstrap is under way here already, as process ${busy}: wait for its end.`,
    );
  }
  const begun = left?.begun ?? Date.now();
  const terraformStarted = left?.terraformStarted ?? begun;
  const ours: Run = { host: hostname(), pid: process.pid, begun, terraformStarted };
  writeFileSync(file, JSON.stringify(ours));
  return {
    mayHaveLocked: left && ((at) => +at >= begun && +at <= terraformStarted + LOCKS_WITHIN_MS),
    started: (terraform) => {
      const run: Run = { ...ours, terraform, terraformStarted: Date.now() };
      writeFileSync(file, JSON.stringify(run));
    },
    release: () => rmSync(file, { force: true }),
  };
}

/** A process that works for a run still. */
const processOf = (run: Run | undefined) =>
  run?.host === hostname()
    ? [run.pid, run.terraform].find((pid) => pid !== undefined && pid !== process.pid && isAlive(pid))
    : undefined;

function read(file: string): Run | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Run;
  } catch {
    return undefined;
  }
}
