/**
 * Characters that a key may not hold although S3 takes them: controls, line separators, halves of surrogate
 * pairs and noncharacters break XML listings and logs, bidirectional marks show a reader another name, and a
 * backslash is a path separator to half of the consumers.
 */
export const UNFIT = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{NChar}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\\]/u;
