import { createHash } from "node:crypto";
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
 * The same bytes, the last of them held back until all are known to be right: who reads to the end has what was
 * sent, and of anything else never all.
 *
 * @throws TweedleError Corrupt
 */
export async function* verified(
  chunks: AsyncIterable<Buffer>,
  { size }: Expected,
  check: Check,
  onProgress?: OnProgress,
): AsyncGenerator<Buffer> {
  let held: Buffer | undefined;
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > size) break;
    check.update(chunk);
    onProgress?.({ bytes, totalBytes: size });
    if (held) yield held;
    held = chunk;
  }
  if (bytes !== size) {
    throw new TweedleError(
      "Corrupt",
      `The payload should have ${size} bytes, and has ${bytes > size ? "more" : bytes}.`,
    );
  }
  const [is, shouldBe] = check.finish();
  if (is !== shouldBe)
    throw new TweedleError("Corrupt", `The payload's ${check.by} is ${is}, and should be ${shouldBe}.`);
  if (held) yield held;
}
