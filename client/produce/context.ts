import type { Api } from "../api";
import type { RetryContext } from "../retry";
import type { Progress } from "./progress";

/** What the requests of one payload have in common. */
export interface Context extends RetryContext {
  readonly api: Api;
  readonly progress: Progress;
  /** Parts at once. */
  readonly concurrency: number;
}

/** What a payload is called, and what is stored with it, as the API takes it. */
export interface Fields {
  readonly object_key: string;
  readonly content_type?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A payload that is on its way: the queue has it, or will be told of it by S3. */
export interface Produced {
  /** Names the payload from now on: input/<UUID>/<name>. */
  readonly key: string;
  /** In bytes. */
  readonly size: number;
  /** How it went: in the queue's message itself, by one PUT, or in parts. */
  readonly via: "sendMessage" | "putObject" | "multipart";
  /** How many parts it went up in; 1 where it went whole. */
  readonly parts: number;
  /** SHA-256 in base64; of a payload in parts that of their digests, with "-" and their number, as S3 has it. */
  readonly checksum: string;
}
