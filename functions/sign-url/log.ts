import { escapeControls } from "../../common/quote";
import { digest } from "./sha256";

/** Takes a line of a function's log, with its end. */
export type Log = (line: string) => void;

/** What a request's line says that its answer does not. */
export interface Asked {
  /** The action, once it is known to be one. */
  action?: string | undefined;
  /** The name part of its key, once it is fit. */
  name?: string;
}

/**
 * A caller may choose API Gateway's request id, so it may be anything.
 *
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variable-examples.html
 */
const REQUEST_ID = /^[\w-]{1,64}$/;

/** What a stack trace may quote and no log may hold: URLs, and the UUIDs of keys. */
const SECRETS = /https?:\S+|[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/gi;

/** Longest stack trace in a line, in characters. CloudWatch takes 1 MB a line. */
const MAX_STACK = 8000;

/**
 * A request as one line of JSON. It is written to stdout as it is, since Lambda puts a time and an id before what
 * `console` is given. No URL, signature, token, key or body is in it: of a key, the digest of its name part.
 */
export function requestLine(
  requestId: unknown,
  { action, name }: Asked,
  status: number,
  code: string | undefined,
  milliseconds: number,
  fault?: unknown,
): string {
  const line = {
    level: status < 400 ? "INFO" : status < 500 ? "WARN" : "ERROR",
    request_id: typeof requestId === "string" && REQUEST_ID.test(requestId) ? requestId : undefined,
    action,
    name_sha256: name && digest(name).toString("hex"),
    status,
    code,
    duration_ms: Math.round(milliseconds * 1000) / 1000,
    stack: fault && stackOf(fault).replace(SECRETS, "…").slice(0, MAX_STACK),
  };
  // JSON escapes what has less than two bytes; bidirectional controls would show one line as another.
  return `${escapeControls(JSON.stringify(line))}\n`;
}

/** Where something broke, and what had broken before it. */
const stackOf = (fault: unknown): string =>
  fault instanceof Error
    ? `${fault.stack}${fault.cause ? ` Cause: ${stackOf(fault.cause)}` : ""}`
    : String(fault);
