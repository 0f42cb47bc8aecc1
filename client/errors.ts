/** What went wrong, in a word that a program can ask for. */
export type ErrorCode =
  /** What was given cannot be used: a name, a file, an option. */
  | "Invalid"
  /** The API, S3 or SQS refuses it, and would again. */
  | "Refused"
  /** The payload is not there any more. */
  | "Gone"
  /** What arrived is not what was sent: another length or digest. */
  | "Corrupt"
  /** It failed again and again; later it may work. */
  | "Unavailable"
  /** Somebody asked for it to end. */
  | "Interrupted";

/** A failure that the caller can do something about. Its message is one line that says what; `cause` says why. */
export class TweedleError extends Error {
  override readonly name = "TweedleError";

  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/**
 * The API's refusal of its caller, whatever is asked for: rights, a clock or the URL are wrong. Every further request
 * would be refused alike, until one of them changes.
 */
export class AccessRefusedError extends TweedleError {}

/** Whether an error, or what caused it, is the API's refusal of its caller, and no matter of one payload. */
export const isAccessRefused = (error: unknown): boolean =>
  error instanceof Error && (error instanceof AccessRefusedError || isAccessRefused(error.cause));

/** An answer that says no: from the API in its JSON, from S3 in its XML. */
export class HttpError extends Error {
  override readonly name = "HttpError";

  constructor(
    readonly status: number,
    /** S3's or the API's word for it: AccessDenied, SlowDown. Empty where the answer has none. */
    readonly code: string,
    message: string,
    /** How long the server asks to be left alone, in seconds. */
    readonly retryAfter?: number,
    /** When the server sent it by its own clock, in milliseconds since 1970. */
    readonly date?: number,
  ) {
    super(message);
  }
}

/** A failure that a later try mends although its kind is not transient: a URL that has ended, of which a new one is signed. */
export class TransientError extends Error {
  override readonly name = "TransientError";
}

/** @throws TweedleError Interrupted, where somebody asked for an end */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new TweedleError("Interrupted", "Interrupted.", { cause: signal.reason });
}

/** @throws TweedleError Invalid, where an option that is given is no whole number from one to another */
export function checkWhole(option: string, value: number | undefined, least: number, most: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= least && value <= most)) return;
  throw new TweedleError(
    "Invalid",
    `${option} must be a whole number from ${least} to ${most}, not ${value}.`,
  );
}
