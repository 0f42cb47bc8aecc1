/** Tweedle's client: sends payloads of any size, and receives them. */
export type { ConsumerEvent, ConsumerOptions } from "./consume/consumer";
export { Consumer } from "./consume/lazy-consumer";
export type { Handler, Payload, PayloadFacts, PayloadIdentity } from "./consume/payload";
export { type ErrorCode, TweedleError } from "./errors";
export type { Produced } from "./produce/context";
export { type Input, type ProduceOptions, Producer, type ProducerOptions } from "./produce/producer";
export type { OnProgress, ProgressReport } from "./produce/progress";
export type { RetryOptions, Waiting } from "./retry";
