import { FAILURE } from "./texts";

/** What a file's upload ended with: a sentence for people, and whether another try may help. */
export class Failure extends Error {
  constructor(
    message: string,
    readonly mayRetry: boolean,
  ) {
    super(message);
  }
}

/** An answer that says no. */
export class Refusal extends Error {
  constructor(
    readonly from: "api" | "bucket",
    readonly status: number,
    /** The API's or S3's word for it: AccessDenied, SlowDown. Empty where the answer has none. */
    readonly code: string,
    message = "",
  ) {
    super(message);
  }
}

/** No answer: the network, or a browser that may not show one. */
export class NoAnswer extends Error {}

/** The bytes of the file are not those any more that were chosen. */
export const changed = () => new Failure(FAILURE.changed, false);

/** What a person is told of an error. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof NoAnswer) return new Failure(FAILURE.unreachable, true);
  if (!(error instanceof Refusal)) return new Failure(FAILURE.ours(String(error)), true);
  const { from, status, code, message } = error;
  if (code === "BadDigest") return changed();
  if (status === 429 || status >= 500) return new Failure(FAILURE.again(status, code), true);
  return from === "api"
    ? new Failure(FAILURE.api(message || `${status} ${code}`), true)
    : new Failure(FAILURE.bucket(status, code), true);
}
