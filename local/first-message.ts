import { statSync } from "node:fs";
import { join } from "node:path";
import { mediaType } from "../functions/sign-url/fields";
import { VARIABLES } from "../functions/sign-url/environment";
import { formatBytes } from "../stacks/format";
import type { Chain } from "./chain";
import { type Reporter, deliver, typeOf } from "./deliver";
import type { Stack } from "./stack/stack";

const ROOT = join(__dirname, "..");

/** Files of every clone. The first is larger than the 256 KB that SQS took; the others are for stages that refuse it. */
const CANDIDATES = [
  "package-lock.json",
  "package.json",
  "functions/upload-form/upload-form.png",
  "README.md",
  "LICENSE",
].map((path) => join(ROOT, path));

/** A stage's limits for a payload. */
export interface PayloadLimits {
  /** In bytes. */
  readonly maxObjectBytes: number | undefined;
  readonly contentTypes: readonly string[] | undefined;
}

/** The limits as the stack's functions know them. */
export function limitsOf({ functions }: Stack): PayloadLimits {
  const variable = (name: string) =>
    functions.map(({ environment }) => environment[name]).find((value) => value !== undefined);
  const maxObjectBytes = variable(VARIABLES.maxObjectBytes);
  return {
    maxObjectBytes: maxObjectBytes === undefined ? undefined : Number(maxObjectBytes),
    contentTypes: variable(VARIABLES.contentTypes)?.split(","),
  };
}

/** A file that a stage accepts; undefined where it accepts none of ours. */
export function firstMessage({ maxObjectBytes = Infinity, contentTypes }: PayloadLimits): string | undefined {
  return CANDIDATES.find(
    (path) =>
      statSync(path).size <= maxObjectBytes &&
      (contentTypes === undefined || mediaType(contentTypes).accepts(typeOf(path))),
  );
}

/** A stage's limits, for a sentence. */
export const describeLimits = ({ maxObjectBytes, contentTypes }: PayloadLimits): string =>
  [
    maxObjectBytes !== undefined && `at most ${formatBytes(maxObjectBytes)}`,
    contentTypes && `types ${contentTypes.join(", ")}`,
  ]
    .filter(Boolean)
    .join(" and ");

/** Sends a message that the stage accepts, or says in one line why there is none. The chain stays up in every case. */
export async function sendFirstMessage(
  chain: Chain,
  reporter: Reporter,
  signal?: AbortSignal,
): Promise<void> {
  if (chain.messagesLeft > 0) {
    const messages = chain.messagesLeft === 1 ? "message waits" : "messages wait";
    reporter.line(`No first message is sent: ${chain.messagesLeft} ${messages} from an earlier run.`);
    return;
  }
  const limits = limitsOf(chain.stack);
  const path = firstMessage(limits);
  if (path === undefined) {
    reporter.line(`No first message is sent: this stage accepts ${describeLimits(limits)}.`);
    return;
  }
  try {
    await deliver(chain, path, reporter, signal);
  } catch (error) {
    if (signal?.aborted) return;
    reporter.line(`The first message is not delivered: ${(error as Error).message}`);
  }
}
