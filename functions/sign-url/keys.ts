import { randomUUID } from "node:crypto";
import { LIMITS } from "./limits";
import { UNFIT } from "./names";

/** Where payloads live in the content bucket: the notification, the policies and the keys all use this prefix. */
export const KEY_PREFIX = "input/";

/** A random UUID, version 4, as a regular expression. */
export const UUID = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}";
const CAPABILITY = new RegExp(`^${KEY_PREFIX}${UUID}/`);
const CAPABILITY_BYTES = KEY_PREFIX.length + 36 + 1;

/** Whether a producer may name its payload so: segments separated by "/", none of them empty, "." or "..". */
export function isName(name: unknown): name is string {
  return (
    typeof name === "string" &&
    !UNFIT.test(name) &&
    name.split("/").every((segment) => segment !== "" && segment !== "." && segment !== "..") &&
    CAPABILITY_BYTES + Buffer.byteLength(name) <= LIMITS.keyBytes
  );
}

/** Whether this is a whole key that {@link newKey} may have made. */
export function isKey(key: unknown): key is string {
  return typeof key === "string" && CAPABILITY.test(key) && isName(nameOf(key));
}

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
