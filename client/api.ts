import { quote } from "../common/quote";
import { type Signer, signedHeaders } from "../functions/send-message/signed-headers";
import { AccessRefusedError, HttpError, TweedleError, throwIfAborted } from "./errors";
import { type Connections, close, connections, send, textOf } from "./http";
import { type RetryOptions, retrying } from "./retry";

/** What the API answers: where to send which request, until when. */
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

/** Gives credentials, new ones where the old have ended: what the AWS SDK calls a provider. */
export type CredentialProvider = () => Promise<Signer["credentials"]>;

export interface ApiOptions {
  /** Where the API is, with its stage: the stack's output api_url. */
  readonly apiUrl: string;
  /** Whose requests to sign where the stage asks for it. @default none: such a stage refuses */
  readonly credentials?: CredentialProvider | undefined;
  /** The key to send where the stage asks its producers for one. @default none: such a stage refuses */
  readonly apiKey?: string | undefined;
  /** The region that requests are signed for. @default the API's host's, or AWS_REGION */
  readonly region?: string | undefined;
  readonly retry?: RetryOptions | undefined;
  /** Connections to use, and to leave open. @default its own */
  readonly connections?: Connections | undefined;
}

interface Operation {
  readonly security?: readonly Readonly<Record<string, unknown>>[];
  readonly requestBody?: { content: { "application/json": { schema: { $ref: string } } } };
}

/** The API's own description: https://spec.openapis.org/oas/v3.0.1 */
interface Description {
  readonly paths: Readonly<Record<string, { readonly post?: Operation }>>;
  readonly components: {
    readonly schemas: Readonly<
      Record<string, { readonly properties?: Readonly<Record<string, { readonly maximum?: number }>> }>
    >;
  };
}

/** The API of one stage: asks it for URLs, and knows from its own description what the stage wants. */
export class Api {
  readonly connections: Connections;
  readonly #url: URL;
  readonly #options: ApiOptions;
  #description: Promise<Description> | undefined;

  /** @throws TweedleError where the URL is none */
  constructor(options: ApiOptions) {
    this.#options = options;
    this.#url = parseApiUrl(options.apiUrl);
    this.connections = options.connections ?? connections();
  }

  /** Whether the stage has an action. */
  async has(action: string, signal?: AbortSignal): Promise<boolean> {
    return (await this.#describe(signal)).paths[`/${action}`] !== undefined;
  }

  /** The largest payload that the stage takes in one action, in bytes. */
  async maxContentLength(action: string, signal?: AbortSignal): Promise<number> {
    const { paths, components } = await this.#describe(signal);
    const schema = paths[`/${action}`]?.post?.requestBody?.content["application/json"].schema.$ref
      .split("/")
      .at(-1);
    return components.schemas[schema ?? ""]?.properties?.["content_length"]?.maximum ?? Infinity;
  }

  /**
   * Asks for a URL, or for what else an action does.
   *
   * @throws TweedleError Refused, with the API's own sentence, or Unavailable
   */
  async ask<Answer = SignedUrl>(action: string, fields: object, signal?: AbortSignal): Promise<Answer> {
    const operation = (await this.#describe(signal)).paths[`/${action}`]?.post;
    if (!operation) throw new TweedleError("Refused", `The API ${this.#url.href} has no ${action}.`);
    return (await this.#call(
      "POST",
      `/${action}`,
      fields,
      (operation.security ?? []).flatMap((schemes) => Object.keys(schemes)),
      signal,
    )) as Answer;
  }

  /**
   * Asks for a URL of a payload that a message announces.
   *
   * @param bucket what the message names
   * @throws OtherBucketError, where the URL leads to another; else as {@link ask}
   */
  async askFor(bucket: string, action: string, fields: object, signal?: AbortSignal): Promise<SignedUrl> {
    const answer = await this.ask(action, fields, signal);
    const own = bucketOf(answer.url);
    if (own === bucket) return answer;
    throw new OtherBucketError(bucket, own);
  }

  /** Closes its connections, unless they were given. */
  close(): void {
    if (!this.#options.connections) close(this.connections);
  }

  async #describe(signal?: AbortSignal): Promise<Description> {
    for (;;) {
      const asked = (this.#description ??= this.#call(
        "GET",
        "/openapi.json",
        undefined,
        [],
        signal,
      ) as Promise<Description>);
      try {
        return await asked;
      } catch (error) {
        if (this.#description === asked) this.#description = undefined;
        throwIfAborted(signal);
        // Whoever asked first has been interrupted: that is not our end.
        if (!(error instanceof TweedleError && error.code === "Interrupted")) throw error;
      }
    }
  }

  /** @param security what the stage wants of a caller, by the names of its description */
  async #call(
    method: string,
    path: string,
    fields: object | undefined,
    security: readonly string[],
    signal?: AbortSignal,
  ) {
    const url = new URL(this.#url);
    url.pathname += path;
    const body = fields && JSON.stringify(fields);
    const { retry } = this.#options;
    try {
      const text = await retrying(
        `${method} ${url.pathname}`,
        async () => {
          const own = {
            ...(await this.#credentialsFor(security, url, body ?? "")),
            ...(body !== undefined && { "content-type": "application/json" }),
          };
          const request = { method, url: url.href, headers: own, connections: this.connections, signal };
          return await textOf(await send({ ...request, ...(body !== undefined && { body }) }));
        },
        { signal, retry },
      );
      return JSON.parse(text) as unknown;
    } catch (error) {
      // API Gateway, too, says what is wrong in JSON; what answers XML or a page is something else.
      if (error instanceof HttpError && (path !== "/openapi.json" || error.status === 429)) {
        const Refusal = error.status === 403 ? AccessRefusedError : TweedleError;
        throw new Refusal("Refused", `${path.slice(1)}: ${error.message}`, { cause: error });
      }
      if (error instanceof SyntaxError || error instanceof HttpError) {
        throw new TweedleError("Invalid", `${this.#url.href} is no Tweedle API: ${error.message}`, {
          cause: error,
        });
      }
      throw error;
    }
  }

  async #credentialsFor(
    security: readonly string[],
    url: URL,
    body: string,
  ): Promise<Record<string, string>> {
    const { apiKey } = this.#options;
    if (security.includes("sigv4")) return await this.#sign(url, body);
    if (!security.includes("api_key")) return {};
    if (apiKey) return { "x-api-key": apiKey };
    throw new AccessRefusedError(
      "Invalid",
      "This stage wants a key of its producers: give yours, as apiKey or in TWEEDLE_API_KEY.",
    );
  }

  async #sign(url: URL, body: string): Promise<Record<string, string>> {
    const { credentials, region } = this.#options;
    if (!credentials) {
      throw new AccessRefusedError(
        "Invalid",
        "This stage wants its requests signed: give AWS credentials that may call its API.",
      );
    }
    const where = region ?? /\.execute-api\.([^.]+)\./.exec(url.host)?.[1] ?? process.env["AWS_REGION"];
    if (!where) throw new TweedleError("Invalid", "Say the API's region, in AWS_REGION.");
    return await signedHeaders(url, body, {
      service: "execute-api",
      region: where,
      credentials: await credentials(),
    });
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

function parseApiUrl(apiUrl: string): URL {
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
