import { createHash } from "node:crypto";
import { Readable, type ReadableOptions } from "node:stream";
import { excerpt } from "../../common/quote";
import { TweedleError } from "../errors";
import { Layout } from "../produce/layout";
import type { OnProgress } from "../produce/progress";

/** What S3 says of an object, against which its bytes are held. */
export interface Expected {
  /** In bytes. */
  readonly size: number;
  /** SHA-256 in base64: of the whole, or with "-" and their number that of the parts' digests. */
  readonly checksum?: string | undefined;
  /** Where the parts end, as the producer's metadata tells. */
  readonly layout?: string | undefined;
  /** MD5 in hexadecimal, where the ETag is one. */
  readonly md5?: string | undefined;
}

/** How sure it is that the bytes are those that were sent. */
export type VerifiedBy = "SHA-256" | "MD5" | "length";

interface Check {
  readonly by: VerifiedBy;
  readonly update: (chunk: Buffer) => void;
  /** @returns what the bytes have, and what they should have */
  readonly finish: () => readonly [is: string, shouldBe: string];
}

const lengthOnly: Check = { by: "length", update: () => undefined, finish: () => ["", ""] };

/** The best check that what S3 says allows. */
export function checkFor({ size, checksum, layout: text = "", md5 }: Expected): Check {
  const [, parts] = /-(\d+)$/.exec(checksum ?? "") ?? [];
  if (checksum !== undefined && parts === undefined) return whole("SHA-256", "sha256", "base64", checksum);
  // The metadata is the producer's, the number of parts is S3's. Another layout would check nothing, and might cost a
  // digest for each byte.
  const layout = parts === "1" ? Layout.ofSize(size, size) : Layout.parse(text);
  if (checksum !== undefined && layout?.count(size) === Number(parts)) return composite(checksum, layout);
  return md5 === undefined ? lengthOnly : whole("MD5", "md5", "hex", md5);
}

function whole(by: VerifiedBy, algorithm: string, encoding: "base64" | "hex", shouldBe: string): Check {
  const hash = createHash(algorithm);
  return { by, update: (chunk) => void hash.update(chunk), finish: () => [hash.digest(encoding), shouldBe] };
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html#composite-checksums */
function composite(shouldBe: string, layout: Layout): Check {
  const all = createHash("sha256");
  let number = 1;
  let part = createHash("sha256");
  let missing = layout.sizeOf(number);
  let begun = false;
  const endPart = () => {
    all.update(part.digest());
    number += 1;
    part = createHash("sha256");
    missing = layout.sizeOf(number);
    begun = false;
  };
  return {
    by: "SHA-256",
    update: (chunk) => {
      for (let position = 0; position < chunk.length;) {
        const slice = chunk.subarray(position, position + missing);
        part.update(slice);
        begun = true;
        missing -= slice.length;
        position += slice.length;
        if (missing === 0) endPart();
      }
    },
    finish: () => {
      if (begun) endPart();
      return [`${all.digest("base64")}-${number - 1}`, shouldBe];
    },
  };
}

/**
 * The bytes of a payload, the last of them held back until all are known to be right: who reads to the end has what was
 * sent, and of anything else never all.
 */
export class VerifiedBody extends Readable {
  #held: Buffer | undefined;
  #bytes = 0;
  #wanted: () => void = () => undefined;

  constructor(
    private readonly expected: Expected,
    private readonly check: Check,
    private readonly onProgress?: OnProgress,
    options?: ReadableOptions,
  ) {
    super(options);
  }

  /** How many bytes have come. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Takes the next bytes.
   *
   * @returns what to wait for before the next, if anything: that they are read, or never will be
   * @throws TweedleError Corrupt, where they are too many; Interrupted, where nobody reads any more
   */
  add(chunk: Buffer): Promise<void> | undefined {
    if (this.destroyed) throw new TweedleError("Interrupted", "Nobody reads it any more.");
    const { size } = this.expected;
    this.#bytes += chunk.length;
    if (this.#bytes > size) throw this.#otherSize("more");
    this.check.update(chunk);
    this.onProgress?.({ bytes: this.#bytes, totalBytes: size });
    const previous = this.#held;
    this.#held = chunk;
    // Who is told of progress may have ended it.
    if (!previous || this.push(previous) || this.destroyed) return undefined;
    return new Promise((resolve) => {
      this.#wanted = resolve;
    });
  }

  /** Gives out what is left. @throws TweedleError Corrupt */
  finish(): void {
    if (this.#bytes !== this.expected.size) throw this.#otherSize(this.#bytes);
    const [is, shouldBe] = this.check.finish();
    if (is !== shouldBe) {
      throw new TweedleError(
        "Corrupt",
        `The payload's ${this.check.by} is ${is}, and should be ${excerpt(shouldBe)}.`,
      );
    }
    if (this.#held) this.push(this.#held);
    this.push(null);
  }

  #otherSize(has: number | "more"): TweedleError {
    const message = `The payload should have ${this.expected.size} bytes, and has ${has}.`;
    return new TweedleError("Corrupt", message);
  }

  override _read(): void {
    this.#wanted();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#wanted();
    done(error);
  }
}
