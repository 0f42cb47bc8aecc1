import { checkWhole } from "../errors";
import { parseQueueUrl } from "../region";
import type { ConsumerOptions } from "./consumer";

/** The least and the most that an option may be. */
const RANGES = {
  concurrency: [1, 1000],
  visibilityTimeoutSeconds: [1, 43_200],
  waitTimeSeconds: [1, 20],
  maxMessages: [1, Number.MAX_SAFE_INTEGER],
  graceSeconds: [0, 43_200],
} as const;

/** @throws TweedleError Invalid, where an option cannot be used */
export function checkOptions(options: ConsumerOptions): void {
  parseQueueUrl(options.queueUrl);
  for (const [option, [least, most]] of Object.entries(RANGES)) {
    checkWhole(option, options[option as keyof typeof RANGES], least, most);
  }
}
