import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { LIMITS } from "../functions/sign-url/limits";
import type { SignedUrl } from "./api";
import { HttpError, TransientError } from "./errors";
import { type Connections, send, textOf, throwIfError } from "./http";
import { MAX_RESIGNINGS } from "./retry";

/** How long our URLs live: the longest that the API signs, in seconds. */
export const EXPIRES_IN = LIMITS.maxExpirySeconds;
/** A URL is not used in its last seconds: what it begins must be under way when it ends. */
const MARGIN_SECONDS = 15;

type Signed = Pick<SignedUrl, "method" | "url" | "headers">;

interface SendOptions {
  /** Called for each attempt. */
  readonly body?: () => string | Readable;
  /** Further headers, unsigned. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/** A response that is read whole. */
export interface TextResponse {
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/**
 * One S3 request, behind a URL that is signed when it is needed and again when it has expired. A URL expires with the
 * credentials that signed it, whatever it says itself, so that S3's refusal may be a reason to sign again, too.
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
   * Resolves with the response's head.
   *
   * @throws HttpError or NetworkError, as `send` does; TransientError where signing again may help
   */
  async send(options: SendOptions = {}): Promise<IncomingMessage> {
    return await this.#attempt(options, (response) => response);
  }

  /**
   * Resolves with the response once it is read whole.
   *
   * @throws as {@link send}, also for an error that S3 answers with 200
   */
  async exchange(options: SendOptions = {}): Promise<TextResponse> {
    return await this.#attempt(options, async (response) => {
      const text = await textOf("s3", response);
      throwIfError(text);
      return { headers: response.headers, text };
    });
  }

  async #attempt<T>(
    { body, headers, signal }: SendOptions,
    read: (response: IncomingMessage) => T | Promise<T>,
  ): Promise<T> {
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
      const result = await read(response);
      this.#refusals = 0;
      return result;
    } catch (error) {
      if (!(error instanceof HttpError) || error.remedy !== "sign again") throw error;
      // Several requests may be refused for one URL: it counts once, and what was signed since then stays.
      if (this.#signed === current) {
        this.#signed = undefined;
        this.#refusals += 1;
      }
      if (this.#refusals > MAX_RESIGNINGS) throw error;
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
