import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { type Action, hasUrl } from "../../functions/sign-url/actions";
import { LIMITS } from "../../functions/sign-url/limits";
import { DIGEST, KEY } from "./tools";

/** A request's fields, of which some may be fit. */
export type Fields = Readonly<Record<string, unknown>>;

/** Values that are fit, that are nearly so, and that are not. */
const anyOf = (
  fit: readonly unknown[],
  near: readonly unknown[],
  many: fc.Arbitrary<unknown> = fc.constant(fit[0]),
) =>
  fc.oneof(
    { arbitrary: fc.constantFrom(...fit), weight: 24 },
    { arbitrary: many, weight: 4 },
    { arbitrary: fc.constantFrom(...near), weight: 4 },
    {
      arbitrary: fc.constantFrom<unknown>(null, true, 0, -1, 1.5, 2 ** 53, "", "1", [], {}, [null]),
      weight: 1,
    },
  );

const UNFIT_PATHS = [
  "..",
  ".",
  "a/../b",
  "/a",
  "a/",
  "a//b",
  "a\\b",
  "a\nb",
  "a\u0085b",
  "a\u2028b",
  "a\u202eb",
  "a\ufffeb",
  "a\ufdd0b",
  "a\ufeff",
  "\u200b/a",
  "a/\u2060",
  "a\ud800b",
  "a\u{1fffe}b",
  "ü".repeat(491),
  "x".repeat(982),
  "x".repeat(1025),
];
const pathText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.string({ unit: fc.constantFrom(..."ab/.ü😀\ufeff\\ ".split("")), maxLength: 8 }),
);
const CHECKSUM_OF_CAT = createHash("sha256").update("cat").digest("base64");
const PREFIX = KEY.slice(0, 43);

const VALUES: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  name: anyOf(["cat.jpg", "a b/ü😀.txt", "x".repeat(981), "…/.a.", " "], UNFIT_PATHS, pathText),
  key: anyOf(
    [KEY, `${PREFIX}${"x".repeat(981)}`, `${KEY}\ufeff`],
    [
      "cat.jpg",
      KEY.toUpperCase(),
      KEY.replace("-4c1d-", "-1c1d-"),
      PREFIX,
      ...UNFIT_PATHS.map((text) => PREFIX + text),
    ],
    pathText.map((text) => PREFIX + text),
  ),
  content_type: anyOf(
    ["image/png", 'image/svg+xml; a="b c"; d=e', "application/vnd.a+b.c", "text/plain"],
    [
      "image",
      "image/*;",
      "image/png;;a=b",
      "IMAGE/PNG",
      "a/b\n",
      `a/${"b".repeat(255)}`,
      "application/vndxa+b.c",
    ],
  ),
  content_length: anyOf(
    [0, 1, 1000],
    [1001, 5 * 1024 ** 3, 5 * 1024 ** 3 + 1, LIMITS.objectBytes, LIMITS.objectBytes + 1],
  ),
  checksum_sha256: anyOf(
    [CHECKSUM_OF_CAT, DIGEST],
    [DIGEST.replace("A=", "B="), DIGEST.slice(1), "A".repeat(44)],
  ),
  metadata: anyOf(
    [{ a: "b" }, { "a.b_c-1": "d e" }, {}],
    [
      { A: "b" },
      { "": "b" },
      { a: " b" },
      { a: "ü" },
      { a: 1 },
      { a: "b".repeat(2047) },
      { a: "b".repeat(2048) },
      { a: "b".repeat(2049) },
      ["a"],
    ],
    fc.dictionary(fc.string({ maxLength: 3 }), fc.string({ maxLength: 3 }), { maxKeys: 2 }),
  ),
  if_none_match: anyOf(["*"], ["**", '"etag"']),
  client_token: anyOf(
    [KEY.slice(6, 42)],
    [KEY.slice(6, 41), KEY.slice(6, 42).toUpperCase(), KEY.replace("-4c1d-", "-1c1d-").slice(6, 42)],
  ),
  checksum_algorithm: anyOf(["SHA256"], ["sha256", "CRC32"]),
  checksum_mode: anyOf(["ENABLED"], ["enabled"]),
  version_id: anyOf(["v.1_a", "a+/=~-"], ["a b", "a\n", "x".repeat(1024), "x".repeat(1025), "ü"]),
  upload_id: anyOf(["u"], ["a b", "x".repeat(1024), "x".repeat(1025), "?"]),
  part_numbers: anyOf(
    [[1], [2, 10_000], [3, 1]],
    [[0], [10_001], [1, 1], ["1"], [1.5], Array.from({ length: 1001 }, (_, index) => index + 1)],
  ),
  part_number_marker: anyOf([0, 10_000], [10_001]),
  expires_in: anyOf([1, 100, 900], [901, 0]),
  body: fc.oneof(
    {
      arbitrary: anyOf(
        ["Y2F0", "", "YQ==", "YWE="],
        ["YR==", "YWF=", "Y2F", "Y2F0\n", "Y2F0Y", "_-8=", "="],
        fc.base64String({ maxLength: 12 }),
      ),
      weight: 20,
    },
    {
      arbitrary: fc
        .constantFrom(2000, LIMITS.messageBytes - 200, LIMITS.messageBytes, LIMITS.messageBytes + 3)
        .map((bytes) => Buffer.alloc(bytes).toString("base64")),
      weight: 1,
    },
  ),
};

const valuesOf = ({ fields, newKey }: Action) =>
  Object.fromEntries(
    Object.keys(fields).map((field) => [
      field,
      VALUES[field === "object_key" ? (newKey ? "name" : "key") : field] as fc.Arbitrary<unknown>,
    ]),
  );

/** The usual value nine times of ten. */
const mostly = <T>(usual: T, others: fc.Arbitrary<T>) =>
  fc.oneof({ arbitrary: fc.constant(usual), weight: 9 }, { arbitrary: others, weight: 1 });

/** A request of an action, on its path or by its name at POST /, with most of what it needs. */
export function requestOf([name, action]: readonly [string, Action]): fc.Arbitrary<{
  route: string;
  body: Fields;
}> {
  const required = Object.keys(action.fields).filter((field) => action.fields[field]?.required);
  return fc
    .record({
      route: fc.constantFrom(`/${name}`, ...(hasUrl(action) ? ["/"] : [])),
      fields: fc.record<Fields>(valuesOf(action), { requiredKeys: required }),
      missing: mostly<readonly string[]>([], fc.subarray(required)),
      unknown: mostly<Fields>({}, fc.constant({ acl: "public-read" })),
      given: mostly<unknown>(name, fc.constantFrom<unknown>("getObject", "nothing", 1, undefined)),
      named: fc.boolean(),
    })
    .map(({ route, fields, missing, unknown, given, named }) => ({
      route,
      body: {
        ...(given !== undefined && (named || route === "/") && { action: given }),
        ...Object.fromEntries(Object.entries(fields).filter(([field]) => !missing.includes(field))),
        ...unknown,
      },
    }));
}
