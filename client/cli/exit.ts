/** What a command ends with, as its help says. */
export const EXIT_CODES = {
  ok: 0,
  /** Something was not delivered. */
  failed: 1,
  /** A mistake in what was asked for. */
  usage: 2,
} as const;

export const EXIT_HELP = `
Exit codes:
  0    all was done
  1    something failed: what it was stands on stderr
  2    a mistake in the options or the arguments
  130  interrupted (Ctrl-C), 143 terminated, before all was done`;

/** Turns the first SIGINT or SIGTERM into an abort; the second one ends the process at once. */
export function interruptible(): { readonly signal: AbortSignal; readonly code: () => number | undefined } {
  const controller = new AbortController();
  let code: number | undefined;
  for (const [name, status] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    process.on(name, () => {
      // oxlint-disable-next-line unicorn/no-process-exit -- Asked twice.
      if (code !== undefined) process.exit(status);
      code = status;
      controller.abort();
    });
  }
  return { signal: controller.signal, code: () => code };
}
