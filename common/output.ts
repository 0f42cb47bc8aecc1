/** Codes of errors by which a pipe or a socket tells that its reader has gone. */
const READER_GONE: readonly unknown[] = ["EPIPE", "ECONNRESET"];

/**
 * Makes this process end with 1 where its standard output cannot be written, such as to a full disk: `console.log` says
 * so nowhere else. A reader that has gone, such as `head`, has what it wants: that is no failure.
 *
 * @param report told of the first failure, in a sentence
 */
export function failOnLostOutput(report: (sentence: string) => void): void {
  let isReported = false;
  process.stdout.on("error", ({ code, message }: NodeJS.ErrnoException) => {
    if (READER_GONE.includes(code) || isReported) return;
    isReported = true;
    process.exitCode ||= 1;
    report(`Standard output cannot be written: ${message}.`);
  });
  // A terminal that has gone is no reason to leave work unfinished.
  process.stderr.on("error", () => undefined);
}
