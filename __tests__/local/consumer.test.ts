import { once } from "node:events";
import { join } from "node:path";
import { App } from "cdktf";
import { type Chain, start } from "../../local/chain";
import { deliver } from "../../local/deliver";
import type { ConsumedBatch } from "../../local/sqs/event-source";
import { InspectionStack, OPEN, SIGNING } from "../stacks/inspection-stack";
import { ask, temporaryFolder } from "./tools";

const outdir = temporaryFolder();
const app = new App({ outdir });
for (const config of [OPEN, SIGNING]) new InspectionStack(app, config.stage, config, 60);
app.synth();

describe.each([OPEN, SIGNING])("a stack whose own function consumes the queue ($stage)", ({ stage }) => {
  let chain: Chain;
  let log: jest.SpyInstance;

  beforeAll(async () => {
    log = jest.spyOn(process.stderr, "write").mockImplementation(() => true);
    chain = await start({ stack: join(outdir, "stacks", stage) });
  });

  afterAll(async () => {
    await chain.stop();
    log.mockRestore();
  });

  /** What the function did with the next batch that names an object. */
  async function consumed(name: string): Promise<ConsumedBatch> {
    for (;;) {
      const [batch] = (await once(chain.events, "consumed")) as [ConsumedBatch];
      if (batch.bodies.some((body) => body.includes(name))) return batch;
    }
  }

  test("has its payloads consumed by that function, with its own role, environment and the API's address", async () => {
    const done = consumed("cat.jpg");
    const { url, headers } = await ask(chain, "/putObject", {
      object_key: "cat.jpg",
      content_type: "image/jpeg",
    });
    await fetch(url, { method: "PUT", body: "miau", headers });
    expect(await done).toMatchObject({ failed: [] });
    expect(log.mock.calls.flat()).toContain("image/jpeg 4\n");
  });

  test("has payloads that are in the message consumed too, all bytes of them", async () => {
    const done = consumed('"source":"tweedle"');
    const body = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)).toString("base64");
    await ask(chain, "/sendMessage", { object_key: "all.bin", content_type: "image/gif", body });
    expect(await done).toMatchObject({ failed: [] });
    expect(log.mock.calls.flat()).toContain("image/gif 256\n");
  });

  test("is told of a message that the function could not handle", async () => {
    const done = consumed("elsewhere");
    const body = JSON.stringify({
      Records: [{ s3: { bucket: { name: "elsewhere" }, object: { key: "a" } } }],
    });
    await fetch(chain.sqsEndpoint, {
      method: "POST",
      headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.SendMessage" },
      body: JSON.stringify({ QueueUrl: chain.queueUrl, MessageBody: body }),
    });
    expect(await done).toMatchObject({ failed: [body] });
  });

  test("delivers the first message of npm start to that function", async () => {
    const lines: string[] = [];
    const reporter = { line: (text: string) => lines.push(text), progress: () => {} };
    await deliver(chain, join(__dirname, "../../package.json"), reporter);
    expect(lines.join("\n")).toMatch(/ 9 .* the stack's own: tweedle-\w+-inspector is done with the message/);
    expect(lines.at(-1)).toMatch(/^Delivered in /);
  });
});
