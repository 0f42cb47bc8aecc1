import { Agent, createServer } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { once } from "node:events";
import { mkdtempSync, readdirSync, statSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { RetryOptions } from "../../client/backoff";
import { HttpError, NetworkError, TransientError, TweedleError } from "../../client/errors";
import { parseXml, send, textOf, throwIfError } from "../../client/http";
import { Journal, type JournalEntry, defaultStateDirectory } from "../../client/produce/journal";
import {
  type Waiting,
  delayBefore,
  isRetryable,
  outcomeUnknown,
  retry,
  unlessAborted,
} from "../../client/retry";
import { temporaryFolder } from "../local/tools";
import { MIB } from "./tools";

const folder = temporaryFolder();
const http = (status: number, code = "") => new HttpError("s3", status, code, "no");

test("a pause is anything up to a bound that doubles and is capped", () => {
  const options = { baseDelayMs: 100, maxDelayMs: 1000 };
  const bounds = [100, 200, 400, 800, 1000, 1000];
  for (const [index, bound] of bounds.entries()) {
    const pauses = Array.from({ length: 500 }, () => delayBefore(index + 1, options));
    expect([Math.min(...pauses) < bound / 4, Math.max(...pauses) > (bound * 3) / 4]).toEqual([true, true]);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(bound);
  }
});

const network = (code: string) => new NetworkError("s3", Object.assign(new Error(code), { code }));
const ofFile = (code: string) => Object.assign(new Error(code), { code, syscall: "read" });

test.each([
  [http(500), true, true],
  [http(503, "SlowDown"), true, true],
  [http(429), true, false],
  [http(408), true, false],
  [http(409), true, false],
  [http(400, "RequestTimeout"), true, false],
  [http(400, "BadDigest"), true, false],
  [http(400, "InvalidRequest"), false, false],
  [http(400, "ExpiredToken"), false, false],
  [http(403, "AccessDenied"), false, false],
  [http(404), false, false],
  [http(412), false, false],
  [http(501), false, true],
  [http(200, "InternalError"), true, true],
  [new HttpError(undefined, 503, "InternalError", "no"), true, true],
  [new HttpError(undefined, 400, "SlowDown", "no"), false, false],
  [network("ECONNRESET"), true, true],
  [network("ENOTFOUND"), true, true],
  [network("EADDRNOTAVAIL"), true, true],
  [network("EPROTO"), true, true],
  [network("a code of a later Node"), true, true],
  // Of a file: no network is at fault, and only a lack of descriptors passes.
  [ofFile("EIO"), false, false],
  [ofFile("ENOSPC"), false, false],
  [ofFile("EMFILE"), true, false],
  [ofFile("ENFILE"), true, false],
  [new TypeError("a mistake"), false, false],
  [new TransientError("ended"), true, false],
  [new TweedleError("Invalid", "no"), false, false],
  [undefined, false, false],
])("%s: it is retried: %s; it may have been carried out: %s", (error, retryable, unknown) => {
  expect([isRetryable(error), outcomeUnknown(error)]).toEqual([retryable, unknown]);
});

/** Fails so many times, and then says which time it is. */
function failsWith(reason: Error, failures: number): () => Promise<number> {
  let number = 0;
  return async () => {
    number += 1;
    if (number <= failures) throw reason;
    return number;
  };
}

describe("a retried operation", () => {
  beforeEach(() => {
    jest.useFakeTimers();
    // The longest pause that there may be.
    jest.spyOn(Math, "random").mockReturnValue(1);
  });
  afterEach(() => {
    jest.useRealTimers();
    jest.restoreAllMocks();
  });

  /** Lets it fail until it is given up, and says in which milliseconds it was attempted, and with what it failed. */
  async function attempts(reason: Error, options: RetryOptions = {}, lastsMs = 0) {
    const begin = performance.now();
    const at: number[] = [];
    const failing = retry(
      "It",
      async () => {
        at.push(Math.round(performance.now() - begin));
        if (lastsMs > 0) await new Promise((resolve) => void setTimeout(resolve, lastsMs));
        throw reason;
      },
      { retry: options },
    ).catch((error: unknown) => error as TweedleError);
    await jest.advanceTimersByTimeAsync(3_600_000);
    return { at, error: await failing };
  }

  test("goes on until it succeeds", async () => {
    const tried = retry("It", failsWith(http(500), 20));
    await jest.advanceTimersByTimeAsync(300_000);
    expect(await tried).toBe(21);
  });

  test("ends 5 minutes after its first failure, by default", async () => {
    const { at, error } = await attempts(network("ECONNREFUSED"));
    expect(at.slice(0, 10)).toEqual([0, 100, 300, 700, 1500, 3100, 6300, 12_700, 25_500, 45_500]);
    expect([at.at(-1), at.length]).toEqual([300_000, 23]);
    expect(error).toMatchObject({
      code: "Unavailable",
      message: "It failed 23 times in 300 s: connection refused (ECONNREFUSED).",
    });
  });

  test("has its time from its first failure, however long that took", async () => {
    const { at } = await attempts(http(503), { maxDurationMs: 2000, baseDelayMs: 500 }, 60_000);
    expect(at).toEqual([0, 60_500]);
  });

  test("is attempted once where its time is 0", async () => {
    const { at, error } = await attempts(http(503), { maxDurationMs: 0 });
    expect([at, error]).toMatchObject([[0], { code: "Unavailable", message: "It failed once: no." }]);
  });

  test("ends at once where a retry would not help", async () => {
    const { at, error } = await attempts(http(400));
    expect([at, error]).toMatchObject([[0], { status: 400 }]);
  });

  test("waits as long as the server asks for, and not beyond its time", async () => {
    const slow = (seconds: number) => new HttpError("s3", 503, "SlowDown", "slow", seconds);
    const options = { maxDurationMs: 100_000, baseDelayMs: 1, maxDelayMs: 1 };
    expect((await attempts(slow(40), options)).at).toEqual([0, 40_001, 80_002]);
    const { at, error } = await attempts(slow(101), options);
    expect([at, error]).toMatchObject([
      [0],
      { message: "It failed once: slow (the server asks to wait 101 s)." },
    ]);
  });

  test("says each second what it waits for", async () => {
    const waits: Waiting[] = [];
    const tried = retry("It", failsWith(network("ENOTFOUND"), 2), {
      retry: { baseDelayMs: 1500 },
      onWait: (waiting) => void waits.push(waiting),
    });
    await jest.advanceTimersByTimeAsync(10_000);
    await tried;
    const each = { service: "s3", reason: "no such host", maxDurationMs: 300_000 };
    expect(waits).toEqual([0, 1000, 1500, 2500, 3500].map((elapsedMs) => ({ ...each, elapsedMs })));
  });

  test("is interrupted in its pause", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const tried = retry("It", () => Promise.reject(http(500)), { signal });
    tried.catch(() => undefined);
    await jest.advanceTimersByTimeAsync(10);
    controller.abort();
    await expect(tried).rejects.toMatchObject({ code: "Interrupted" });
    expect(jest.getTimerCount()).toBe(0);
  });
});

test("a promise is waited for unless somebody asks for an end, before or after", async () => {
  const { signal } = new AbortController();
  expect(await unlessAborted(Promise.resolve(1), signal)).toBe(1);
  await expect(unlessAborted(Promise.reject(new Error("no")), signal)).rejects.toThrow("no");
  const never = new Promise(() => undefined);
  await expect(unlessAborted(never, AbortSignal.abort())).rejects.toMatchObject({ code: "Interrupted" });
  await expect(unlessAborted(never, AbortSignal.timeout(5))).rejects.toMatchObject({ code: "Interrupted" });
});

describe("a request", () => {
  const connections = { http: new Agent({ keepAlive: true }), https: new HttpsAgent() };
  const sockets = new Set<unknown>();
  /** Says no before it has read a byte, and reads none. */
  const server = createServer((request, response) => {
    sockets.add(request.socket);
    request.once("readable", () => undefined);
    response
      .writeHead(400, { "retry-after": "7" })
      .end("<Error><Code>No</Code><Message>Not so.</Message></Error>");
  });
  let url = "";
  beforeAll(async () => {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });
  afterAll(() => {
    connections.http.destroy();
    server.closeAllConnections();
    server.close();
  });

  test("whose body is refused unread is told why, and nothing is sent after it on its connection", async () => {
    const body = () => Readable.from([Buffer.alloc(100_000)]);
    const headers = { "content-length": "100000" };
    for (const large of [false, true]) {
      const request = large
        ? { body: Readable.from([Buffer.alloc(64 * MIB)]), headers: { "content-length": String(64 * MIB) } }
        : { body: body(), headers };
      const refused = send({ service: "s3", method: "PUT", url, connections, ...request });
      await expect(refused).rejects.toMatchObject({
        status: 400,
        code: "No",
        message: "Not so.",
        retryAfter: 7,
      });
    }
    expect(sockets.size).toBe(2);
  });

  test("whose body fails, fails with that", async () => {
    const failing = async function* () {
      yield Buffer.alloc(10);
      throw new TweedleError("Invalid", "It changed.");
    };
    const headers = { "content-length": "100" };
    const slow = createServer(() => undefined).listen(0, "127.0.0.1");
    await once(slow, "listening");
    const at = `http://127.0.0.1:${(slow.address() as AddressInfo).port}/`;
    const sent = send({
      service: "s3",
      method: "PUT",
      url: at,
      connections,
      body: Readable.from(failing()),
      headers,
    });
    await expect(sent).rejects.toThrow("It changed.");
    slow.closeAllConnections();
    slow.close();
  });

  test("to nobody fails as the network does", async () => {
    await expect(
      send({ service: "s3", method: "GET", url: "http://127.0.0.1:1/", connections }),
    ).rejects.toMatchObject({
      name: "NetworkError",
      code: "ECONNREFUSED",
      service: "s3",
    });
  });

  test("that cannot be made is a mistake, and no matter of the network", async () => {
    const headers = { "x-amz-meta-a": "line\nbreak" };
    await expect(send({ service: "s3", method: "PUT", url, connections, headers })).rejects.toMatchObject({
      name: "TypeError",
    });
  });
});

test("an answer is text up to 8 MiB, and an error in a 200 is an error", async () => {
  const answer = (bytes: number) => Readable.from([Buffer.alloc(bytes, "a")]) as Parameters<typeof textOf>[1];
  expect((await textOf("s3", answer(8 * MIB))).length).toBe(8 * MIB);
  await expect(textOf("s3", answer(8 * MIB + 1))).rejects.toMatchObject({ status: 502 });
  const error = (code: string) => `<Error><Code>${code}</Code><Message>m</Message></Error>`;
  expect(() => throwIfError("<CompleteMultipartUploadResult/>")).not.toThrow();
  for (const [code, remedy] of [
    ["InternalError", "retry"],
    ["SlowDown", "retry"],
    ["ExpiredToken", "sign again"],
    ["InvalidPart", "final"],
  ] as const) {
    expect(() => throwIfError(error(code))).toThrow(expect.objectContaining({ status: 200, code, remedy }));
  }
  expect(() => throwIfError(error(""))).toThrow(expect.objectContaining({ remedy: "retry" }));
  expect(parseXml("<a><Part><N>1</N></Part></a>")).toEqual({ a: { Part: [{ N: "1" }] } });
});

describe("a journal", () => {
  const entry: JournalEntry = {
    key: "input/a/b",
    uploadId: "u",
    path: "p",
    size: 3,
    modifiedAt: 1,
    layout: "5242880",
    asked: "{}",
    begunAt: 5,
    completing: false,
  };

  test("keeps what was noted for one file and one API, for its owner's eyes only", async () => {
    const state = join(mkdtempSync(join(folder, "j")), "state");
    const file = join(folder, "file");
    writeFileSync(file, "x");
    const journal = await Journal.of(state, "https://one", file);
    expect(await journal.read()).toBeUndefined();
    await journal.write(entry);
    await journal.write({ ...entry, completing: true });
    expect(await (await Journal.of(state, "https://one", file)).read()).toEqual({
      ...entry,
      completing: true,
    });
    expect(await (await Journal.of(state, "https://two", file)).read()).toBeUndefined();
    const [name = "", ...others] = readdirSync(state);
    expect(others).toEqual([]);
    expect([statSync(state).mode % 0o1000, statSync(join(state, name)).mode % 0o1000]).toEqual([
      0o700, 0o600,
    ]);
    writeFileSync(join(state, name), "{");
    expect(await journal.read()).toBeUndefined();
    await journal.remove();
    await journal.remove();
    expect(readdirSync(state)).toEqual([]);
  });

  test("is where the desktop's specification says", () => {
    const before = process.env["XDG_STATE_HOME"];
    process.env["XDG_STATE_HOME"] = "/state";
    expect(defaultStateDirectory()).toBe("/state/tweedle");
    delete process.env["XDG_STATE_HOME"];
    expect(defaultStateDirectory()).toMatch(/\.local\/state\/tweedle$/);
    if (before !== undefined) process.env["XDG_STATE_HOME"] = before;
  });
});
