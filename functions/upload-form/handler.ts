import { createHash } from "node:crypto";
import { RequestError } from "../sign-url/errors";
import type { Log } from "../sign-url/log";
import { answer, answering, headerOf, wrongMethod } from "../sign-url/proxy";
import type { FormEnvironment } from "./environment";
import type { Page } from "./page";

/** What the page's server tells a browser beside its policy: to guess nothing, to tell nobody, to show it in no frame. */
const HEADERS = {
  // The browser keeps the page, and asks each time whether it is still the same.
  "cache-control": "no-cache",
  // API Gateway compresses the page for a browser that accepts that.
  vary: "accept-encoding",
  "referrer-policy": "no-referrer",
  "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "x-frame-options": "DENY",
  "x-robots-tag": "noindex",
} as const;

const METHODS: readonly string[] = ["GET", "HEAD"];

/** The part of an ETag that a weak comparison looks at. */
const opaque = (etag: string) => etag.trim().replace(/^W\//, "");

/** Whether an If-None-Match names an ETag: https://www.rfc-editor.org/rfc/rfc9110#name-if-none-match */
const names = (condition: string, etag: string) =>
  condition.split(",").some((one) => ["*", opaque(etag)].includes(opaque(one)));

/**
 * The upload form: a Lambda handler behind API Gateway's proxy integration that answers GET / with a page, and signs
 * nothing: it has no right to.
 *
 * @param options.log takes the line that is written for each request; by default none is
 */
export function createHandler(
  { bucketOrigin }: FormEnvironment,
  { html, policy }: Page,
  { log = () => {} }: { readonly log?: Log } = {},
) {
  const contentSecurityPolicy = `${policy}; connect-src 'self' ${bucketOrigin}`;
  const digest = createHash("sha256").update(html).update(contentSecurityPolicy).digest("base64url");
  // Weak: compressed or not, it is the same page. https://www.rfc-editor.org/rfc/rfc9110#name-weak-versus-strong
  const etag = `W/"${digest}"`;
  const headers = { ...HEADERS, etag, "content-security-policy": contentSecurityPolicy };

  return answering(async (event) => {
    if (event.resource !== "/") {
      throw new RequestError(404, "NoSuchRoute", "There is nothing here but GET /.");
    }
    if (!METHODS.includes(event.httpMethod)) throw wrongMethod("/", METHODS);
    return names(headerOf(event, "if-none-match") ?? "", etag)
      ? answer(304, "text/html", "", headers)
      : answer(200, "text/html", html, headers);
  }, log);
}
