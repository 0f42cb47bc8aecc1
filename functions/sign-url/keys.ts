import { randomUUID } from "node:crypto";
import { CAPABILITY_BYTES, KEY_PREFIX, MAX_NAME_BYTES, UNFIT, ZERO_WIDTH } from "./names";

export { KEY_PREFIX, MAX_NAME_BYTES } from "./names";

/** A random UUID, version 4, as a regular expression. */
export const UUID = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}";
const CAPABILITY = new RegExp(`^${KEY_PREFIX}${UUID}/`);

const ZERO_WIDTH_END = new RegExp(`(^|/)${ZERO_WIDTH}|${ZERO_WIDTH}(/|$)`);

/** Whether a key may end so: segments separated by "/", none of them empty, "." or "..". */
const isPath = (path: string): boolean =>
  !UNFIT.test(path) &&
  path.split("/").every((segment) => segment !== "" && segment !== "." && segment !== "..") &&
  Buffer.byteLength(path) <= MAX_NAME_BYTES;

/** Whether a producer may name its payload so. */
export const isName = (name: unknown): name is string =>
  typeof name === "string" && isPath(name) && !ZERO_WIDTH_END.test(name);

/**
 * Whether this is a whole key that {@link newKey} may have made. What a name may not be any more, an older key may be:
 * its payload is still there.
 */
export const isKey = (key: unknown): key is string =>
  typeof key === "string" && CAPABILITY.test(key) && isPath(nameOf(key));

/**
 * A key that nobody can guess, and that nobody else has: knowing it is the permission to use it.
 *
 * @param name what the producer calls the payload; {@link isName} must hold
 * @param token a random UUID of the producer's, which makes the same key each time
 */
export function newKey(name: string, token: string = randomUUID()): string {
  return `${KEY_PREFIX}${token}/${name}`;
}

/** The name part of a key, which says nothing of how to reach the payload. */
export const nameOf = (key: string): string => key.slice(CAPABILITY_BYTES);
