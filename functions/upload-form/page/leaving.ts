import { on } from "./dom";
import { pause } from "./pause";

/** How long a departure that was begun, and not seen to end, counts as one, in milliseconds. */
const DEPARTURE_MS = 10_000;
const LOOK_MS = 500;

let leavingUntil = 0;

on(window, "beforeunload", () => {
  leavingUntil = Infinity;
  // The browser may ask the visitor, and no timer runs until they have answered: the time begins after that.
  setTimeout(() => {
    if (leavingUntil === Infinity) leavingUntil = performance.now() + DEPARTURE_MS;
  });
});
on(window, "pagehide", () => {
  leavingUntil = Infinity;
});
// The browser kept the page, and shows it again.
on(window, "pageshow", () => {
  leavingUntil = 0;
});

/** Whether the page is being left. WebKit fails to read any file from then on, so that no failure says much. */
export const isLeaving = (): boolean => performance.now() < leavingUntil;

/**
 * Resolves once the page is not being left, which is at once where no departure has begun. Of a page that is left, it
 * never does.
 *
 * @throws the signal's reason, where it aborts
 */
export async function staying(signal?: AbortSignal): Promise<void> {
  while (isLeaving()) await pause(LOOK_MS, signal);
}
