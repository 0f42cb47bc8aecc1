import { killConsumers, killProducers } from "./kills";
import { commandTools } from "./tools";

const tools = commandTools();

test("kill -9 of consumers loses no payload, and leaves none half-written", async () => {
  const figures = await killConsumers(tools, { kills: 5, messages: 25 });
  console.info(figures);
  expect(figures).toMatchObject({ kills: 5, messages: 25, lost: 0 });
}, 120_000);

test("kill -9 of producers that resume leads to one message", async () => {
  const figures = await killProducers(tools, { files: 1 });
  console.info(figures);
  expect(figures).toMatchObject({ lost: 0, partsLeft: 0, messages: [1] });
}, 120_000);
