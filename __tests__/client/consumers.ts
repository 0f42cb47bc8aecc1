import { buffer } from "node:stream/consumers";
import { Consumer, type ConsumerEvent, type ConsumerOptions } from "../../client/consume/consumer";
import type { Payload } from "../../client/consume/payload";
import { Producer, type ProduceOptions, type ProducerOptions } from "../../client/produce/producer";
import { AT_ONCE, type World, until } from "./tools";

type Event<Kind extends ConsumerEvent["kind"]> = Extract<ConsumerEvent, { kind: Kind }>;

/** A consumer that is running, and what it has told and handled so far. */
export interface Running {
  readonly consumer: Consumer;
  readonly events: readonly ConsumerEvent[];
  /** What handlers have read to the end, and did not fail with. */
  readonly handled: readonly { readonly name: string; readonly bytes: Buffer; readonly payload: Payload }[];
  readonly of: <Kind extends ConsumerEvent["kind"]>(kind: Kind) => Event<Kind>[];
  /** Resolves once so many events of a kind have been told. */
  readonly told: (kind: ConsumerEvent["kind"], times?: number) => Promise<void>;
  readonly ended: Promise<void>;
  /** Stops it, and waits for its end. */
  readonly stop: () => Promise<void>;
}

/** Makes consumers that pass the proxy and try again at once, and stops them after each test. */
export function consumers(world: () => World) {
  const running: Running[] = [];
  afterEach(async () => {
    await Promise.all(running.splice(0).map(({ consumer }) => consumer.stop()));
  });
  return (options: Partial<ConsumerOptions> = {}): Running => {
    const { chain, proxy, faultySqs } = world();
    const events: ConsumerEvent[] = [];
    const handled: Running["handled"][number][] = [];
    const { handler = (payload: Payload) => buffer(payload.body), ...rest } = options;
    const consumer = new Consumer({
      apiUrl: chain.apiUrl,
      queueUrl: chain.queueUrl,
      connections: proxy.connections,
      sqs: faultySqs,
      retry: AT_ONCE,
      visibilityTimeoutSeconds: 30,
      retryDelaySeconds: () => 0,
      graceSeconds: 5,
      ...rest,
      handler: async (payload) => {
        const bytes = (await handler(payload)) as unknown;
        handled.push({
          name: payload.name,
          bytes: Buffer.isBuffer(bytes) ? bytes : Buffer.alloc(0),
          payload,
        });
      },
      onEvent: (event) => {
        events.push(event);
        options.onEvent?.(event);
      },
    });
    const ended = consumer.run();
    ended.catch(() => undefined);
    const of = <Kind extends ConsumerEvent["kind"]>(kind: Kind) =>
      events.filter((event): event is Event<Kind> => event.kind === kind);
    const one: Running = {
      consumer,
      events,
      handled,
      of,
      told: (kind, times = 1) => until(() => of(kind).length >= times),
      ended,
      stop: async () => {
        await consumer.stop();
        await ended;
      },
    };
    running.push(one);
    return one;
  };
}

/** Sends a payload past the proxy. */
export async function produce(
  { chain }: World,
  payload: Uint8Array,
  options: ProduceOptions = {},
  producing: Partial<ProducerOptions> = { inlineThresholdBytes: 0 },
) {
  const producer = new Producer({ apiUrl: chain.apiUrl, retry: AT_ONCE, ...producing });
  try {
    return await producer.produce(payload, options);
  } finally {
    producer.close();
  }
}
