import { killConsumers, killProducers } from "../command/kills";
import { MAX_PEAK_BYTES, sendLarge } from "../command/large";
import { commandTools } from "../command/tools";
import { isShort } from "./size";

const { kills, messages, resumed, bytes } = isShort
  ? { kills: 15, messages: 40, resumed: 2, bytes: 256 * 1024 ** 2 }
  : { kills: 100, messages: 200, resumed: 10, bytes: 3 * 1024 ** 3 };
jest.setTimeout(3_600_000);

describe("kill -9", () => {
  const tools = commandTools();

  test(`${kills} times during ${messages} messages loses none`, async () => {
    const figures = await killConsumers(tools, { kills, messages });
    console.info(figures);
    expect(figures).toMatchObject({ kills, messages, lost: 0 });
  });

  test(`of producers that resume ${resumed} files leads to one message for each`, async () => {
    const figures = await killProducers(tools, { files: resumed });
    console.info(figures);
    expect(figures).toMatchObject({
      lost: 0,
      partsLeft: 0,
      messages: Array.from({ length: resumed }, () => 1),
    });
  });
});

describe("a large file", () => {
  const tools = commandTools();

  test(`of ${bytes / 1024 ** 2} MiB is the same behind the queue, and takes less than 200 MB of memory`, async () => {
    const { produce, consume } = await sendLarge(tools, bytes);
    console.info({ produce, consume });
    for (const { peakMB } of [produce, consume]) expect(peakMB * 1e6).toBeLessThan(MAX_PEAK_BYTES);
    expect(tools.chain().keys()).toEqual([]);
  });
});
