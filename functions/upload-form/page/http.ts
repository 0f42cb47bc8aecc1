import { on } from "./dom";
import { NoAnswer, Refusal, notOfS3 } from "./errors";
import { API } from "./settings";
import { textIn } from "./xml";

/** What the API answers to who asks for a URL. */
export interface Signed {
  readonly object_key: string;
  readonly method: string;
  readonly url: string;
  /** In place of `url`, for uploadPart. */
  readonly parts?: readonly { readonly part_number: number; readonly url: string }[];
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Asks the API for a URL.
 *
 * @throws Refusal, or NoAnswer
 */
export async function ask(action: string, fields: object, signal?: AbortSignal): Promise<Signed> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(API + action, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(fields),
      credentials: "omit",
      redirect: "error",
      ...(signal && { signal }),
    });
    text = await response.text();
  } catch {
    signal?.throwIfAborted();
    throw new NoAnswer("api");
  }
  const { error, ...signed } = parse(text);
  if (!response.ok) {
    const { code = "", message } = error ?? {};
    throw new Refusal("api", response.status, code, message, retryAfterMs(response.headers));
  }
  return signed as Signed;
}

/** In seconds, as the API sends it: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after */
const retryAfterMs = (headers: Headers) => (Number(headers.get("retry-after")) || 0) * 1000;

interface ApiAnswer extends Partial<Signed> {
  readonly error?: { readonly code?: string; readonly message?: string };
}

/** Not everything that answers is the API: a proxy's page is an answer without any words. */
function parse(text: string): ApiAnswer {
  try {
    return JSON.parse(text) as ApiAnswer;
  } catch {
    return {};
  }
}

/** Whether the API can be reached. API Gateway refuses this method by itself: no function is called. */
export async function isConnected(signal?: AbortSignal): Promise<boolean> {
  if (!navigator.onLine) return false;
  try {
    await fetch(`${API}putObject`, {
      method: "HEAD",
      cache: "no-store",
      redirect: "error",
      ...(signal && { signal }),
    });
    return true;
  } catch {
    signal?.throwIfAborted();
    return false;
  }
}

/** How long a request may stand still before it is taken for lost, in milliseconds. */
const STALL_MS = 60_000;

export interface Answer {
  readonly eTag: string;
  /** S3's XML. */
  readonly xml: string;
}

export interface SendOptions {
  readonly body?: Blob | string;
  readonly signal?: AbortSignal | undefined;
  /** Told how many bytes have gone. */
  readonly onProgress?: (bytes: number) => void;
}

/**
 * Uses a URL. By XMLHttpRequest, since fetch does not say how much has gone.
 *
 * @throws Refusal, or NoAnswer
 */
export function send(
  { method, url, headers }: Pick<Signed, "method" | "url" | "headers">,
  { body, signal, onProgress }: SendOptions = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const moves = () => {
      clearTimeout(timer);
      timer = setTimeout(lost, STALL_MS);
    };
    const abort = () => {
      request.abort();
      over();
      reject(signal?.reason);
    };
    const over = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };
    const lost = () => {
      request.abort();
      over();
      reject(new NoAnswer("s3"));
    };
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) {
      // A browser says the length by itself.
      if (name !== "content-length") request.setRequestHeader(name, value);
    }
    on(request.upload, "progress", ({ loaded }) => {
      moves();
      onProgress?.(loaded);
    });
    on(request, "progress", moves);
    on(request, "error", lost);
    on(request, "load", () => {
      over();
      const { status, responseText: xml } = request;
      const code = /^\w{0,64}$/.exec(textIn(xml, "Code"))?.[0] ?? "";
      const isSuccess = status >= 200 && status < 300;
      // S3 may have to say 200 before it knows that it cannot complete an upload:
      // https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
      if (!isSuccess || code) reject(new Refusal("s3", status, code));
      else if (xml.includes("<Error>")) reject(notOfS3());
      else resolve({ eTag: request.getResponseHeader("ETag") ?? "", xml });
    });
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    signal?.addEventListener("abort", abort);
    moves();
    request.send(body);
  });
}
