import {
  type ClientRequest,
  type Agent as HttpAgent,
  type IncomingMessage,
  request as httpRequest,
} from "node:http";
import { type Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { TLSSocket } from "node:tls";
import { XMLParser } from "fast-xml-parser";
import { excerpt } from "../common/quote";
import type { Service } from "../contract/answers";
import { Gate } from "./descriptors";
import { HttpError, NetworkError, TweedleError } from "./errors";
import { ProxiedHttpAgent, ProxiedHttpsAgent } from "./proxies";
import { isExhausted } from "./retry";

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
  /** The service that the request is for, whose error codes the response has. */
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
 * @throws HttpError for an answer from 300 on, NetworkError where there is none, or what the body fails with
 */
export async function send(options: HttpRequest): Promise<IncomingMessage> {
  const leave = await requests.enter(options.signal);
  try {
    const response = await exchange(options);
    leave();
    return response;
  } catch (error) {
    // A connection that waits for another request has what this one needs.
    if (isExhausted(error)) closeIdle(options.connections);
    leave(error);
    throw error;
  }
}

/** Requests that wait for a response: fewer at once where the process has no more file descriptors. */
const requests = new Gate();

function closeIdle({ http, https }: Connections): void {
  for (const { freeSockets } of [http, https])
    for (const socket of Object.values(freeSockets).flat()) socket?.destroy();
}

async function exchange(options: HttpRequest): Promise<IncomingMessage> {
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
  request.on("timeout", () => request.destroy(noResponse()));
  request.setNoDelay(true);
  let bodyError: Error | undefined;
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    request.once("response", resolve);
    // Once there is an answer, what breaks is the answer's error. A body that fails ends its request.
    request.on("error", (error) => reject(bodyError ?? asNetworkError(service, error, request)));
  });
  if (body === undefined || typeof body === "string") {
    request.end(body);
  } else {
    body.once("error", (error) => (bodyError = error));
    // S3 refuses before it has read all: its answer says more than the broken pipe.
    pipeline(body, request).catch(() => undefined);
  }
  const response = await answered;
  if ((response.statusCode ?? 500) >= 300) throw await refusal(service, response, request);
  return response;
}

/** What a request failed with, unless that is a sentence of ours: what a proxy refuses, or a mistake in its URL. */
const asNetworkError = (service: Service, error: Error, request: ClientRequest): Error =>
  error instanceof TweedleError ? error : new NetworkError(service, error, isUntrusted(request));

/** Whether a request failed since its server's certificate is not accepted. (The types do not say that it may have no socket.) */
const isUntrusted = ({ socket }: { readonly socket: Socket | null }): boolean =>
  socket instanceof TLSSocket && Boolean(socket.authorizationError);

const noResponse = (): Error =>
  Object.assign(new Error(`Nothing came for ${IDLE_TIMEOUT_MS / 1000} s`), { code: "ETIMEDOUT" });

/** A response that ends before it is complete, as if its connection had broken. */
export const cutShort = (service: Service): NetworkError =>
  new NetworkError(service, Object.assign(new Error("the response was cut short"), { code: "ECONNRESET" }));

/** What reading a response failed with: the network, where the response itself did; else what its reader threw. */
export const readingError = (service: Service, response: IncomingMessage, error: unknown): unknown =>
  error === response.errored ? new NetworkError(service, error as NodeJS.ErrnoException) : error;

/**
 * An answer as text, read whole.
 *
 * @throws NetworkError where it breaks off
 */
export async function textOf(service: Service, response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_ANSWER_BYTES)
        throw new HttpError(service, 502, "", `The answer has over ${MAX_ANSWER_BYTES} bytes.`);
      chunks.push(chunk);
    }
  } catch (error) {
    throw readingError(service, response, error);
  }
  return Buffer.concat(chunks).toString("utf8");
}

const xml = new XMLParser({ parseTagValue: false, isArray: (name) => name === "Part" });

/** S3's XML as an object whose values are strings; a Part is always a list. */
export const parseXml = (text: string): Record<string, unknown> => xml.parse(text) as Record<string, unknown>;

/**
 * What a refusal says, by its code and sentence.
 *
 * @throws NetworkError where it breaks off, and says neither
 */
async function refusal(
  service: Service,
  response: IncomingMessage,
  request: ClientRequest,
): Promise<HttpError> {
  const { statusCode = 500, headers } = response;
  // A body that is refused may stay unread: another request would wait behind it.
  if (request.method !== "GET") request.shouldKeepAlive = false;
  const isSent = request.writableFinished;
  const text = await textOf(service, response).catch((error: unknown) => {
    // A server that refuses an unfinished body may close the connection before its words are through.
    if (isSent) throw error;
    return "";
  });
  // What is still being sent has no reader any more.
  if (!request.writableFinished) request.destroy();
  const { code, message } = errorIn(service, text);
  const date = Date.parse(headers.date ?? "");
  return new HttpError(
    service,
    statusCode,
    code,
    message || `HTTP ${statusCode} ${excerpt(response.statusMessage ?? "")}`.trim(),
    retryAfterSeconds(headers["retry-after"]),
    Number.isFinite(date) ? date : undefined,
  );
}

/** Seconds, or a date: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after */
function retryAfterSeconds(header: string | undefined): number | undefined {
  const seconds = /^\d+$/.test(header ?? "")
    ? Number(header)
    : (Date.parse(header ?? "") - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(seconds, 0) : undefined;
}

/** Between us and S3, somebody else may say that all is well. */
export const notOfS3 = (lack: string): HttpError =>
  new HttpError("s3", 502, "", `The answer has ${lack}: it is not S3's.`);

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
  if (!/<Error[\s>]/.test(text)) return;
  const { code, message } = errorIn("s3", text);
  throw code ? new HttpError("s3", 200, code, message) : notOfS3("an error without a code");
}
