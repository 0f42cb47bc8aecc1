import { EventEmitter, once } from "node:events";
import { join } from "node:path";
import type * as Tweedle from "../../client/index";
import { sqsClient } from "./clients";
import { type Contender, FILES_AT_ONCE, atOnce, delays, firstByteOf, save } from "./contender";

// The library as it is published, from where the bench has built it.
const { Producer, Consumer }: typeof Tweedle = require(join(__dirname, "dist", "index.js"));

export const contender: Contender = {
  produce: async ({ apiUrl }, files) => {
    const producer = new Producer({ apiUrl });
    return async () => {
      const sent = await atOnce(files, (file) => producer.produce(file));
      producer.close();
      return { keys: sent.map(({ key }) => key) };
    };
  },
  consume: async (chain, keys, folder) => {
    const { apiUrl, queueUrl } = chain;
    const consumer = new Consumer({
      apiUrl,
      queueUrl,
      sqs: sqsClient(chain),
      concurrency: FILES_AT_ONCE,
      maxMessages: keys.length,
      handler: ({ key, body }) => save(body, folder, key),
    });
    return () => consumer.run();
  },
  delay: async (chain) => {
    const { apiUrl, queueUrl } = chain;
    const events = new EventEmitter();
    const producer = new Producer({ apiUrl });
    const handler = async ({ body }: Tweedle.Payload) => {
      events.emit("arrived", await firstByteOf(body));
    };
    const consumer = new Consumer({ apiUrl, queueUrl, sqs: sqsClient(chain), handler });
    return async () => {
      const running = consumer.run();
      const arrived = async () => ((await once(events, "arrived")) as [number])[0];
      const delaysMs = await delays((bytes) => producer.produce(bytes), arrived);
      await Promise.all([consumer.stop(), running]);
      return { delaysMs };
    };
  },
};
