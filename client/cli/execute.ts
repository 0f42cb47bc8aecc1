import type { Readable, Writable } from "node:stream";
import type { Payload } from "../consume/payload";
import { forward } from "./forward";
import { startShell } from "./shell";

/**
 * Runs a shell command for a payload. Where the payload cannot be had whole, the command is killed before it sees an end
 * of its input, with all that it has started. Where this process is killed itself (SIGKILL, no memory), nobody is left to
 * do so, and a pipe has no other end than a clean one: a command that must not take a half for the whole counts the bytes,
 * and compares them with TWEEDLE_SIZE. The message comes again in any case.
 *
 * @param stdout where what it prints goes
 * @throws Error where it exits with another code than 0, or is killed; TweedleError Interrupted, where our stdout is broken
 */
export async function execute(command: string, payload: Payload, stdout: "stdout" | "stderr"): Promise<void> {
  const { body, signal } = payload;
  if (body.errored) throw body.errored;
  // A terminal is the command's own: it asks for its width and its colours.
  const output = stdout === "stderr" ? 2 : process.stdout.isTTY ? "inherit" : "pipe";
  const { child, kill, stop, ended } = startShell(command, ["pipe", output, "inherit"], factsOf(payload));
  const printed = child.stdout && forward(child.stdout, process.stdout);
  signal.addEventListener("abort", stop);
  const fed = feed(body, child.stdin as Writable).catch(() => kill("SIGKILL"));
  try {
    const failure = await ended;
    // An AbortError is ours: a command that reads no further.
    const errored = body.errored as Error | null;
    const broken = errored?.name === "AbortError" ? undefined : errored;
    body.destroy();
    await fed;
    await printed?.();
    if (failure !== undefined) throw broken ?? new Error(failure);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** A command that has read enough closes its input: that is no failure, neither of it nor of the payload. */
async function feed(body: Readable, input: Writable): Promise<void> {
  let goOn = () => {};
  for (const event of ["drain", "close", "error"]) input.on(event, () => goOn());
  for await (const chunk of body) {
    if (input.destroyed) return;
    if (!input.write(chunk)) await new Promise<void>((resolve) => (goOn = resolve));
  }
  input.end();
}

/** What the command is told, each as TWEEDLE_…. Metadata is JSON: its names are the producer's. */
const factsOf = ({
  id,
  key,
  name,
  size,
  contentType,
  metadata,
  messageId,
  receiveCount,
}: Payload): Record<string, string> => ({
  TWEEDLE_ID: id,
  TWEEDLE_KEY: key,
  TWEEDLE_NAME: name,
  TWEEDLE_SIZE: String(size),
  TWEEDLE_CONTENT_TYPE: contentType ?? "",
  TWEEDLE_METADATA: JSON.stringify(metadata),
  TWEEDLE_MESSAGE_ID: messageId,
  TWEEDLE_RECEIVE_COUNT: String(receiveCount),
});
