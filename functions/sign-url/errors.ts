/** A caller's mistake: answered as JSON with this status, code and sentence, never thrown out of the handler. */
export class RequestError extends Error {
  override readonly name = "RequestError";

  constructor(
    readonly status: 400 | 403 | 404 | 405 | 413 | 415,
    readonly code: string,
    message: string,
    /** Headers of the answer. @default none beside those of every answer */
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}
