import { LIMITS } from "./limits";

/** The prefix of payloads in the content bucket: the notification, the policies and the keys all use it. */
export const KEY_PREFIX = "input/";

/** The bytes of a key before its name: input/<UUID>/. */
export const CAPABILITY_BYTES = KEY_PREFIX.length + 36 + 1;

/** The longest name, in bytes of UTF-8. */
export const MAX_NAME_BYTES = LIMITS.keyBytes - CAPABILITY_BYTES;

/**
 * Those characters of up to U+FFFF that a key may not hold, as a part of a regular expression's class that every
 * language reads: a backslash, controls, bidirectional marks, line separators, noncharacters.
 */
export const UNFIT_RANGES =
  "\\\\\\u0000-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ufdd0-\\ufdef\\ufffe\\uffff";

/**
 * Characters that a key may not hold although S3 takes them. Controls, line separators, halves of surrogate pairs and
 * noncharacters break XML listings and logs; SQS refuses U+FFFE and U+FFFF. Bidirectional marks show a reader another
 * name, and a backslash is a path separator to half of the consumers.
 *
 * https://www.w3.org/TR/xml/#charsets,
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
 */
export const UNFIT = new RegExp(`[${UNFIT_RANGES}\\p{Cs}\\p{NChar}]`, "u");

/**
 * Zero-width characters, as a class of a regular expression, which a new name may not begin or end with, nor a segment
 * of it: a decoder removes U+FEFF from the beginning of a text, and two names that differ by them look alike.
 *
 * https://encoding.spec.whatwg.org/#bom-sniff
 */
export const ZERO_WIDTH = "[\\u200b\\u2060\\ufeff]";
