import type { Announcement } from "./contents";

/** How many keys a consumer remembers, and of each how many payloads: a producer may write over his own. */
const REMEMBERED = 10_000;
const REMEMBERED_OF_ONE = 100;

type Identity = Pick<Announcement, "key"> &
  Partial<Pick<Announcement, "bucket" | "versionId" | "eTag" | "sequencer">>;

/**
 * Remembers what has been handled, and by whom it is being handled: S3 and SQS tell of one object more than once.
 * Two processes do not know of each other; a handler that must not repeat itself goes by the payload's id.
 */
export class Duplicates {
  readonly #done = new Map<string, Identity[]>();
  readonly #underWay = new Map<Identity, Promise<void>>();

  /**
   * Runs what handles a payload, unless that has been done. Where it is being done, waits for how it ends.
   *
   * @returns whether it was a duplicate
   * @throws what handle throws, for the duplicate too: its message must come again
   */
  async once(identity: Identity, handle: () => Promise<void>): Promise<boolean> {
    if ((this.#done.get(identity.key) ?? []).some((done) => isSame(done, identity))) return true;
    for (const [other, run] of this.#underWay) {
      if (!isSame(other, identity)) continue;
      await run;
      return true;
    }
    const run = handle();
    this.#underWay.set(identity, run);
    try {
      await run;
      this.#remember(identity);
      return false;
    } finally {
      this.#underWay.delete(identity);
    }
  }

  #remember(identity: Identity): void {
    const all = this.#done.get(identity.key) ?? [];
    this.#done.delete(identity.key);
    this.#done.set(identity.key, [...all.slice(1 - REMEMBERED_OF_ONE), identity]);
    if (this.#done.size > REMEMBERED) this.#done.delete(this.#done.keys().next().value ?? "");
  }
}

/** A version is one payload. Without versions an object is what its ETag says, and an older event tells nothing new. */
function isSame(done: Identity, given: Identity): boolean {
  if (done.key !== given.key || done.bucket !== given.bucket) return false;
  if (done.versionId !== undefined && given.versionId !== undefined)
    return done.versionId === given.versionId;
  if (done.eTag !== undefined && done.eTag === given.eTag) return true;
  if (done.sequencer !== undefined && given.sequencer !== undefined) {
    return compareSequencers(given.sequencer, done.sequencer) <= 0;
  }
  // Only a key, which is random: nothing else was ever put under it.
  return done.eTag === undefined || given.eTag === undefined;
}

/**
 * Hexadecimal, the shorter one filled with zeros on the right:
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
 */
export function compareSequencers(a: string, b: string): number {
  const length = Math.max(a.length, b.length);
  const [first, second] = [a.padEnd(length, "0"), b.padEnd(length, "0")];
  return first < second ? -1 : first > second ? 1 : 0;
}
