import { Agent, createServer } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { once } from "node:events";
import { mkdtempSync, readdirSync, statSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import { HttpError, TransientError, TweedleError } from "../../client/errors";
import { networkError, parseXml, send, textOf, throwIfError } from "../../client/http";
import { Journal, type JournalEntry, defaultStateDirectory } from "../../client/produce/journal";
import { delayBefore, isTransient, mayHaveWorked, retrying, unlessAborted } from "../../client/retry";
import { temporaryFolder } from "../local/tools";
import { AT_ONCE, MIB } from "./tools";

const folder = temporaryFolder();
const http = (status: number, code = "") => new HttpError(status, code, "no");
const retry = AT_ONCE;

test("a pause is anything up to a bound that doubles and is capped", () => {
  const options = { baseDelayMs: 100, maxDelayMs: 1000 };
  const bounds = [100, 200, 400, 800, 1000, 1000];
  for (const [index, bound] of bounds.entries()) {
    const pauses = Array.from({ length: 500 }, () => delayBefore(index + 1, options));
    expect([Math.min(...pauses) < bound / 4, Math.max(...pauses) > (bound * 3) / 4]).toEqual([true, true]);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(bound);
  }
});

test.each([
  [http(500), true, true],
  [http(503, "SlowDown"), true, true],
  [http(429), true, false],
  [http(408), true, false],
  [http(409), true, false],
  [http(400, "RequestTimeout"), true, false],
  [http(400, "InvalidRequest"), false, false],
  [http(403, "AccessDenied"), false, false],
  [http(404), false, false],
  [http(412), false, false],
  [http(501), false, true],
  [networkError("ECONNRESET", "reset"), true, true],
  [networkError("ECONNREFUSED", "refused"), true, true],
  [networkError("ENOTFOUND", "no such host"), false, false],
  [networkError("ENOSPC", "disk full"), false, false],
  [new TransientError("ended"), true, false],
  [new TweedleError("Invalid", "no"), false, false],
  [undefined, false, false],
])("%s: trying again helps: %s; it may have worked: %s", (error, transient, worked) => {
  expect([isTransient(error), mayHaveWorked(error)]).toEqual([transient, worked]);
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

describe("trying", () => {
  test("goes on until it works", async () => {
    expect(await retrying("It", failsWith(http(500), 2), { retry })).toBe(3);
  });

  test("ends after so many times with a sentence, and at once where it does not help", async () => {
    let times = 0;
    const fail = (status: number) => () => {
      times += 1;
      return Promise.reject(http(status));
    };
    await expect(retrying("It", fail(500), { retry: { ...retry, maxAttempts: 3 } })).rejects.toMatchObject({
      code: "Unavailable",
      message: "It failed 3 times, at last with: no",
    });
    await expect(retrying("It", fail(400), { retry })).rejects.toMatchObject({ status: 400 });
    expect(times).toBe(4);
  });

  test("is more patient with a stage that takes no more at once", async () => {
    const options = { retry: { ...retry, maxAttempts: 2 } };
    expect(await retrying("It", failsWith(http(429), 7), options)).toBe(8);
    await expect(retrying("It", failsWith(http(429), 8), options)).rejects.toMatchObject({
      message: "It failed 8 times, at last with: no",
    });
  });

  test("is interrupted in its pause", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const tried = retrying("It", () => Promise.reject(http(500)), {
      signal,
      retry: { baseDelayMs: 1e6, maxDelayMs: 1e6 },
    });
    setImmediate(() => controller.abort());
    await expect(tried).rejects.toMatchObject({ code: "Interrupted" });
  });

  test("waits as long as the server asks for", async () => {
    const startedAt = performance.now();
    const slow = new HttpError(503, "SlowDown", "slow", 0.05);
    await retrying("It", failsWith(slow, 1), { retry });
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(45);
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
      code: "ECONNREFUSED",
    });
  });
});

test("an answer is text up to 8 MiB, and an error in a 200 is an error", async () => {
  const answer = (bytes: number) => Readable.from([Buffer.alloc(bytes, "a")]) as Parameters<typeof textOf>[0];
  expect((await textOf(answer(8 * MIB))).length).toBe(8 * MIB);
  await expect(textOf(answer(8 * MIB + 1))).rejects.toMatchObject({ status: 502 });
  const error = (code: string) => `<Error><Code>${code}</Code><Message>m</Message></Error>`;
  expect(() => throwIfError("<CompleteMultipartUploadResult/>")).not.toThrow();
  for (const [code, status] of [
    ["InternalError", 500],
    ["SlowDown", 503],
    ["InvalidPart", 400],
  ] as const) {
    expect(() => throwIfError(error(code))).toThrow(expect.objectContaining({ status, code }));
  }
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
