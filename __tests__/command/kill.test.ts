import { killConsumers, killProducers } from "./kills";
import { commandTools } from "./tools";

const tools = commandTools();

test("kill -9 of consumers loses no payload, and leaves none half-written", async () => {
  const figures = await killConsumers(tools, { kills: 10, messages: 40 });
  console.info(figures);
  expect(figures).toMatchObject({ kills: 10, messages: 40, lost: 0 });
}, 120_000);

test("kill -9 of producers that resume leads to one message for each file", async () => {
  const figures = await killProducers(tools, { files: 2 });
  console.info(figures);
  expect(figures).toMatchObject({ lost: 0, partsLeft: 0, messages: [1, 1] });
}, 120_000);
