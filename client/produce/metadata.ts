import { METADATA } from "../../functions/sign-url/fields";
import { LIMITS } from "../../functions/sign-url/limits";
import { LAYOUT_METADATA_BYTES } from "./layout";

/**
 * The names and values of a payload's metadata together, in bytes of UTF-8. Of S3's 2,048 the part layout of a large
 * payload takes some; small payloads have the same limit, so that none is refused for its size alone.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
 */
export const MAX_METADATA_BYTES = LIMITS.metadataBytes - LAYOUT_METADATA_BYTES;

/** Names that begin so are the client's own. */
const RESERVED_PREFIX = "tweedle-";

/** What is wrong with the metadata of a payload, in a sentence; undefined where nothing is. */
export function metadataMistake(metadata: Readonly<Record<string, string>>): string | undefined {
  const entries = Object.entries(metadata);
  if (entries.some(([name]) => name.startsWith(RESERVED_PREFIX)))
    return `Metadata may not have names that begin with ${RESERVED_PREFIX}: they are reserved.`;
  const bytes = entries.reduce((sum, pair) => sum + Buffer.byteLength(pair.join("")), 0);
  if (bytes > MAX_METADATA_BYTES)
    return `Metadata may have ${MAX_METADATA_BYTES} bytes, names and values together, not ${bytes}.`;
  return METADATA.accepts(metadata)
    ? undefined
    : 'Metadata must have names of a-z, 0-9, ".", "_" and "-", and values of printable ASCII with single spaces.';
}
