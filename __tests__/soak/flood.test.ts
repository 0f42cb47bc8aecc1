import { createHash, randomBytes } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { Consumer } from "../../client/consume/consumer";
import { Producer } from "../../client/produce/producer";
import { type LocalChain, startChain } from "../command/tools";
import { temporaryFolder } from "../local/tools";
import { until } from "../client/tools";
import { KINDS, RATE, flood, latencies } from "./flood";
import { isShort } from "./size";

const SECONDS = isShort ? 10 : 60;
/** More, and something of what the flood sends stays in the chain's memory, in bytes. */
const MAX_PEAK_BYTES = 450_000_000;
/** What the producer sends, in turns, in bytes: in the message, in one request, in parts. */
const SIZES = [0, 1000, 100_000, 300_000, 2_000_000, 12_000_000];
const FLOODED = "flood.txt";

jest.setTimeout((SECONDS + 120) * 1000);

const folder = temporaryFolder();
let chain: LocalChain;

beforeAll(async () => {
  chain = await startChain(folder);
  // The clients' settings, as a shell would give them.
  for (const [name, value] of Object.entries(chain.env)) process.env[name] = value;
});
afterAll(() => chain.sqs.destroy());

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** Sends payloads one after the other until it is told to stop. */
async function produce(signal: AbortSignal) {
  const producer = new Producer({ apiUrl: chain.apiUrl, multipartThresholdBytes: 8_000_000 });
  const digests = new Map<string, string>();
  const times: number[] = [];
  try {
    for (let sent = 0; !signal.aborted; sent += 1) {
      const bytes = randomBytes(SIZES[sent % SIZES.length] ?? 0);
      const begun = performance.now();
      const { key } = await producer.produce(bytes, { name: "payload.bin" });
      times.push(performance.now() - begun);
      digests.set(key, sha256(bytes));
    }
  } finally {
    producer.close();
  }
  return { digests, times };
}

test(`${RATE} requests a second for ${SECONDS} s, most of them bad, leave a producer and a consumer at work`, async () => {
  const received = new Map<string, string>();
  let flooded = 0;
  const consumer = new Consumer({
    apiUrl: chain.apiUrl,
    queueUrl: chain.queueUrl,
    handler: async ({ key, name, body }) => {
      const digest = sha256(await buffer(body));
      if (name === FLOODED) flooded += 1;
      else received.set(key, digest);
    },
  });
  const consuming = consumer.run();
  const over = new AbortController();
  const producing = produce(over.signal);
  const { outcomes, rate, unsent } = await flood(chain.apiUrl, SECONDS);
  over.abort();
  const { digests, times } = await producing;
  const sentByFlood = outcomes.filter(({ kind, status }) => kind.path === "/sendMessage" && status === 200);
  await until(() => received.size >= digests.size && flooded >= sentByFlood.length);
  await consumer.stop();
  await consuming;

  const statuses: Record<string, number> = {};
  for (const { kind, status } of outcomes) {
    const what = kind.hangsUp ? "hung up" : String(status);
    statuses[what] = (statuses[what] ?? 0) + 1;
  }
  const quick = outcomes.filter(({ kind }) => !kind.pieces && !kind.hangsUp);
  console.info({
    rate: Math.round(rate * 10) / 10,
    statuses,
    flood: latencies(quick.map(({ ms }) => ms)),
    producer: { payloads: digests.size, ...latencies(times) },
    chainPeakMB: Math.round(chain.peakBytes() / 1e6),
  });
  // Otherwise it was no flood.
  expect(rate).toBeGreaterThan(0.95 * RATE);
  expect({ unsent, sent: outcomes.length }).toEqual({ unsent: 0, sent: RATE * SECONDS });
  expect(digests.size).toBeGreaterThan(SIZES.length);
  // Whole, and nothing else.
  expect(received).toEqual(digests);
  expect(chain.keys()).toEqual([]);
  expect(await chain.count(chain.deadLetterQueueUrl)).toBe(0);

  const wrong = outcomes.filter(
    ({ kind, status }) => !kind.hangsUp && status !== kind.status && status !== 429,
  );
  expect(wrong.map(({ kind, status, body }) => `${kind.name}: ${status} ${body}`)).toEqual([]);
  const throttled = outcomes.filter(({ status }) => status === 429);
  expect(throttled.length).toBeGreaterThan(0);
  for (const { body } of throttled) {
    expect(JSON.parse(body)).toEqual({
      error: {
        code: "TooManyRequests",
        message: "Too many requests at once. Try again.",
        request_id: expect.any(String),
      },
    });
  }
  // Every kind came through, too.
  const served = new Set(
    outcomes.filter(({ kind, status }) => status === kind.status).map(({ kind }) => kind),
  );
  expect(KINDS.filter((kind) => !kind.hangsUp && !served.has(kind))).toEqual([]);
  expect(chain.peakBytes()).toBeLessThan(MAX_PEAK_BYTES);
});
