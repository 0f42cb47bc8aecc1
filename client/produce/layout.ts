import { LIMITS } from "../../functions/sign-url/limits";

const MIB = 1024 ** 2;
/** Payloads up to this size go in one request by default, larger ones in parts or ranges, in bytes. */
export const MULTIPART_THRESHOLD_BYTES = 64 * MIB;
/** A part by default, in bytes. */
export const PART_BYTES = 32 * MIB;
/** A range, in bytes: what of it has arrived waits in memory for its turn. */
export const RANGE_BYTES = 8 * MIB;
/** S3's least for a part that is not the last. */
export const MIN_PART_BYTES = 5 * MIB;
/** Parts of one size, before the next are twice as large: where nobody knows how much is to come. */
const PARTS_A_SIZE = 1000;

/** The metadata that tells a consumer where the parts of a payload end, so that it can check their digests. */
export const LAYOUT_METADATA = "tweedle-part-bytes";
/** The most that this metadata has, in bytes: its name, 13 digits and a plus sign. */
export const LAYOUT_METADATA_BYTES = LAYOUT_METADATA.length + 14;

/**
 * The size of all parts of a payload, but for the last, in bytes.
 *
 * @param size what is to be sent, in bytes
 * @param wanted what a part should have, in bytes; it is more where 10,000 would not suffice
 */
export const partBytesOf = (size: number, wanted: number): number =>
  Math.max(wanted, Math.ceil(size / LIMITS.partsPerUpload / MIB) * MIB);

/**
 * How a payload is cut into parts: all of one size, or growing where the payload's size is not known, so that
 * 10,000 parts suffice.
 */
export class Layout {
  private constructor(
    private readonly partBytes: number,
    private readonly grows: boolean,
  ) {}

  /**
   * @param size what is to be sent, in bytes
   * @param partBytes what a part should have; it is made larger where 10,000 would not suffice
   */
  static ofSize(size: number, partBytes: number): Layout {
    return new Layout(partBytesOf(size, partBytes), false);
  }

  /** Of a payload whose size is not known: up to 8 TB with parts that begin at 8 MiB. */
  static growing(partBytes: number): Layout {
    return new Layout(partBytes, true);
  }

  /** What {@link toString} has written; undefined where it is not that. */
  static parse(text: string): Layout | undefined {
    const [, bytes = "", growing] = /^([1-9]\d{0,12})(\+?)$/.exec(text) ?? [];
    return bytes ? new Layout(Number(bytes), growing === "+") : undefined;
  }

  /** The size of a part, unless it is the last, in bytes. @param number from 1 */
  sizeOf(number: number): number {
    const doublings = this.grows ? Math.floor((number - 1) / PARTS_A_SIZE) : 0;
    return Math.min(this.partBytes * 2 ** doublings, LIMITS.putBytes);
  }

  /** How many parts a payload has; Infinity where an upload may not have as many. @param size in bytes */
  count(size: number): number {
    let left = size;
    for (let number = 1; number <= LIMITS.partsPerUpload; number += 1) {
      left -= this.sizeOf(number);
      if (left <= 0) return number;
    }
    return Infinity;
  }

  /** As the payload's metadata says it: 33554432, or 8388608+ for parts that grow. */
  toString(): string {
    return `${this.partBytes}${this.grows ? "+" : ""}`;
  }
}
