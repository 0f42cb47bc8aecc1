import { createHash, randomBytes } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { Api } from "../../client/api";
import { Budget, download } from "../../client/consume/download";
import type { Payload } from "../../client/consume/payload";
import { consumers, produce } from "./consumers";
import { DENIED, type Fault, INTERNAL, SLOW_DOWN } from "./fault-proxy";
import { AT_ONCE, MIB, recordOf, setUp, sha256 } from "./tools";

const world = setUp();
const consume = consumers(world);

/** More than goes in one answer where that is slow. */
const PAYLOAD = randomBytes(76 * MIB + 5);
const DIGEST = sha256(PAYLOAD);

/** Of such a payload, nobody keeps the bytes. */
async function digest({ body }: Payload): Promise<undefined> {
  const hash = createHash("sha256");
  for await (const chunk of body as AsyncIterable<Buffer>) hash.update(chunk);
  return Buffer.from(hash.digest("base64")) as unknown as undefined;
}

const send = () => produce(world(), PAYLOAD, {}, { multipartThresholdBytes: 0, partSizeBytes: 20 * MIB });

async function receive(): Promise<void> {
  const { told, stop, handled, of } = consume({ handler: digest });
  await told("handled");
  await stop();
  expect(handled.map(({ bytes }) => bytes.toString())).toEqual([DIGEST]);
  expect(handled[0]?.payload).toMatchObject({ size: PAYLOAD.length, verifiedBy: "SHA-256", receiveCount: 1 });
  expect(of("failed")).toEqual([]);
  expect([await world().messages(), await world().objects(), world().proxy.busy()]).toEqual([[], [], 0]);
}

test("a large payload comes in ranges where one connection is slow, several at once, of which many break", async () => {
  const { proxy } = world();
  await send();
  proxy.inject("GET", "trickle");
  const faults: Fault[] = ["reset", "truncated", SLOW_DOWN, "lost answer", INTERNAL, "reset", "truncated"];
  for (const fault of faults) proxy.inject("GET range", fault);
  await receive();
  expect([proxy.count("HEAD"), proxy.count("GET")]).toEqual([0, 1]);
  // Nine ranges after what came first, the last one short; and again those that broke.
  expect(proxy.count("GET range")).toBe(16);
});

test("a connection that is fast is left alone, and goes on where it breaks", async () => {
  const { proxy, chain } = world();
  const { key } = await send();
  const api = new Api({ apiUrl: chain.apiUrl, connections: proxy.connections });
  const none = { versionId: undefined, eTag: undefined, sequencer: undefined };
  const announcement = { bucket: chain.bucketName, key, size: PAYLOAD.length, ...none };
  for (const step of ["GET", "GET range", "GET range"]) proxy.inject(step, "truncated");
  const { body } = await download(
    {
      api,
      budget: new Budget(0),
      retry: AT_ONCE,
      signal: new AbortController().signal,
      fastBytesPerSecond: 0,
    },
    announcement,
  );
  expect((await buffer(body)).equals(PAYLOAD)).toBe(true);
  const ranges = proxy.passed.flatMap(({ headers }) => headers.range ?? []);
  // What each of them lacks, the next one has the first half of.
  const size = PAYLOAD.length;
  const halves = [1, 2, 3].map((time) => size - Math.ceil(size / 2 ** time));
  expect(ranges).toEqual(halves.map((start) => `bytes=${start}-${size - 1}`));
});

test("a URL that ends under all of its ranges is signed again, once for all of them", async () => {
  const { proxy } = world();
  await send();
  proxy.inject("getObject", SLOW_DOWN, 2);
  proxy.inject("GET", SLOW_DOWN, 2);
  proxy.inject("GET", "expired");
  proxy.inject("GET", "trickle");
  proxy.inject("GET range", DENIED, 2);
  proxy.inject("GET range", { status: 400, code: "ExpiredToken" }, 2);
  await receive();
  expect(proxy.count("getObject")).toBeLessThanOrEqual(5);
});

test("a range that sends more than was asked for is taken no further", async () => {
  const { proxy } = world();
  await send();
  proxy.inject("GET", "trickle");
  proxy.inject("GET range", "surplus", 3);
  await receive();
  // Nine, and again those three.
  expect(proxy.count("GET range")).toBe(12);
});

test("a wrong byte in one range is found, and the next time all is right", async () => {
  const { proxy } = world();
  await send();
  proxy.inject("GET", "trickle");
  proxy.inject("GET range", "wrong bytes");
  const { told, stop, handled, of } = consume({ handler: digest });
  await told("handled");
  await stop();
  expect([handled.map(({ bytes }) => bytes.toString()), of("failed").length]).toEqual([[DIGEST], 1]);
});

test("a handler that stops reading ends the ranges that are under way", async () => {
  const { proxy, chain } = world();
  await send();
  proxy.inject("GET", "trickle");
  const { told, stop } = consume({
    handler: async ({ body }: Payload) => {
      let bytes = 0;
      for await (const chunk of body as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > 12 * MIB) return;
      }
    },
  });
  await told("handled");
  await stop();
  expect([proxy.busy(), await world().messages(chain.queueUrl)]).toEqual([0, []]);
});

test("a payload comes whose announcement does not say its size", async () => {
  const { proxy, chain } = world();
  const small = randomBytes(1000);
  const { key } = await produce(world(), small);
  const empty = await produce(world(), Buffer.alloc(0));
  while ((await world().messages(chain.queueUrl, 1)).length > 0);
  for (const one of [key, empty.key])
    await world().send({ Records: [recordOf(chain.bucketName, { key: one })] });
  const { told, stop, handled } = consume({ handler: ({ body }) => buffer(body) as unknown as undefined });
  await told("handled", 2);
  await stop();
  const sizes = handled.map(({ bytes }) => bytes.length).toSorted((a, b) => a - b);
  expect([sizes, proxy.count("GET"), proxy.count("HEAD")]).toEqual([[0, 1000], 2, 0]);
});
