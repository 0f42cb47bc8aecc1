import { ACTIONS } from "../../functions/sign-url/actions";
import { ABUSES } from "../abuse/cases";

/** A request as a fuzzer makes it. */
export interface Input {
  readonly path: string;
  readonly body: string;
  readonly accept: string | undefined;
  readonly isBase64Encoded: boolean;
}

/** Numbers from 0 to 1 that come again with their seed (mulberry32), so that a finding does. */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const KEY = "input/6f1c2f6e-0a4b-4c1d-9e2f-0123456789ab/cat.jpg";
const UUID = KEY.slice(6, 42);
const DIGEST = Buffer.alloc(32).toString("base64");

/** A fit value for each field. */
export const FIT: Readonly<Record<string, unknown>> = {
  object_key: KEY,
  content_type: 'text/plain; charset="utf-8"',
  content_length: 7,
  checksum_sha256: DIGEST,
  checksum_algorithm: "SHA256",
  metadata: { author: "Lewis Carroll" },
  if_none_match: "*",
  client_token: UUID,
  checksum_mode: "ENABLED",
  body: "Y2F0",
  version_id: "v",
  upload_id: "u",
  part_numbers: [1, 2],
  part_number_marker: 1,
  expires_in: 900,
};

/** What the handlers look for, and what breaks those that look badly. */
const WORDS = [
  ...Object.keys(ACTIONS),
  ...Object.keys(FIT),
  ...Object.values(FIT).filter((value) => typeof value === "string"),
  ...'action __proto__ constructor toString null true 1e400 -0 0.5 901 10000 16384 [ ] { } : , ; " \\'.split(
    " ",
  ),
  ..."\\u0000 \\ud800 \\udc00 😀 ü ../ ./ // / input/ %2e%2e * ?x=y& # + text/* application/json */* q= =".split(
    " ",
  ),
  "\u0000",
  "\u202e",
  "\u2028",
  "\ufffe",
  "\r\nx-amz-acl: public-read",
];
/** Of those, what separates, ends or leads out. */
const MARKS = [...'../ / \\\\ %2e%2e/ \\u0000 ; , = q= ;q=0 " : # ? & +'.split(" "), " ", "\n", "\u202e"];
const PATHS = ["/", ...Object.keys(ACTIONS).map((action) => `/${action}`), "/openapi.json", "/{proxy+}"];

/** A fit request of each action, by its own path and by POST /, and as few words of it as there can be. */
const FIT_REQUESTS: readonly Input[] = Object.entries(ACTIONS).flatMap(([action, { fields }]) => {
  const values = Object.fromEntries(Object.keys(fields).map((field) => [field, FIT[field]]));
  const one = { ...values, part_numbers: [1] };
  const bodies = [values, "part_numbers" in fields ? one : { object_key: KEY }, { action, ...values }];
  return bodies.flatMap((body) =>
    [`/${action}`, "/"].map((path) => ({
      path,
      body: JSON.stringify(body),
      accept: undefined,
      isBase64Encoded: false,
    })),
  );
});

/** Where a run begins: what is fit, and what attackers send. */
export const SEEDS: readonly Input[] = [
  ...FIT_REQUESTS,
  ...ABUSES.filter(([, , body]) => JSON.stringify(body).length < 20_000).map(([, path, body]) => ({
    path,
    body: typeof body === "string" ? body : (JSON.stringify(body) ?? ""),
    accept: undefined,
    isBase64Encoded: false,
  })),
];

/** Another request, made of one that ran new code and of another such. */
export function mutate(input: Input, other: Input, random: () => number): Input {
  const below = (limit: number) => Math.floor(random() * limit);
  const pick = <T>(items: readonly T[]) => items[below(items.length)] as T;

  /** Changes in the text: a word put in, a piece dropped, doubled or taken from the other, a character changed. */
  const inText = (text: string): string => {
    // Half of the cuts are where a word begins or ends: that is where readers decide.
    const edges = [0, ...[...text.matchAll(/[/;,=":.+\s\]}]/g)].flatMap(({ index }) => [index, index + 1])];
    const cut = () => (random() < 0.5 ? pick(edges) : below(text.length + 1));
    const [start, end] = [cut(), cut()].toSorted((a, b) => a - b) as [number, number];
    const piece = text.slice(start, end);
    return pick([
      () => text.slice(0, start) + pick(WORDS) + text.slice(start),
      () => text.slice(0, start) + pick(MARKS) + text.slice(start),
      () => text.slice(0, start) + pick(WORDS) + text.slice(end),
      () => text.slice(0, start) + text.slice(end),
      () => text.slice(0, start) + piece.repeat(2 + below(4)) + text.slice(end),
      () => text.slice(0, start) + other.body.slice(below(other.body.length)),
      () => text.slice(0, start) + String.fromCharCode(below(0x100)) + text.slice(start + 1),
      () => text.slice(0, start) + String.fromCharCode(below(0x10000)) + text.slice(start + 1),
    ])();
  };

  const value = (): unknown =>
    pick([
      () => pick(WORDS),
      () => inText(pick(Object.values(FIT).filter((fit) => typeof fit === "string"))),
      () => pick([0, -1, 1, 900, 901, 1.5, 1e21, 10_000, 10_001, 5 * 1024 ** 3, 2 ** 53]),
      () => pick([null, true, false, [], {}, "", [1], ["a"], { a: "b" }]),
      () => Array.from({ length: below(1100) }, (_, index) => index + 1),
      () => "a".repeat(below(2100)),
      () => pick(Object.values(FIT)),
    ])();

  /** Changes in what the JSON says: a field more, another or none. */
  const inFields = (body: string): string => {
    try {
      return JSON.stringify(otherFields({ ...(JSON.parse(body) as object) }));
    } catch {
      // It is no JSON, or nested deeper than our own stack.
      return inText(body);
    }
  };
  const otherFields = (fields: Record<string, unknown>) => {
    const name = pick([pick(Object.keys(FIT)), pick(Object.keys(FIT)), "action", pick(WORDS)]);
    pick([
      () => (fields[name] = value()),
      () => (fields[name] = FIT[name]),
      () => {
        const given = random() < 0.5 ? "object_key" : pick(Object.keys(fields));
        if (typeof fields[given] === "string") fields[given] = inText(fields[given]);
      },
      () => delete fields[pick(Object.keys(fields)) ?? ""],
      () => {
        const given = fields["metadata"];
        fields["metadata"] = { ...(given as object), [String(value()).slice(0, 200)]: value() };
      },
    ])();
    return fields;
  };

  const change = pick<() => Partial<Input>>([
    () => ({ body: inText(input.body) }),
    () => ({ body: inText(inText(inText(input.body))) }),
    () => ({ body: inFields(input.body) }),
    () => ({ body: inFields(inFields(input.body)) }),
    () => ({ path: pick(PATHS) }),
    () => ({ accept: inText(input.accept ?? pick(WORDS)) }),
    () => ({ accept: inText(inText(input.accept ?? pick(WORDS))) }),
    () => ({ isBase64Encoded: !input.isBase64Encoded }),
    () => ({ isBase64Encoded: true, body: Buffer.from(input.body).toString("base64") }),
  ]);
  return { ...input, ...change() };
}
