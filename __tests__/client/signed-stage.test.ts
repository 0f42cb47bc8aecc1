import { randomBytes } from "node:crypto";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { SQSClient } from "@aws-sdk/client-sqs";
import { isAccessRefused } from "../../client/errors";
import { Producer } from "../../client/produce/producer";
import { CREDENTIALS } from "../../local/chain";
import { temporaryFolder } from "../local/tools";
import { consumers } from "./consumers";
import { AT_ONCE, MIB, setUp } from "./tools";

/** A stage whose consumers sign, and whose producers must say how much they send. */
const world = setUp("test");
const consume = consumers(world);
const folder = temporaryFolder();

const make = (options: object = {}) =>
  new Producer({
    apiUrl: world().chain.apiUrl,
    connections: world().proxy.connections,
    retry: AT_ONCE,
    ...options,
  });

test("payloads go and come by every way, the consumer's requests signed", async () => {
  const { region } = world().chain.stack;
  const [small, large] = [randomBytes(1000), randomBytes(11 * MIB)];
  const inParts = make({ multipartThresholdBytes: 0, inlineThresholdBytes: 0, partSizeBytes: 5 * MIB });
  await make().produce(small, { name: "inline" });
  await make({ inlineThresholdBytes: 0 }).produce(small, { name: "put" });
  await inParts.produce(large, { name: "parts" });
  await inParts.produce(Readable.from([large]), { name: "stream" });
  const { told, stop, handled } = consume({ region });
  await told("handled", 4);
  await stop();
  const come = Object.fromEntries(handled.map(({ name, bytes }) => [name, bytes]));
  for (const [name, bytes] of Object.entries({ inline: small, put: small, parts: large, stream: large })) {
    expect([name, come[name]?.equals(bytes)]).toEqual([name, true]);
  }
  expect([await world().messages(), await world().objects()]).toEqual([[], []]);
});

test("a consumer without credentials, or with wrong ones, is told so, and uses up no receive", async () => {
  const { chain } = world();
  const settings = { endpoint: chain.sqsEndpoint, region: chain.stack.region };
  const none = new SQSClient({
    ...settings,
    credentials: () => Promise.reject(new Error("There are none.")),
  });
  const { ended } = consume({ sqs: none, visibilityTimeoutSeconds: undefined });
  await expect(ended).rejects.toMatchObject({
    code: "Unavailable",
    message: expect.stringContaining("There are none."),
  });

  await make({ inlineThresholdBytes: 0 }).produce(randomBytes(10));
  const wrong = new SQSClient({ ...settings, credentials: { ...CREDENTIALS, secretAccessKey: "other" } });
  const refused = consume({ sqs: wrong, region: chain.stack.region, retryDelaySeconds: () => 900 });
  const error = (await refused.ended.catch((reason: unknown) => reason)) as Error;
  expect([error, isAccessRefused(error)]).toEqual([expect.objectContaining({ code: "Refused" }), true]);
  expect(refused.events).toEqual([]);
  expect(world().proxy.count("SQS ReceiveMessage")).toBe(0);
  for (const client of [none, wrong]) client.destroy();
});

test("a payload over the stage's cap is refused before anything of it is sent", async () => {
  const path = join(folder, "sparse");
  const file = await open(path, "w");
  await file.truncate(100 * 1000 ** 3 + 1);
  await file.close();
  for (const resume of [false, true]) {
    world().proxy.reset();
    await expect(make({ stateDirectory: folder }).produce(path, { resume })).rejects.toMatchObject({
      code: "Invalid",
      message: expect.stringMatching(/100000000001 bytes: this stage takes up to 100000000000/),
    });
    expect(world().proxy.passed.map(({ step }) => step)).toEqual(["createMultipartUpload"]);
  }
});
