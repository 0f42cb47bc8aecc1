import { NoAnswer, Refusal } from "./errors";
import { read, sha256 } from "./digest";
import { ask, send } from "./http";
import { inLane } from "./lanes";
import { type Hindrance, retrying } from "./retry";
import { EXPIRES_IN } from "./settings";

/** What the requests of one file have in common. */
export interface Context {
  readonly file: File;
  /** What the payload is called. */
  readonly name: string;
  readonly type: string;
  readonly signal: AbortSignal;
  readonly onWait: (hindrance: Hindrance) => void;
  /** Told how many bytes of the whole have gone. */
  readonly onProgress: (bytes: number) => void;
}

/** Whether a request that failed may have done its work all the same. */
export const mayHaveWorked = (error: unknown): boolean =>
  error instanceof NoAnswer || (error instanceof Refusal && error.status >= 500);

/** A file that a browser cannot read any more looks like a lost connection. */
export const readable = (file: File) => async (): Promise<void> => void (await read(file.slice(0, 1)));

/** A file that goes up in one request, with its length, type and digest signed. It can be begun again. */
export class PutObject {
  /** One key for all tries: a try whose answer was lost and the one after it are one object. */
  readonly #token = crypto.randomUUID();
  #checksum: string | undefined;
  #mayBeThere = false;

  /** @returns the key */
  async run({ file, name, type, signal, onWait, onProgress }: Context): Promise<string> {
    return await inLane(async () => {
      signal.throwIfAborted();
      onWait("checking");
      this.#checksum ??= await sha256(file);
      const fields = {
        object_key: name,
        content_type: type,
        content_length: file.size,
        checksum_sha256: this.#checksum,
        if_none_match: "*",
        client_token: this.#token,
        expires_in: EXPIRES_IN,
      };
      const attempt = async () => {
        const signed = await ask("putObject", fields, signal);
        try {
          await send(signed, { body: file, signal, onProgress });
        } catch (error) {
          // Nobody else writes to this key: what is there is ours.
          if (this.#mayBeThere && error instanceof Refusal && error.status === 412) return signed.object_key;
          this.#mayBeThere ||= signal.aborted || mayHaveWorked(error);
          throw error;
        }
        return signed.object_key;
      };
      return await retrying(attempt, { signal, onWait, check: readable(file) });
    });
  }

  /** Nothing is left of a request that ended before its end. */
  async giveUp(): Promise<void> {}
}
