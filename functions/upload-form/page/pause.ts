/**
 * Waits, or until the connection is back.
 *
 * @throws the signal's reason, where it aborts
 */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const over = (settle: () => void) => () => {
      clearTimeout(timer);
      window.removeEventListener("online", done);
      signal?.removeEventListener("abort", stop);
      settle();
    };
    const done = over(resolve);
    const stop = over(() => reject(signal?.reason));
    const timer = setTimeout(done, milliseconds);
    window.addEventListener("online", done);
    signal?.addEventListener("abort", stop);
    if (signal?.aborted) stop();
  });
}
