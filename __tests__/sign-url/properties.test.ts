import * as fc from "fast-check";
import { ACTIONS, fieldsOf, hasUrl } from "../../functions/sign-url/actions";
import { createHandler } from "../../functions/sign-url/handler";
import { isKey, isName, nameOf, newKey } from "../../functions/sign-url/keys";
import { encodeKey } from "../../client/consume/contents";
import { parseXml } from "../../client/http";
import { DIGEST, ENVIRONMENT, KEY, parse, signer } from "./tools";

const ask = signer();

/** Values that are fit for some field, and values that are fit for none. */
const value = fc.oneof(
  fc.constantFrom<unknown>(
    "cat.jpg",
    KEY,
    DIGEST,
    "image/jpeg",
    "*",
    "SHA256",
    "ENABLED",
    "u",
    1,
    900,
    [1],
    [1, 2],
    {
      a: "b",
    },
  ),
  fc.string({ unit: "binary" }),
  fc.integer(),
  fc.double(),
  fc.array(fc.integer(), { maxLength: 3 }),
  fc.dictionary(fc.string(), fc.string()),
  fc.constant(null),
);
const fieldName = fc.constantFrom(
  ...new Set(Object.values(ACTIONS).flatMap(({ fields }) => Object.keys(fields))),
  "action",
  "acl",
  "__proto__",
  "constructor",
);

/** A fit value for each field, so that a body is often one step from fit. */
const FIT: Record<string, unknown> = {
  object_key: KEY,
  content_type: "image/jpeg",
  content_length: 7,
  checksum_sha256: DIGEST,
  checksum_algorithm: "SHA256",
  metadata: { a: "b" },
  if_none_match: "*",
  client_token: "6f1c2f6e-0a4b-4c1d-9e2f-0123456789ab",
  checksum_mode: "ENABLED",
  body: "Y2F0",
  version_id: "v",
  upload_id: "u",
  part_numbers: [1],
  part_number_marker: 1,
  expires_in: 900,
};
const nearlyFit = fc.constantFrom(...Object.entries(ACTIONS)).chain(([name, { fields }]) =>
  fc
    .record({
      kept: fc.subarray(Object.keys(fields)),
      required: fc.constant(Object.keys(fields).filter((field) => fields[field]?.required)),
      changed: fc.option(fc.tuple(fieldName, value), { freq: 1 }),
    })
    .map(({ kept, required, changed }) => {
      const request = [...kept, ...required].map((field) => [field, FIT[field]]);
      return [
        "/",
        JSON.stringify({ action: name, ...Object.fromEntries(changed ? [...request, changed] : request) }),
      ] as const;
    }),
);

const path = fc.constantFrom("/", ...Object.keys(ACTIONS).map((name) => `/${name}`));
const random = fc.oneof(
  fc.dictionary(fieldName, value, { maxKeys: 6 }).map((fields) => JSON.stringify(fields)),
  fc.json(),
  fc.string({ unit: "binary" }),
);
const request = fc.oneof(nearlyFit, fc.tuple(path, random));

/** Whether a body is fit for a path, by the table alone. */
function isFit(route: string, text: string): boolean {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return false;
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return false;
  const given = Object.entries(parsed).filter(([name]) => name !== "action");
  const named = Object.hasOwn(parsed, "action") ? (parsed as { action: unknown }).action : undefined;
  const name = route === "/" ? named : route.slice(1);
  if (typeof name !== "string" || !Object.hasOwn(ACTIONS, name) || (named !== undefined && named !== name))
    return false;
  const action = ACTIONS[name] as (typeof ACTIONS)[string];
  if (!hasUrl(action)) return false;
  const fields = fieldsOf(action);
  const values = Object.fromEntries(given);
  const parts = values["part_numbers"];
  return (
    given.every(([field, item]) => Object.hasOwn(fields, field) && fields[field]?.accepts(item)) &&
    Object.entries(fields).every(([field, { required }]) => !required || Object.hasOwn(values, field)) &&
    !("if_none_match" in fields && "client_token" in values && !("if_none_match" in values)) &&
    !(Array.isArray(parts) && parts.length > 1 && "checksum_sha256" in values)
  );
}

test("10,000 random bodies: no throw, no 5xx, a URL for those that are fit and for no other", async () => {
  let urls = 0;
  await fc.assert(
    fc.asyncProperty(request, async ([route, text]) => {
      const answer = await ask(route, text);
      expect(answer.statusCode === 200).toBe(isFit(route, text));
      expect([200, 400, 403, 413]).toContain(answer.statusCode);
      urls += answer.statusCode === 200 ? 1 : 0;
      expect(typeof parse(answer).error?.code).toBe(answer.statusCode === 200 ? "undefined" : "string");
      expect(answer.body.includes("X-Amz-Signature")).toBe(answer.statusCode === 200);
    }),
    { numRuns: 10_000 },
  );
  // Otherwise this says nothing of those that are fit.
  expect(urls).toBeGreaterThan(1000);
});

test("every name that is taken makes a key that is taken back, and that a notification's reader decodes", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", minLength: 1, maxLength: 60 }), (name) => {
      fc.pre(isName(name));
      const key = newKey(name);
      expect(isKey(key)).toBe(true);
      expect(decodeURIComponent(encodeKey(key).replaceAll("+", " "))).toBe(key);
    }),
  );
});

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html, and so is
// https://www.w3.org/TR/xml/#charsets
const OF_SQS_AND_XML = /^[\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]*$/u;

test("every name that is taken is text to SQS and XML, and is itself once it was bytes, alone and in a listing", () => {
  const edge = fc.constantFrom(
    "\ufeff",
    "\ufffe",
    "\uffff",
    "\ufdd0",
    "\u{10ffff}",
    "\u200b",
    " ",
    "\u00a0",
    "a",
    "/",
  );
  const name = fc.string({ unit: fc.oneof(edge, fc.string({ unit: "binary", minLength: 1, maxLength: 1 })) });
  let taken = 0;
  fc.assert(
    fc.property(name, (object_key) => {
      fc.pre(isName(object_key));
      taken += 1;
      expect(object_key).toMatch(OF_SQS_AND_XML);
      expect(new TextDecoder().decode(Buffer.from(object_key))).toBe(object_key);
      // S3 encodes the keys of a listing where it is asked to, since XML has no way to write some of them.
      const listing = `<Key>${encodeURIComponent(newKey(object_key))}</Key>`;
      const { Key } = parseXml(listing);
      expect(nameOf(decodeURIComponent(String(Key)))).toBe(object_key);
    }),
    { numRuns: 2000 },
  );
  expect(taken).toBeGreaterThan(100);
});

test("any event at all is answered, with 4xx or 5xx, and logged in one line", async () => {
  const lines: string[] = [];
  const handler = createHandler(ENVIRONMENT, { openApi: () => "{}", log: (line) => lines.push(line) });
  await fc.assert(
    fc.asyncProperty(fc.anything(), async (event) => {
      const { statusCode } = await handler(event as never);
      expect(statusCode).toBeGreaterThanOrEqual(400);
      expect(lines.splice(0)).toEqual([expect.stringMatching(/^\{.*\}\n$/)]);
    }),
    { numRuns: 1000 },
  );
});
