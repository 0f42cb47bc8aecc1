import { readFileSync } from "node:fs";
import { join } from "node:path";
import { clear } from "./clients";
import { type Contender, type Done, type Endpoints, peakMb } from "./contender";

/** What a process is to do. */
export interface Task {
  readonly contender: string;
  readonly direction: "produce" | "consume" | "delay";
  readonly chain: Endpoints;
  /** To send. */
  readonly files: readonly string[];
  /** Of what has been sent, and is to be received. */
  readonly keys: readonly string[];
  /** Where to put what is received. */
  readonly folder: string;
}

/** What it measured; its processor time is that of all its threads. */
export interface Move extends Required<Done> {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

/** Runs in a process of its own: one contender, in one direction. What is left in the chain then is removed. */
async function main(): Promise<void> {
  const task: Task = JSON.parse(readFileSync(0, "utf8"));
  const { chain, files, keys, folder } = task;
  const { contender }: { contender: Contender } = require(join(__dirname, `${task.contender}.js`));
  const ready = {
    produce: () => contender.produce(chain, files),
    consume: () => contender.consume(chain, keys, folder),
    delay: () => contender.delay?.(chain),
  };
  const run = await ready[task.direction]();
  const cpu = process.cpuUsage();
  const start = performance.now();
  const done = await run?.();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const move: Move = {
    keys,
    seconds,
    cpuSeconds: (user + system) / 1e6,
    peakMb: peakMb(),
    delaysMs: [],
    ...done,
  };
  if (task.direction !== "produce") await clear(chain);
  console.log(JSON.stringify(move));
  process.exit();
}

void main();
