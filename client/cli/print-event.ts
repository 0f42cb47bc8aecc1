import { excerpt } from "../../common/quote";
import { formatBytes, formatTime } from "../../stacks/format";
import type { ConsumerEvent } from "../consume/consumer";
import { Failures } from "./failures";
import { printJson, printable } from "./terminal";

/** Our words as the API and the other commands write them: message_id. */
const inSnakeCase = (facts: object): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(facts).map(([name, value]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      value,
    ]),
  );

/** Prints an event as a line of JSON. @param path the file that a payload was written to */
export const printAsJson = (event: ConsumerEvent, path: string | undefined): void =>
  printJson(asJson(event, path));

function asJson(event: ConsumerEvent, path: string | undefined): Record<string, unknown> {
  const { kind, ...rest } = event;
  if (event.kind === "handled") {
    const ms = Math.round(event.ms);
    return { event: kind, ...inSnakeCase(event.payload), ...(path !== undefined && { path }), ms };
  }
  if (!("error" in event)) return { event: kind, ...inSnakeCase(rest) };
  const { error, ...others } = rest as typeof event;
  return { event: kind, ...inSnakeCase(others), reason: error.message };
}

/**
 * Makes a function that prints events in lines. A message that cannot succeed comes again at once, until it is a dead
 * letter: it has one line.
 *
 * @param say prints a payload that is handled; everything else is printed on stderr
 */
export function linePrinter(say: (line: string) => void): typeof printAsJson {
  const poison = new Failures();
  return (event, path) => {
    if (event.kind === "failed" && event.permanent) {
      const what = `${event.messageId} ${event.key}`;
      const isKnown = poison.has(what);
      if (event.receivesLeft === 0) poison.delete(what);
      else poison.add(what);
      if (isKnown) return;
    }
    printLine(event, path, say);
  };
}

function printLine(event: ConsumerEvent, path: string | undefined, say: (line: string) => void): void {
  switch (event.kind) {
    case "handled": {
      const { size, name } = event.payload;
      say(
        `${formatBytes(size).padStart(8)}  ${formatTime(event.ms).padStart(7)}  ${printable(path ?? name)}`,
      );
      break;
    }
    case "failed": {
      const what = printable(event.key ?? `The message ${event.messageId}`);
      console.error(
        `${what}, received ${times(event.receiveCount)}: ${printable(event.error.message)} (${nextOf(event)})`,
      );
      break;
    }
    case "trouble":
      console.error(printable(`${event.what} failed: ${event.error.message}`));
      break;
    case "duplicate":
      console.error(`${printable(event.key)} came again, and was handled before.`);
      break;
    case "ignored":
      // S3's test has no key: it comes whenever a notification is set, and says nothing.
      if (event.key !== undefined) console.error(`Ignored: ${excerpt(event.why)} of ${excerpt(event.key)}`);
      break;
  }
}

const times = (count: number) => (count === 1 ? "once" : `${count} times`);

/** Says what becomes of a message that failed. */
function nextOf({
  permanent,
  receivesLeft,
  retryAfterSeconds,
}: Extract<ConsumerEvent, { kind: "failed" }>): string {
  if (receivesLeft === 0) return "it becomes a dead letter";
  if (!permanent) return `it comes again in ${Math.round(retryAfterSeconds)} s`;
  if (receivesLeft === undefined) return "it cannot succeed";
  const receives = receivesLeft === 1 ? "receive" : "receives";
  return `it cannot succeed, and becomes a dead letter after ${receivesLeft} more ${receives}`;
}
