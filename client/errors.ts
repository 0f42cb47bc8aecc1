import { excerpt } from "../common/quote";
import { type Remedy, type Service, remedyOf } from "../contract/answers";

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

/** An error response: of the API in JSON, of S3 in XML. */
export class HttpError extends Error {
  override readonly name = "HttpError";

  constructor(
    /** The service that responds; undefined for one whose codes are not known here. */
    readonly service: Service | undefined,
    readonly status: number,
    /** The service's own code, such as AccessDenied or SlowDown. Empty where the response has none. */
    readonly code: string,
    message: string,
    /** How long the server asks to wait before the next request, in seconds. */
    readonly retryAfter?: number,
    /** When the server sent it by its own clock, in milliseconds since 1970. */
    readonly date?: number,
  ) {
    super(message);
  }

  /** The remedy. */
  get remedy(): Remedy {
    return remedyOf(this.service, this.status, this.code);
  }

  /** The error in a few words: 503 SlowDown. */
  get reason(): string {
    return `${this.status} ${this.code}`.trim();
  }
}

/** Plain words for the codes of the name server, the network and the operating system. */
const REASONS: Readonly<Record<string, string>> = {
  EADDRNOTAVAIL: "no free port on this machine",
  EAI_AGAIN: "the name server does not respond",
  ECONNABORTED: "the connection broke",
  ECONNREFUSED: "connection refused",
  ECONNRESET: "the connection broke",
  EHOSTUNREACH: "no route to the host",
  EMFILE: "too many open files",
  ENETDOWN: "no network",
  ENETUNREACH: "no network",
  ENFILE: "too many open files",
  ENOTFOUND: "no such host",
  EPIPE: "the connection broke",
  EPROTO: "no TLS connection",
  ETIMEDOUT: "no response",
};

/**
 * A failure between this process and a service: of the name server, the network, TLS, the operating system's sockets,
 * or a response that is not HTTP. Whether the request arrived is unknown. Any of them may pass.
 */
export class NetworkError extends Error {
  override readonly name = "NetworkError";
  /** Node's code, such as ECONNRESET; empty where it has none. */
  readonly code: string;
  /** The error in a few words: connection refused. */
  readonly reason: string;

  constructor(
    /** The service that the request was for. */
    readonly service: Service,
    cause: NodeJS.ErrnoException,
    /** Whether the server's certificate is not accepted. */
    readonly isCertificate = false,
  ) {
    const { code = "", message } = cause;
    const said = excerpt(message.trim());
    const known = REASONS[code];
    super(known && said ? `${known} (${said})` : said || known || code, { cause });
    this.code = code;
    this.reason = known ?? (isCertificate || code === "" ? said : code);
  }
}

/** Retryable although its kind is not: a URL that has expired, which is signed again. */
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
