import { type FaultProxy, startFaultProxy } from "../client/fault-proxy";
import { commandTools } from "../command/tools";
import { isShort } from "./size";
import { traffic } from "./traffic";

const MESSAGES = isShort ? 500 : 10_000;
const FAULTS = 0.05;
/** More, and something of each message stays in the chain's memory, in bytes. */
const MAX_PEAK_BYTES = 600_000_000;

jest.setTimeout(1_200_000);

const tools = commandTools();
let proxy: FaultProxy;
beforeAll(async () => {
  proxy = await startFaultProxy();
});
afterAll(() => proxy.stop());

test(`${MESSAGES} messages lose none while consumers are killed and S3 and SQS answer ${100 * FAULTS} % errors`, async () => {
  const figures = await traffic(tools, proxy, { messages: MESSAGES, consumers: 3, faults: FAULTS });
  const chainPeakMB = Math.round(tools.chain().peakBytes() / 1e6);
  console.info({ ...figures, chainPeakMB });
  expect(figures).toMatchObject({ sent: MESSAGES, delivered: MESSAGES, lost: 0 });
  expect(figures.killed).toBeGreaterThan(2);
  for (const way of ["sendMessage", "putObject", "multipart"]) expect(figures.ways[way]).toBeGreaterThan(0);
  // As often as was asked for, as far as chance goes.
  for (const service of ["s3", "sqs"]) {
    const mean = FAULTS * (figures.requests[service] ?? 0);
    expect(figures.faults[service]).toBeGreaterThan(Math.max(0, mean - 4 * Math.sqrt(mean)));
  }
  expect(tools.chain().peakBytes()).toBeLessThan(MAX_PEAK_BYTES);
});
