import { MAX_PEAK_BYTES, sendLarge } from "./large";
import { commandTools } from "./tools";

const tools = commandTools();

test("1 GiB through produce and consume is the same, and takes less than 200 MB of memory each", async () => {
  const { produce, consume } = await sendLarge(tools, 1024 ** 3);
  console.info({ produce, consume });
  for (const { peakMB } of [produce, consume]) {
    // It was looked at.
    expect(peakMB).toBeGreaterThan(30);
    expect(peakMB * 1e6).toBeLessThan(MAX_PEAK_BYTES);
  }
  expect(tools.chain().keys()).toEqual([]);
}, 180_000);
