import type { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { LIMITS } from "../functions/sign-url/limits";
import type { SignedUrl } from "./api";
import { HttpError, TransientError } from "./errors";
import { type Connections, send } from "./http";

/** How long our URLs live: the longest that the API signs, in seconds. */
export const EXPIRES_IN = LIMITS.maxExpirySeconds;
/** A URL is not used in its last seconds: what it begins must be under way when it ends. */
const MARGIN_SECONDS = 15;
/** How often a URL that is refused is signed anew: it may have ended, and with it the credentials behind it. */
const MAX_REFUSALS = 2;

type Signed = Pick<SignedUrl, "method" | "url" | "headers">;

/**
 * One S3 request, behind a URL that is signed when it is needed and again when it has ended. A URL dies with the
 * credentials that signed it, whatever it says itself, so S3's 403 is a reason to sign again, too.
 */
export class SignedRequest {
  #signed: { readonly request: Promise<Signed>; readonly until: number } | undefined;
  #refusals = 0;

  /** @param sign asks the API for a URL that lives for {@link EXPIRES_IN} */
  constructor(
    private readonly connections: Connections,
    private readonly sign: () => Promise<Signed>,
  ) {}

  /**
   * @param body made anew for each try
   * @throws HttpError or a network error, as `send` does; TransientError where signing again may help
   */
  async send({
    body,
    headers,
    signal,
  }: {
    readonly body?: () => string | Readable;
    /** Further headers, unsigned. */
    readonly headers?: Readonly<Record<string, string>>;
    readonly signal?: AbortSignal | undefined;
  } = {}): Promise<IncomingMessage> {
    const current = this.#current();
    const { method, url, headers: signed } = await current.request;
    try {
      const response = await send({
        service: "s3",
        method,
        url,
        headers: { ...signed, ...headers },
        connections: this.connections,
        signal,
        ...(body && { body: body() }),
      });
      this.#refusals = 0;
      return response;
    } catch (error) {
      if (!(error instanceof HttpError) || error.status !== 403) throw error;
      // Several requests may be refused for one URL: it counts once, and what was signed since then stays.
      if (this.#signed === current) {
        this.#signed = undefined;
        this.#refusals += 1;
      }
      if (this.#refusals > MAX_REFUSALS) throw error;
      throw new TransientError(error.message, { cause: error });
    }
  }

  #current() {
    const now = performance.now();
    if (!this.#signed || now > this.#signed.until) {
      const signed = { request: this.sign(), until: now + (EXPIRES_IN - MARGIN_SECONDS) * 1000 };
      this.#signed = signed;
      signed.request.catch(() => {
        if (this.#signed === signed) this.#signed = undefined;
      });
    }
    return this.#signed;
  }
}
