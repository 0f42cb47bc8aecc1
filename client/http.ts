import {
  type ClientRequest,
  type Agent as HttpAgent,
  type IncomingMessage,
  request as httpRequest,
} from "node:http";
import { type Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { XMLParser } from "fast-xml-parser";
import { excerpt } from "../common/quote";
import type { Service } from "../contract/answers";
import { HttpError } from "./errors";
import { ProxiedHttpAgent, ProxiedHttpsAgent } from "./proxies";

/** How long a connection may say nothing before it counts as broken, in milliseconds. */
const IDLE_TIMEOUT_MS = 60_000;
/** What an answer that is read whole may have, in bytes: 1,000 parts in XML, or the API's description. */
const MAX_ANSWER_BYTES = 8 * 1024 ** 2;

/** The connections of a client: kept open, so that a small message does not wait for a handshake. */
export interface Connections {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
}

/** Connections of one client, through the proxies that the environment names. */
export function connections(): Connections {
  const options = { keepAlive: true, maxFreeSockets: 32 };
  return { http: new ProxiedHttpAgent(options), https: new ProxiedHttpsAgent(options) };
}

export function close({ http, https }: Connections): void {
  http.destroy();
  https.destroy();
}

export interface HttpRequest {
  /** The service that the request is for, whose error responses are understood: the API's in JSON, S3's in XML. */
  readonly service: Service;
  readonly method: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A text, or a stream of as many bytes as the header content-length says. @default none */
  readonly body?: string | Readable;
  readonly connections: Connections;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Sends a request and resolves with the answer's head. (`fetch` would send a stream without its length, which is
 * signed here.)
 *
 * @throws HttpError for an answer from 300 on
 * @throws Error with the code of the network, where that failed
 */
export async function send(options: HttpRequest): Promise<IncomingMessage> {
  const { service, method, url, body, signal } = options;
  const secure = url.startsWith("https:");
  const request = (secure ? httpsRequest : httpRequest)(url, {
    method,
    headers: {
      ...(typeof body === "string" && { "content-length": String(Buffer.byteLength(body)) }),
      ...options.headers,
    },
    agent: secure ? options.connections.https : options.connections.http,
    timeout: IDLE_TIMEOUT_MS,
    ...(signal && { signal }),
  });
  request.on("timeout", () =>
    request.destroy(networkError("ETIMEDOUT", `Nothing came for ${IDLE_TIMEOUT_MS / 1000} s.`)),
  );
  request.setNoDelay(true);
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    request.once("response", resolve);
    // Once there is an answer, what breaks is the answer's error.
    request.on("error", (error) => reject(asNetworkError(error)));
  });
  let response: IncomingMessage;
  if (body === undefined || typeof body === "string") {
    request.end(body);
    response = await answered;
  } else {
    // S3 refuses before it has read all: its answer says more than the broken pipe.
    const sent = pipeline(body, request).catch((error: NodeJS.ErrnoException) => {
      if (!isOfSocket(error)) throw error;
    });
    answered.catch(() => undefined);
    response = await Promise.race([answered, sent.then(() => answered)]);
  }
  if ((response.statusCode ?? 500) >= 300) throw await refusal(service, response, request);
  return response;
}

const isOfSocket = ({ code = "" }: NodeJS.ErrnoException) =>
  ["EPIPE", "ECONNRESET", "ERR_STREAM_PREMATURE_CLOSE", "ERR_STREAM_DESTROYED"].includes(code);

export const networkError = (code: string, message: string): Error =>
  Object.assign(new Error(message), { code });

/** Node calls a connection that ended in the middle by several names. */
export function asNetworkError(error: NodeJS.ErrnoException): Error {
  return error.message === "aborted" || error.message === "socket hang up"
    ? networkError("ECONNRESET", "The connection broke.")
    : error;
}

/**
 * The bytes of an answer as they come.
 *
 * @throws Error of the network where they break off before their announced end
 */
async function* bytesOf(response: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) yield chunk;
  } catch (error) {
    throw asNetworkError(error as NodeJS.ErrnoException);
  }
}

/**
 * An answer as text, read whole.
 *
 * @throws Error of the network where it breaks off
 */
export async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of bytesOf(response)) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES)
      throw new HttpError(502, "", `The answer has over ${MAX_ANSWER_BYTES} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

const xml = new XMLParser({ parseTagValue: false, isArray: (name) => name === "Part" });

/** S3's XML as an object whose values are strings; a Part is always a list. */
export const parseXml = (text: string): Record<string, unknown> => xml.parse(text) as Record<string, unknown>;

/** What an answer says no with, in a word and a sentence. */
async function refusal(
  service: Service,
  response: IncomingMessage,
  request: ClientRequest,
): Promise<HttpError> {
  const { statusCode = 500, headers } = response;
  // A body that is refused may stay unread: another request would wait behind it.
  if (request.method !== "GET") request.shouldKeepAlive = false;
  const text = await textOf(response).catch(() => "");
  // What is still being sent has no reader any more.
  if (!request.writableFinished) request.destroy();
  const { code, message } = errorIn(service, text);
  const retryAfter = Number(headers["retry-after"]);
  const date = Date.parse(headers.date ?? "");
  return new HttpError(
    statusCode,
    code,
    message || `HTTP ${statusCode} ${excerpt(response.statusMessage ?? "")}`.trim(),
    Number.isFinite(retryAfter) ? retryAfter : undefined,
    Number.isFinite(date) ? date : undefined,
  );
}

/** Between us and S3, somebody else may say that all is well. */
export const notOfS3 = (lack: string): HttpError =>
  new HttpError(502, "", `The answer has ${lack}: it is not S3's.`);

const textIn = (value: unknown) => (typeof value === "string" ? excerpt(value) : "");

function errorIn(service: Service, text: string): { code: string; message: string } {
  try {
    if (service === "s3") {
      const { Code, Message } = (parseXml(text)["Error"] ?? {}) as Record<string, unknown>;
      return { code: textIn(Code), message: textIn(Message) };
    }
    const { error } = JSON.parse(text) as { error?: Record<string, unknown> };
    return { code: textIn(error?.["code"]), message: textIn(error?.["message"]) };
  } catch {
    return { code: "", message: "" };
  }
}

/**
 * An error that S3 answers with 200: it must say something before it knows whether it can complete an upload.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
 *
 * @throws HttpError where the text is one
 */
export function throwIfError(text: string): void {
  const { code, message } = errorIn("s3", text);
  if (code)
    throw new HttpError(code === "InternalError" ? 500 : code === "SlowDown" ? 503 : 400, code, message);
}
