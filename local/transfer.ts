import { createHash } from "node:crypto";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { StartError } from "./server";

/** Told how many bytes have passed so far. */
export type OnProgress = (bytes: number) => void;

async function* counted(chunks: AsyncIterable<Buffer>, onProgress: OnProgress): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    onProgress(bytes);
    yield chunk;
  }
}

/** @throws StartError where there is more or less than was signed */
async function* exactly(length: number, chunks: AsyncIterable<Buffer>, path: string): AsyncGenerator<Buffer> {
  let rest = length;
  for await (const chunk of chunks) {
    rest -= chunk.length;
    if (rest < 0) break;
    yield chunk;
  }
  if (rest !== 0) throw new StartError(`${path} changed while it was read.`);
}

async function sha256(chunks: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest("base64");
}

/** The SHA-256 of a file in base64, without holding it in memory. */
export const digestFile = (path: string, onProgress: OnProgress) =>
  sha256(counted(createReadStream(path), onProgress));

async function checked(response: IncomingMessage, what: string): Promise<IncomingMessage> {
  if (response.statusCode === 200) return response;
  const body = Buffer.concat((await response.toArray()) as Buffer[]).toString("utf8");
  throw new Error(`${what} was refused with ${response.statusCode}: ${body}`);
}

/** Puts a file to a URL, a piece at a time. `fetch` sends a stream without its length, which is signed here. */
export async function putFile(
  url: string,
  headers: Readonly<Record<string, string>>,
  path: string,
  onProgress: OnProgress,
): Promise<void> {
  const put = request(url, { method: "PUT", headers });
  const answered = once(put, "response") as Promise<[IncomingMessage]>;
  // S3 refuses before it has read all: its answer says more than the broken pipe.
  const length = Number(headers["content-length"]);
  const sent = pipeline(
    Readable.from(exactly(length, counted(createReadStream(path), onProgress), path)),
    put,
  );
  const [response] = await Promise.race([answered, sent.then(() => answered)]);
  (await checked(response, "The upload")).resume();
}

/**
 * Fetches a URL and drops the bytes.
 *
 * @returns their SHA-256 in base64
 */
export async function digestUrl(url: string, onProgress: OnProgress): Promise<string> {
  const get = request(url).end();
  const [response] = (await once(get, "response")) as [IncomingMessage];
  return await sha256(counted(await checked(response, "The download"), onProgress));
}
