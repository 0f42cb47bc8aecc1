import { randomInt } from "node:crypto";
import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type commandTools, digestOfFile, eventually, filesIn, linesOf, writeLarge } from "./tools";

type Tools = ReturnType<typeof commandTools>;

const KIB = 1024;
const MIB = 1024 ** 2;

/** Of ten payloads six travel in their messages, three are put whole, and one goes up in parts. */
const sizeOf = (index: number): number => {
  if (index % 10 === 3) return randomInt(20 * MIB, 70 * MIB);
  return index % 10 > 6 ? randomInt(300 * KIB, 8 * MIB) : randomInt(0, 180 * KIB);
};

/** Writes so many files, and says their digests by their names. */
async function writeFiles(folder: string, count: number): Promise<Map<string, string>> {
  mkdirSync(folder, { recursive: true });
  const digests = new Map<string, string>();
  for (let index = 0; index < count; index += 1) {
    const name = `payload-${index}.bin`;
    digests.set(name, await writeLarge(join(folder, name), sizeOf(index)));
  }
  return digests;
}

/** What came of it. */
export interface Figures {
  readonly kills: number;
  readonly messages: number;
  /** Payloads that are not there, or not as they were sent. */
  readonly lost: number;
  /** Files that a kill left unfinished, none of them under a visible name. */
  readonly partial: number;
  /** Payloads that were handled more than once, each time as the same file. */
  readonly again: number;
  /** Messages that kills made dead letters, and that were sent back. */
  readonly redriven: number;
  /** Payloads in the bucket whose message was done when its consumer was killed: `tweedle reconcile` finds them. */
  readonly kept: number;
}

/**
 * Sends payloads while the consumer is killed again and again at random moments, and lets the last one finish.
 *
 * @throws Error where a payload has a visible name before it is whole
 */
export async function killConsumers(
  { folder, chain, tweedle }: Tools,
  { kills, messages }: { readonly kills: number; readonly messages: number },
): Promise<Figures> {
  const digests = await writeFiles(join(folder, "in"), messages);
  const out = join(folder, "out");
  const handled = new Map<string, number>();
  const whole = new Set<string>();
  let [partial, redriven] = [0, 0];

  const consume = () =>
    tweedle(["consume", "--out", out, "--visibility-timeout", "2s", "--retry-delay", "0s", "--json"]);
  const note = (stdout: string) => {
    // The last line may be cut.
    for (const { event, key } of linesOf(stdout.slice(0, stdout.lastIndexOf("\n") + 1)))
      if (event === "handled") handled.set(key, (handled.get(key) ?? 0) + 1);
  };
  const check = async () => {
    for (const path of filesIn(out)) {
      if (path.startsWith(".partial/") || whole.has(path)) continue;
      if ((await digestOfFile(join(out, path))) !== digests.get(basename(path)))
        throw new Error(`${path} is not whole.`);
      whole.add(path);
    }
  };
  const redrive = async () => {
    if ((await chain().count(chain().deadLetterQueueUrl)) === 0) return;
    const { code, stdout, stderr } = await tweedle(["dlq", "redrive", "--all", "--json"]).ended;
    if (code !== 0) throw new Error(stderr);
    redriven += (JSON.parse(stdout) as { redriven: number }).redriven;
  };

  const [forTheLast = "", ...names] = digests.keys();
  const sending = send({ folder, chain, tweedle }, names, kills);
  for (let kill = 0; kill < kills; kill += 1) {
    const { child, ended } = consume();
    await sleep(randomInt(300, 1100));
    child.kill("SIGKILL");
    note((await ended).stdout);
    partial += filesIn(join(out, ".partial")).length;
    await check();
  }
  await sending;
  // Something is left to do: what ends well has begun.
  await send({ folder, chain, tweedle }, [forTheLast], 1);
  const last = consume();
  await eventually(async () => {
    await redrive();
    return (await chain().count(chain().queueUrl)) + (await chain().count(chain().deadLetterQueueUrl)) === 0;
  }, 120);
  last.child.kill("SIGTERM");
  const { code, stdout } = await last.ended;
  if (code !== 0) throw new Error(`The last consumer ended with ${code}.`);
  note(stdout);
  await check();
  const there = new Set([...whole].map((path) => basename(path)));
  return {
    kills,
    messages,
    lost: messages - there.size + filesIn(join(out, ".partial")).length,
    partial,
    again: [...handled.values()].filter((times) => times > 1).length,
    redriven,
    kept: chain().keys().length,
  };
}

/** Sends files a few at a time, as long as consumers are being killed. */
async function send({ folder, tweedle }: Tools, names: readonly string[], kills: number): Promise<void> {
  const perKill = Math.ceil(names.length / kills) + 1;
  for (let sent = 0; sent < names.length; sent += perKill) {
    const files = names.slice(sent, sent + perKill).map((name) => join(folder, "in", name));
    const { code, stderr } = await tweedle(["produce", "--multipart-threshold", "16MiB", ...files]).ended;
    if (code !== 0) throw new Error(stderr);
  }
}

/** What came of the producers. */
export interface SendingFigures {
  readonly kills: number;
  readonly files: number;
  /** Messages of each file. */
  readonly messages: readonly number[];
  /** Files of which no message, or a wrong payload, came. */
  readonly lost: number;
  /** Parts in the bucket of uploads that nobody completed. One that was begun and not yet noted down has none. */
  readonly partsLeft: number;
}

/** Sends large files with --resume, killed at random moments until it is done, and receives what came of it. */
export async function killProducers(
  { folder, chain, tweedle }: Tools,
  { files }: { readonly files: number },
): Promise<SendingFigures> {
  const digests = new Map<string, string>();
  let kills = 0;
  for (let index = 0; index < files; index += 1) {
    const name = `resumed-${index}.bin`;
    const path = join(folder, name);
    digests.set(name, await writeLarge(path, randomInt(60 * MIB, 100 * MIB)));
    for (let attempt = 0, isDone = false; !isDone; attempt += 1) {
      const { child, ended } = tweedle([
        "produce",
        path,
        "--resume",
        "--part-size",
        "5MiB",
        "--multipart-threshold",
        "16MiB",
        "--json",
      ]);
      // The first die early; later ones have the time to end, and some die at their very end.
      const killed = sleep(randomInt(150, 500 + attempt * 200)).then(() => child.kill("SIGKILL"));
      const { code, signal, stdout, stderr } = await ended;
      await killed;
      if (signal === null && code !== 0) throw new Error(stderr);
      if (signal !== null) kills += 1;
      // Once it has said so, it is sent, even if it is killed on its way out.
      isDone = stdout.endsWith("\n");
    }
  }
  const out = join(folder, "resumed");
  const consumer = tweedle(["consume", "--out", out, "--json"]);
  await eventually(async () => (await chain().count(chain().queueUrl)) === 0);
  consumer.child.kill("SIGTERM");
  const lines = linesOf((await consumer.ended).stdout).filter(({ event }) => event === "handled");
  const messages = [...digests.keys()].map((name) => lines.filter((line) => line.name === name).length);
  let lost = messages.filter((count) => count === 0).length;
  for (const { path, name } of lines) if ((await digestOfFile(path)) !== digests.get(name)) lost += 1;
  const partsLeft = chain()
    .uploads()
    .reduce((sum, parts) => sum + parts, 0);
  return { kills, files, messages, lost, partsLeft };
}
