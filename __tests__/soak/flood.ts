import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { Agent, type ClientRequest, type IncomingMessage, request } from "node:http";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";

/** Requests that may be open at a time: a server that answers none of them does not fill this process. */
const MAX_OPEN = 1000;

const KIB = 1024;

/** A kind of request, and how the API answers it where it is not throttled. */
export interface Kind {
  readonly name: string;
  readonly perSecond: number;
  readonly method: "GET" | "POST";
  /** Below the API's URL. */
  readonly path: string;
  readonly body?: () => string;
  /** The body comes in so many pieces, a quarter of a second apart. @default at once */
  readonly pieces?: number;
  /** The caller goes away in the middle of the body, and hears no answer. @default false */
  readonly hangsUp?: boolean;
  readonly status: number;
}

const put = () => JSON.stringify({ action: "putObject", object_key: "flood.bin" });
const get = () => JSON.stringify({ object_key: `input/${randomUUID()}/flood.bin` });
const post = (name: string, perSecond: number, path: string, body: () => string, status: number): Kind => ({
  name,
  perSecond,
  method: "POST",
  path,
  body,
  status,
});

/** 200 a second, of which three methods get more than the 50 a second that dev takes. */
export const KINDS: readonly Kind[] = [
  post("good, with the action in the path", 50, "/putObject", put, 200),
  post("good, with the action in the body", 25, "", put, 200),
  post("a consumer's", 55, "/getObject", get, 200),
  post("a small payload", 5, "/sendMessage", () => '{"object_key": "flood.txt", "body": "Zmxvb2Q="}', 200),
  post("no JSON", 15, "", () => '{"action": "putObject", "object_key": ', 400),
  post("an array", 5, "", () => "[]", 400),
  post("an unknown action", 15, "", () => '{"action": "__proto__", "object_key": "flood.bin"}', 400),
  post("oversized", 5, "", () => JSON.stringify({ action: "x".repeat(64 * KIB) }), 413),
  post("over what API Gateway takes", 1, "", () => "x".repeat(11 * KIB ** 2), 413),
  { ...post("slow", 10, "/putObject", put, 200), pieces: 8 },
  { ...post("given up half-way", 3, "/putObject", put, 0), hangsUp: true },
  post("an unknown path", 3, "/admin", () => "{}", 404),
  { name: "a wrong method", perSecond: 3, method: "GET", path: "/putObject", status: 405 },
  { name: "the description", perSecond: 5, method: "GET", path: "/openapi.json", status: 200 },
];

/** Requests a second. */
export const RATE = KINDS.reduce((sum, { perSecond }) => sum + perSecond, 0);

/** How a request ended: with a status, or without, where the connection broke. */
export interface Outcome {
  readonly kind: Kind;
  readonly status: number | undefined;
  /** The answer's; without a status, what went wrong. */
  readonly body: string;
  /** From when it was due until its answer had come, in milliseconds. */
  readonly ms: number;
}

export interface Flood {
  readonly outcomes: readonly Outcome[];
  /** Requests a second that were really begun. */
  readonly rate: number;
  /** Requests that were not begun, since {@link MAX_OPEN} others were open. */
  readonly unsent: number;
}

/**
 * Makes {@link RATE} requests a second for so many seconds, whether or not the ones before have been answered, in an
 * order that is random within each second.
 */
export async function flood(apiUrl: string, seconds: number): Promise<Flood> {
  const agent = new Agent({ keepAlive: true });
  const outcomes: Outcome[] = [];
  const running: Promise<void>[] = [];
  const second = KINDS.flatMap((kind) => Array.from({ length: kind.perSecond }, () => kind));
  let [open, unsent, order] = [0, 0, [] as Kind[]];
  const begin = async (kind: Kind, due: number) => {
    open += 1;
    const answer = await ask(agent, apiUrl, kind).catch((error: Error) => ({
      status: undefined,
      body: error.message,
    }));
    open -= 1;
    outcomes.push({ kind, ...answer, ms: performance.now() - due });
  };

  const begun = performance.now();
  let last = begun;
  for (let sent = 0; sent < RATE * seconds;) {
    const due = begun + (sent * 1000) / RATE;
    if (due > performance.now()) {
      await sleep(1);
      continue;
    }
    if (order.length === 0) order = shuffled(second);
    const kind = order.pop() as Kind;
    if (open >= MAX_OPEN) unsent += 1;
    else running.push(begin(kind, due));
    sent += 1;
    last = performance.now();
  }
  await Promise.all(running);
  agent.destroy();
  return { outcomes, rate: (running.length * 1000) / (last - begun), unsent };
}

const shuffled = <T>(items: readonly T[]): T[] =>
  items
    .map((item) => ({ item, at: Math.random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);

async function ask(agent: Agent, apiUrl: string, kind: Kind): Promise<{ status: number; body: string }> {
  const { method, path, body = () => "" } = kind;
  const payload = Buffer.from(body());
  const asked = request(apiUrl + path, {
    method,
    agent,
    headers: method === "POST" ? { "content-length": payload.length } : {},
    timeout: 30_000,
  });
  asked.on("timeout", () => asked.destroy(new Error("Nothing came for 30 s.")));
  const answered = once(asked, "response") as Promise<[IncomingMessage]>;
  answered.catch(() => undefined);
  if (kind.hangsUp) {
    asked.write(payload.subarray(0, payload.length / 2));
    await once(asked, "socket");
    asked.destroy();
  } else await write(asked, payload, kind.pieces ?? 1);
  try {
    const [answer] = await answered;
    return { status: answer.statusCode ?? 0, body: await text(answer) };
  } catch (error) {
    // A connection may be closed, as one that has rested, just when it is used again: nobody has heard the request.
    if (asked.reusedSocket && (error as NodeJS.ErrnoException).code === "ECONNRESET" && !kind.hangsUp)
      return await ask(agent, apiUrl, kind);
    throw error;
  }
}

async function write(asked: ClientRequest, payload: Buffer, pieces: number): Promise<void> {
  const size = Math.ceil(payload.length / pieces);
  for (let piece = 0; piece < pieces; piece += 1) {
    if (piece > 0) await sleep(250);
    asked.write(payload.subarray(piece * size, (piece + 1) * size));
  }
  asked.end();
}

/** The middle, the 99th percentile and the worst of some times, in whole milliseconds. */
export function latencies(times: readonly number[]): {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
} {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => Math.round(sorted[Math.floor(share * (sorted.length - 1))] ?? 0);
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}
