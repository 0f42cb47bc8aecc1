import { Readable } from "node:stream";
import type { VerifiedBy } from "./verify";

/** What a handler gets. */
export interface Payload {
  /** The same for every delivery of this payload, and of no other: what makes a handler idempotent. */
  readonly id: string;
  /** input/<UUID>/<name> */
  readonly key: string;
  /** What its producer calls it. It may hold slashes, and is of the producer's choosing. */
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /** The media type that the producer said, if any. */
  readonly contentType: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  /** How often its message has been received, this time included. More than 1: it may have been handled before. */
  readonly receiveCount: number;
  readonly messageId: string;
  /** By what the bytes are verified, before the last of them are handed out. */
  readonly verifiedBy: VerifiedBy;
  /** The payload. It ends with an error where it cannot be had whole and right; what was done with it must not count then. */
  readonly body: Readable;
  /** Asks the handler to end: the consumer is stopping and does not wait any longer. */
  readonly signal: AbortSignal;
}

/** What is known of a payload, without its bytes. */
export type PayloadFacts = Omit<Payload, "body" | "signal">;

/** What tells a payload from others before any of it is fetched. */
export type PayloadIdentity = Pick<Payload, "id" | "key" | "name" | "receiveCount" | "messageId">;

/** Handles a payload. Once it resolves, the message is deleted and then the payload; if it rejects, both come again. */
export type Handler = (payload: Payload) => Promise<void> | void;
