import { quote } from "../common/quote";
import { ACTIONS, type ActionName, type Role } from "../functions/sign-url/actions";
import {
  AccessRefusedError,
  HttpError,
  NetworkError,
  TweedleError,
  checkWhole,
  isAccessRefused,
} from "./errors";
import { mistakeIn } from "./first-contact";
import { type Connections, close, connections, send, textOf } from "./http";
import { type RetryContext, type RetryOptions, retry } from "./retry";
import type { CredentialProvider, createSigning } from "./signing";

/** An answer of the API: the request to S3, and when its URL expires. */
export interface SignedUrl {
  readonly object_key: string;
  readonly method: string;
  readonly url: string;
  /** To be sent as they are: they are signed. */
  readonly headers: Readonly<Record<string, string>>;
  readonly expires_at: string;
}

export interface SignedParts extends Omit<SignedUrl, "url"> {
  readonly parts: readonly { readonly part_number: number; readonly url: string }[];
}

/** The answer of createMultipartUpload. */
export interface SignedCreation extends SignedUrl {
  /** The largest object that the stage takes, in bytes, where it caps them. */
  readonly max_object_bytes?: number;
}

export interface ApiOptions {
  /** The API's URL, with its stage: the stack's output api_url. */
  readonly apiUrl: string;
  /** The credentials to sign requests with, where the stage asks for it. @default none: such a stage refuses */
  readonly credentials?: CredentialProvider | undefined;
  /** The key to send where the stage asks its producers for one. @default none: such a stage refuses */
  readonly apiKey?: string | undefined;
  /** The region to sign requests for, where the API's host name states none. @default the AWS SDK's, from AWS_REGION or a profile */
  readonly region?: string | undefined;
  /** How requests to the API and to S3 are retried. @default for 5 minutes, with pauses that grow up to 20 s */
  readonly retry?: RetryOptions | undefined;
  /** Connections to use, and to leave open. @default its own, through the proxies of HTTPS_PROXY, HTTP_PROXY and NO_PROXY */
  readonly connections?: Connections | undefined;
  /** The time, in milliseconds since 1970. Where the API's is another, that one counts. @default Date.now */
  readonly now?: (() => number) | undefined;
}

/** A clock this far off, in milliseconds, is corrected by the API's: API Gateway takes signatures of 5 minutes' difference. */
const CLOCK_TOLERANCE_MS = 60_000;

/**
 * The API of one stage. It learns from the responses what the stage asks of each role: a signature, and by which
 * clock.
 */
export class Api {
  readonly connections: Connections;
  readonly #url: URL;
  readonly #options: ApiOptions;
  /** Roles whose requests the stage wants signed. */
  readonly #signingRoles = new Set<Role>();
  /** Actions that the stage does not have. */
  readonly #missing = new Set<ActionName>();
  /** Whether it has responded at all. Until then, some errors mean a mistake in its URL. */
  #isReached = false;
  /** Whether it has responded as a Tweedle API does. */
  #isKnown = false;
  /** The API's clock less this machine's, in milliseconds. */
  #clockOffsetMs = 0;
  #signing: Promise<ReturnType<typeof createSigning>> | undefined;

  /** @throws TweedleError Invalid, where the URL is none, or an option of retry is no whole number */
  constructor(options: ApiOptions) {
    for (const [name, value] of Object.entries(options.retry ?? {}))
      checkWhole(`retry.${name}`, value as number, 0, Number.MAX_SAFE_INTEGER);
    this.#options = options;
    this.#url = parseApiUrl(options.apiUrl);
    this.connections = options.connections ?? connections();
  }

  /** Its URL in one form, however it was given: without a slash at the end, a default port, or capitals in its host. */
  get url(): string {
    return this.#url.href;
  }

  /** Tells an action that the stage does not have, as a response has said. */
  lacks(action: ActionName): boolean {
    return this.#missing.has(action);
  }

  /**
   * Checks that the API is there and lets its consumer in, by one request that no payload can be the answer to.
   *
   * @throws AccessRefusedError where it refuses the caller, or is no Tweedle API; TweedleError Unavailable
   */
  async check(calling: Calling = {}): Promise<void> {
    try {
      await this.#call("getObject", { object_key: "" }, calling);
    } catch (error) {
      if (!(error instanceof TweedleError && error.cause instanceof HttpError)) throw error;
      if (error.cause.status !== 400 || isAccessRefused(error)) throw error;
    }
  }

  /**
   * Asks for a URL, or for what else an action does.
   *
   * @throws AccessRefusedError where the API refuses the caller, or is no Tweedle API; TweedleError Refused, with the
   *   API's own sentence, or Unavailable, at once where a first contact shows a mistake in the URL
   */
  async ask<Answer = SignedUrl>(action: ActionName, fields: object, calling: Calling = {}): Promise<Answer> {
    return (await this.#call(action, fields, calling)) as Answer;
  }

  /**
   * Asks for a URL of a payload that a message announces.
   *
   * @param bucket what the message names
   * @throws OtherBucketError, where the URL leads to another; else as {@link ask}
   */
  async askFor(
    bucket: string,
    action: ActionName,
    fields: object,
    calling: Calling = {},
  ): Promise<SignedUrl> {
    const answer = await this.ask(action, fields, calling);
    const own = bucketOf(answer.url);
    if (own === bucket) return answer;
    throw new OtherBucketError(bucket, own);
  }

  /** Closes its connections, unless they were given. */
  close(): void {
    if (!this.#options.connections) close(this.connections);
  }

  async #call(action: ActionName, fields: object, calling: Calling): Promise<unknown> {
    const url = new URL(this.#url);
    url.pathname += `/${action}`;
    const request = { role: roleOf(action), url, body: JSON.stringify(fields), signal: calling.signal };
    try {
      return await retry(`POST ${url.pathname}`, async () => this.#parse(action, await this.#send(request)), {
        ...calling,
        retry: this.#options.retry,
      });
    } catch (error) {
      throw error instanceof HttpError ? this.#refusal(action, error) : error;
    }
  }

  /**
   * Reads a response that says yes.
   *
   * @throws AccessRefusedError where it is not a Tweedle API's; HttpError where it was one's before: something between
   *   may respond in its place for a while
   */
  #parse(action: ActionName, text: string): Record<string, unknown> {
    const answer = parseJson(text);
    if (answer?.["action"] === action) {
      this.#isKnown = true;
      return answer;
    }
    const what = "it answers something else.";
    throw this.#isKnown ? new HttpError("api", 502, "", what) : this.#foreign(new Error(what));
  }

  /**
   * Sends a request, and where it is refused for want of a better signature, once more with that.
   *
   * @returns the answer's text
   */
  async #send(request: ApiRequest): Promise<string> {
    for (let isSignedAgain = false; ;) {
      const isSigned = this.#signingRoles.has(request.role);
      const clockOffsetMs = this.#clockOffsetMs;
      try {
        return await this.#attempt(request, isSigned, isSignedAgain);
      } catch (error) {
        if (!(error instanceof HttpError) || error.status !== 403) throw error;
        this.#learnClock(error);
        if (!isSigned) {
          if (error.code !== "AccessDenied") throw error;
          this.#signingRoles.add(request.role);
          continue;
        }
        const isClockWrong = this.#clockOffsetMs !== clockOffsetMs;
        if (isSignedAgain || !(isClockWrong || error.remedy === "sign again")) throw error;
        isSignedAgain = true;
      }
    }
  }

  async #attempt(
    { role, url, body, signal }: ApiRequest,
    isSigned: boolean,
    isSignedAgain: boolean,
  ): Promise<string> {
    const { apiKey } = this.#options;
    const headers = {
      ...(isSigned && (await this.#sign(url, body, isSignedAgain))),
      ...(role === "producer" && apiKey && { "x-api-key": apiKey }),
      "content-type": "application/json",
    };
    const request = {
      service: "api",
      method: "POST",
      url: url.href,
      headers,
      body,
      connections: this.connections,
      signal,
    } as const;
    try {
      const text = await textOf("api", await send(request));
      this.#isReached = true;
      return text;
    } catch (error) {
      this.#isReached ||= error instanceof HttpError;
      if (this.#isReached || !(error instanceof NetworkError)) throw error;
      const mistake = await mistakeIn(this.#url, error);
      if (mistake === undefined) throw error;
      const message = `${this.#url.href} cannot be reached: ${mistake}`;
      throw new TweedleError("Unavailable", message, { cause: error });
    }
  }

  #learnClock({ date }: HttpError): void {
    if (date === undefined) return;
    const offsetMs = date - this.#now();
    if (Math.abs(offsetMs - this.#clockOffsetMs) >= CLOCK_TOLERANCE_MS) this.#clockOffsetMs = offsetMs;
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }

  async #sign(url: URL, body: string, isSignedAgain: boolean): Promise<Record<string, string>> {
    const { credentials, region } = this.#options;
    if (!credentials) {
      throw new AccessRefusedError(
        "Refused",
        "This stage wants its requests signed: give AWS credentials that may call its API.",
      );
    }
    // Loaded where it is needed: most producers sign nothing.
    this.#signing ??= import("./signing").then(({ createSigning }) =>
      createSigning({ credentials, region, now: () => this.#now() + this.#clockOffsetMs }),
    );
    return await (
      await this.#signing
    )(url, body, isSignedAgain);
  }

  /** Describes an error response to the caller. */
  #refusal(action: ActionName, error: HttpError): TweedleError {
    const { status, code, message } = error;
    if (code === "") return this.#foreign(error);
    if (status === 404) {
      this.#missing.add(action);
      const text = `The API ${this.#url.href} has no ${action}.`;
      return new AccessRefusedError("Refused", text, { cause: error });
    }
    if (code === "InvalidApiKey" && !this.#options.apiKey) {
      const text = "This stage wants a key of its producers: give yours, as apiKey or in TWEEDLE_API_KEY.";
      return new AccessRefusedError("Refused", text, { cause: error });
    }
    const Refusal = status === 403 ? AccessRefusedError : TweedleError;
    return new Refusal("Refused", `${action}: ${message}`, { cause: error });
  }

  /** The error of a host that is no Tweedle API: API Gateway, too, answers in our JSON. */
  #foreign(cause: Error): AccessRefusedError {
    return new AccessRefusedError("Invalid", `${this.#url.href} is no Tweedle API: ${cause.message}`, {
      cause,
    });
  }
}

/** The caller of a request, which may end it, and is told of its pauses. */
export type Calling = Pick<RetryContext, "signal" | "onWait">;

interface ApiRequest {
  readonly role: Role;
  readonly url: URL;
  readonly body: string;
  readonly signal: AbortSignal | undefined;
}

const roleOf = (action: ActionName): Role => ACTIONS[action]?.role ?? "producer";

/** The object that a text is in JSON; undefined where it is none. */
function parseJson(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/**
 * The bucket that a signed URL leads to: the API's own, whatever a message names.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
 */
function bucketOf(signedUrl: string): string {
  const { hostname, pathname } = new URL(signedUrl);
  return /^(.+)\.s3[.-]([^/]+\.)?amazonaws\.com(\.cn)?$/.exec(hostname)?.[1] ?? pathname.split("/")[1] ?? "";
}

/** A message that is about another bucket than the API's: under its key we may have a payload of our own. */
export class OtherBucketError extends TweedleError {
  constructor(named: string, own: string) {
    super("Invalid", `The message names the bucket ${quote(named)}, and the API is for ${quote(own)}.`);
  }
}

/** @throws TweedleError Invalid, where the text is no URL of an API */
export function parseApiUrl(apiUrl: string): URL {
  let url: URL;
  try {
    url = new URL(apiUrl);
  } catch (error) {
    throw new TweedleError("Invalid", `The API's URL must be one, not ${quote(apiUrl)}.`, {
      cause: error,
    });
  }
  if (!["http:", "https:"].includes(url.protocol)) {
    throw new TweedleError(
      "Invalid",
      `The API's URL must begin with https:// or http://, not ${quote(`${url.protocol}//`)}.`,
    );
  }
  url.pathname = url.pathname.replace(/\/+$/, "");
  return url;
}
