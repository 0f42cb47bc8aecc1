import { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { TweedleError } from "../errors";

/**
 * Passes on what a command prints, so that an output that breaks is seen: by itself, a command only fails.
 *
 * @returns a function that waits until all is passed on that the command has printed, once it has exited. What processes
 *   print that outlive it is passed on later. It throws TweedleError Interrupted where the output is broken.
 */
export function forward(from: Readable, to: Writable): () => Promise<void> {
  let chunks = 0;
  let writing = Promise.resolve();
  let failure: Error | undefined;
  from.on("data", (chunk: Buffer) => {
    chunks += 1;
    from.pause();
    writing = new Promise((resolve) => {
      to.write(chunk, (error) => {
        failure ??= error ?? undefined;
        // The command is told as it would be without us, by SIGPIPE.
        if (failure) from.destroy();
        else from.resume();
        resolve();
      });
    });
  });
  from.on("error", () => undefined);
  return async () => {
    // What it has printed is in the pipe by now, and a turn of the event loop that brings no more has seen its end.
    for (let before = -1; chunks !== before;) {
      before = chunks;
      await writing;
      await turn();
      await turn();
    }
    if (from instanceof Socket) from.unref();
    if (!failure) return;
    throw new TweedleError("Interrupted", "What the command prints has no reader any more.", {
      cause: failure,
    });
  };
}
