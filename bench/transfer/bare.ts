import { type ReadStream, createReadStream, statSync } from "node:fs";
import { Agent, type IncomingMessage, request } from "node:http";
import { basename } from "node:path";
import { json } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { CHUNK_BYTES, type Contender, type Endpoints, FILES_AT_ONCE, atOnce, save } from "./contender";

interface Signed {
  readonly object_key: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

const agent = new Agent({ keepAlive: true, maxSockets: FILES_AT_ONCE });

/** @throws Error where the answer is no */
export async function exchange(
  method: string,
  { url, headers }: Pick<Signed, "url" | "headers">,
  body: string | ReadStream = "",
): Promise<IncomingMessage> {
  const length = typeof body === "string" ? body.length : statSync(body.path).size;
  const asked = request(url, { method, agent, headers: { ...headers, "content-length": length } });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    asked.once("response", resolve).once("error", reject);
  });
  if (typeof body === "string") asked.end(body);
  else await pipeline(body, asked);
  const answer = await answered;
  if (answer.statusCode !== 200) throw new Error(`${method} ${url}: ${answer.statusCode}`);
  return answer;
}

// Not with fetch: what it leaves behind makes Node's own HTTP slower.
export async function sign({ apiUrl }: Endpoints, action: string, fields: object): Promise<Signed> {
  const asked = JSON.stringify({ ...fields, expires_in: 900 });
  return (await json(await exchange("POST", { url: `${apiUrl}/${action}`, headers: {} }, asked))) as Signed;
}

export const read = (file: string) => createReadStream(file, { highWaterMark: CHUNK_BYTES });

export const signPut = (chain: Endpoints, file: string, fields = {}) =>
  sign(chain, "putObject", { object_key: basename(file), ...fields });

export async function put(file: string, signed: Signed): Promise<string> {
  (await exchange("PUT", signed, read(file))).resume();
  return signed.object_key;
}

/** The loopback: one request a file, whose URL is there already. It checks nothing. */
export const contender: Contender = {
  produce: async (chain, files) => {
    const all = await atOnce(files, async (file) => ({ file, signed: await signPut(chain, file) }));
    return async () => ({ keys: await atOnce(all, ({ file, signed }) => put(file, signed)) });
  },
  consume: async (chain, keys, folder) => {
    const all = await atOnce(keys, (object_key) => sign(chain, "getObject", { object_key }));
    return async () => {
      await atOnce(all, async (signed) => save(await exchange("GET", signed), folder, signed.object_key));
    };
  },
};
