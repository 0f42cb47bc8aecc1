import { changed, read, sha256 } from "./digest";
import { Refusal, outcomeUnknown } from "./errors";
import type { ChosenFile } from "./files";
import { ask, send } from "./http";
import { inLane } from "./lanes";
import { type WaitReason, retrying } from "./retry";
import { EXPIRES_IN } from "./settings";

/** What the requests of one file have in common. */
export interface Context {
  readonly chosen: ChosenFile;
  /** What the payload is called. */
  readonly name: string;
  readonly type: string;
  readonly signal: AbortSignal;
  readonly onWait: (reason: WaitReason) => void;
  /** Called with how many bytes of the whole S3 has, and how many of those an earlier page sent. */
  readonly onProgress: (bytes: number, earlierBytes?: number) => void;
}

/** How requests of a file are retried: one that a browser cannot read any more looks like a lost connection. */
export const retryContext = ({ chosen, signal, onWait }: Context) => ({
  signal,
  onWait,
  check: async (): Promise<void> => void (await read(chosen.file.slice(0, 1), chosen, signal)),
});

/**
 * Finds out why S3 refused bytes for their digest: the file changed after it was hashed, or they were damaged on their
 * way, so that the same request may succeed.
 *
 * @throws Failure where the file changed, or cannot be read
 */
export async function throwIfChanged(
  error: unknown,
  blob: Blob,
  checksum: string,
  { chosen, signal }: Context,
): Promise<void> {
  if (!(error instanceof Refusal && error.code === "BadDigest")) return;
  if ((await sha256(blob, chosen, signal)) !== checksum) throw changed();
}

/** A file that goes up in one request, with its length, type and digest signed. It can be begun again. */
export class PutObject {
  /** One key for all tries: a try whose answer was lost and the one after it are one object. */
  readonly #token = crypto.randomUUID();
  #checksum: string | undefined;
  #mayBeThere = false;

  /** @returns the key */
  async run(context: Context): Promise<string> {
    const { chosen, name, type, signal, onWait, onProgress } = context;
    const { file, size } = chosen;
    return await inLane(async () => {
      signal.throwIfAborted();
      onWait("checking");
      const checksum = (this.#checksum ??= await sha256(file, chosen, signal));
      const fields = {
        object_key: name,
        content_type: type,
        content_length: size,
        checksum_sha256: checksum,
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
          this.#mayBeThere ||= signal.aborted || outcomeUnknown(error);
          await throwIfChanged(error, file, checksum, context);
          throw error;
        }
        return signed.object_key;
      };
      return await retrying(attempt, retryContext(context));
    });
  }

  /** Nothing is left of a request that ended before its end. */
  async giveUp(): Promise<void> {}
}
