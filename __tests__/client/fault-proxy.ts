import { EventEmitter, once } from "node:events";
import { Agent, type IncomingMessage, type ServerResponse, createServer, request } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { type AddressInfo, connect } from "node:net";
import { setImmediate } from "node:timers/promises";
import type { Connections } from "../../client/http";

/** What goes wrong with a request. */
export type Fault =
  /** The connection breaks before the request has got anywhere, or after half of its body. */
  | "reset"
  | "reset half-way"
  /** The request is served, and the connection breaks before the answer. */
  | "lost answer"
  /** The answer comes in crumbs. */
  | "trickle"
  /** The answer ends after half of its body; or its body has one bit turned. */
  | "truncated"
  | "wrong bytes"
  /** The answer does not say its length, and has a byte too many. */
  | "surplus"
  /** The URL was signed long ago. */
  | "expired"
  /** Nothing is ever answered. */
  | "silence"
  /** Refused, without the request going anywhere; where it is early, before its body has come. */
  | { readonly status: number; readonly code?: string; readonly early?: boolean };

export const SLOW_DOWN = { status: 503, code: "SlowDown" } as const;
export const INTERNAL = { status: 500, code: "InternalError" } as const;
export const THROTTLED = { status: 429 } as const;
export const DENIED = { status: 403, code: "AccessDenied" } as const;

interface Rule {
  readonly step: string;
  readonly fault: Fault;
  readonly where: (url: string) => boolean;
  times: number;
}

/** A request that has passed, and what was done to it. */
export interface Passed {
  readonly step: string;
  readonly url: string;
  readonly fault: Fault | undefined;
  readonly headers: IncomingMessage["headers"];
  /** Of the bytes of its body, how many have come. */
  bytes: number;
  status?: number | undefined;
  /** Whether its answer has ended, or broken off. */
  over: boolean;
}

/** A proxy between a client and the chain that lets go wrong what is asked for. */
export interface FaultProxy {
  /** Connections of a client that all lead through it, whatever host they are for. */
  readonly connections: Connections;
  /** NODE_OPTIONS of a process whose plain connections all do. */
  readonly nodeOptions: string;
  /** All that has passed since the last {@link reset}. */
  readonly passed: readonly Passed[];
  /**
   * Lets the next requests of a step go wrong: the name of an API's action, `check` of the API itself, an operation of S3
   * (`PUT`, `PUT part`, `GET range`, `POST complete`, …), or one of SQS (`SQS DeleteMessage`).
   */
  readonly inject: (step: string, fault: Fault, times?: number, where?: Rule["where"]) => void;
  /** Refuses the next connections; those that are open are not used again. */
  readonly refuse: (times: number) => void;
  /** How many requests of a step have passed. */
  readonly count: (step: string) => number;
  /** The next request of a step, as soon as it arrives. */
  readonly next: (step: string) => Promise<Passed>;
  /** Forgets all rules and all that has passed. */
  readonly reset: () => void;
  /** How many requests are not over, but for polls. */
  readonly busy: () => number;
  readonly stop: () => Promise<void>;
}

export async function startFaultProxy(): Promise<FaultProxy> {
  const rules: Rule[] = [];
  const passed: Passed[] = [];
  const arrivals = new EventEmitter();
  const upstream = new Agent({ keepAlive: true });
  let refusals = 0;

  const server = createServer((incoming, response) => {
    const step = stepOf(incoming);
    const url = incoming.url ?? "";
    const rule = rules.find(({ step: of, times, where }) => of === step && times > 0 && where(url));
    if (rule) rule.times -= 1;
    const record: Passed = {
      step,
      url,
      fault: rule?.fault,
      headers: incoming.headers,
      bytes: 0,
      over: false,
    };
    passed.push(record);
    response.once("close", () => (record.over = true));
    arrivals.emit(step, record);
    incoming.on("data", (chunk: Buffer) => (record.bytes += chunk.length)).pause();
    void pass(incoming, response, record, upstream).catch(() => incoming.socket.destroy());
  });
  server.requestTimeout = 0;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;

  // Whoever closes a port at once knows one that nobody listens on.
  const closed = createServer().listen(0, "127.0.0.1");
  await once(closed, "listening");
  const { port: nobody } = closed.address() as AddressInfo;
  closed.close();

  const http = Object.assign(new Agent({ keepAlive: true }), {
    createConnection: () => {
      refusals -= 1;
      return connect(refusals >= 0 ? nobody : port, "127.0.0.1");
    },
  });
  const https = new HttpsAgent();
  return {
    connections: { http, https },
    nodeOptions: `--import=data:text/javascript,${encodeURIComponent(detour(port))}`,
    passed,
    inject: (step, fault, times = 1, where = () => true) => void rules.push({ step, fault, times, where }),
    refuse: (times) => {
      refusals = times;
      for (const socket of Object.values(http.freeSockets).flat()) socket?.destroy();
    },
    count: (step) => passed.filter((one) => one.step === step).length,
    next: async (step) => ((await once(arrivals, step)) as [Passed])[0],
    reset: () => {
      rules.length = 0;
      passed.length = 0;
      refusals = 0;
    },
    busy: () => passed.filter(({ step, over }) => !over && step !== "SQS ReceiveMessage").length,
    stop: async () => {
      http.destroy();
      upstream.destroy();
      server.close();
      server.closeAllConnections();
      if (server.listening) await once(server, "close");
    },
  };
}

const detour = (port: number) => `
  import { Agent } from "node:http";
  import { connect } from "node:net";
  Agent.prototype.createConnection = () => connect(${port}, "127.0.0.1");`;

/** The length of the body by which a consumer checks that there is an API: no key is as short. */
const CHECK_LENGTH = String('{"object_key":""}'.length);

/** What a request is, in the words of the API, of S3 or of SQS. */
function stepOf({ method = "", url = "", headers }: IncomingMessage): string {
  const target = headers["x-amz-target"];
  if (typeof target === "string") return target.replace("AmazonSQS.", "SQS ");
  const { pathname, searchParams } = new URL(url, "http://localhost");
  if (!searchParams.has("X-Amz-Signature")) {
    return headers["content-length"] === CHECK_LENGTH ? "check" : (pathname.split("/").at(-1) ?? "");
  }
  if (searchParams.has("partNumber")) return "PUT part";
  if (searchParams.has("uploads")) return "POST create";
  if (searchParams.has("uploadId"))
    return { POST: "POST complete", DELETE: "DELETE upload", GET: "GET parts" }[method] ?? method;
  return headers.range === undefined ? method : `${method} range`;
}

async function pass(incoming: IncomingMessage, response: ServerResponse, record: Passed, agent: Agent) {
  const { fault } = record;
  const { socket, method, headers } = incoming;
  incoming.on("error", () => undefined);
  if (fault === "reset") return void socket.resetAndDestroy();
  if (fault === "silence") return void incoming.resume();
  if (typeof fault === "object") return await refuse(incoming, response, record, fault);
  const [hostname, port] = (headers.host ?? "").split(":");
  const path =
    fault === "expired" ? record.url.replace(/X-Amz-Date=\d{8}/, "X-Amz-Date=20200101") : record.url;
  const outgoing = request({ hostname, port, method, path, headers, agent });
  const answered = once(outgoing, "response") as Promise<[IncomingMessage]>;
  answered.catch(() => undefined);
  outgoing.on("error", () => socket.destroy());
  // Who gives up has given up on the other side, too.
  response.on("close", () => response.writableFinished || outgoing.destroy());
  incoming.on("error", () => outgoing.destroy());
  if (fault === "reset half-way") {
    const half = Number(headers["content-length"]) / 2;
    incoming.on("data", () => {
      if (record.bytes < half) return;
      outgoing.destroy();
      socket.resetAndDestroy();
    });
  }
  incoming.pipe(outgoing);
  const [answer] = await answered;
  record.status = answer.statusCode;
  if (fault === "lost answer") {
    for await (const _ of answer);
    socket.resetAndDestroy();
    return undefined;
  }
  if (fault === "surplus") delete answer.headers["content-length"];
  response.writeHead(answer.statusCode ?? 500, answer.headers);
  response.flushHeaders();
  await passAnswer(answer, response, fault);
  return undefined;
}

async function passAnswer(answer: IncomingMessage, response: ServerResponse, fault: Fault | undefined) {
  // What does not say its length is short, and comes at once.
  const middle = Math.floor(Number(answer.headers["content-length"] ?? 20) / 2);
  let position = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    const at = middle - position;
    const isMiddle = at >= 0 && at < chunk.length;
    position += chunk.length;
    if (fault === "truncated" && isMiddle) {
      response.write(chunk.subarray(0, at), () => response.socket?.destroy());
      return;
    }
    if (fault === "wrong bytes" && isMiddle) chunk[at] = (chunk[at] ?? 0) ^ 1;
    if (fault === "trickle") await crumble(chunk, response);
    else if (!response.write(chunk)) await drained(response);
    if (response.destroyed) return;
  }
  response.end(fault === "surplus" ? "x" : undefined);
}

async function drained(response: ServerResponse): Promise<void> {
  const over = new AbortController();
  const { signal } = over;
  const either = ["drain", "close"].map((event) => once(response, event, { signal }));
  if (!response.destroyed) await Promise.race(either);
  over.abort();
  await Promise.allSettled(either);
}

async function crumble(chunk: Buffer, response: ServerResponse): Promise<void> {
  const crumbs = 200;
  for (let crumb = 0; crumb < crumbs; crumb += 1) {
    const [start, end] = [crumb, crumb + 1].map((of) => Math.floor((chunk.length * of) / crumbs));
    response.write(chunk.subarray(start, end));
    await setImmediate();
  }
}

async function refuse(
  incoming: IncomingMessage,
  response: ServerResponse,
  record: Passed,
  { status, code = "", early = false }: Exclude<Fault, string>,
) {
  if (!early) for await (const _ of incoming);
  record.status = status;
  const isS3 = !/^(SQS |[a-z])/.test(record.step);
  const text = isS3
    ? `<?xml version="1.0"?><Error><Code>${code}</Code><Message>Injected.</Message></Error>`
    : JSON.stringify({ __type: code, error: { code, message: "Injected." } });
  // A HEAD is told no with a status alone.
  response.writeHead(status, { "content-length": Buffer.byteLength(text) });
  response.end(incoming.method === "HEAD" ? undefined : text);
}
