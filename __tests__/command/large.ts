import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { type commandTools, digestOfFile, linesOf, writeLarge } from "./tools";

/** A client that held the payload, or much of it, would have more, in bytes. */
export const MAX_PEAK_BYTES = 200_000_000;

/** What one process took. */
export interface Taken {
  readonly seconds: number;
  readonly peakMB: number;
}

/**
 * Sends a file and receives it again.
 *
 * @returns what both processes took
 * @throws Error where what arrives is something else
 */
export async function sendLarge(
  { folder, tweedle }: ReturnType<typeof commandTools>,
  size: number,
): Promise<{ readonly produce: Taken; readonly consume: Taken }> {
  const path = join(folder, "large.bin");
  const digest = await writeLarge(path, size);
  const take = async (args: readonly string[]) => {
    const begun = performance.now();
    const { code, stdout, stderr, peakBytes } = await tweedle([...args, "--json"]).ended;
    if (code !== 0) throw new Error(stderr || stdout);
    const seconds = Math.round((performance.now() - begun) / 100) / 10;
    return { line: linesOf(stdout).at(-1), taken: { seconds, peakMB: Math.round(peakBytes / 1e6) } };
  };
  const produced = await take(["produce", path]);
  rmSync(path);
  const consumed = await take(["consume", "--out", join(folder, "received"), "--max", "1"]);
  const received = consumed.line?.path ?? "";
  if (statSync(received).size !== size || (await digestOfFile(received)) !== digest)
    throw new Error("It is not what was sent.");
  rmSync(received);
  return { produce: produced.taken, consume: consumed.taken };
}
