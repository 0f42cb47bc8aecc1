import { createHash, randomBytes } from "node:crypto";
import * as fc from "fast-check";
import { type Expected, VerifiedBody, checkFor } from "../../client/consume/verify";
import { compositeChecksum } from "../../client/produce/upload";
import { Layout } from "../../client/produce/layout";
import { sha256 } from "./tools";

const BYTES = randomBytes(10_000);

/** Gives a body so many bytes at once. */
async function fill(body: VerifiedBody, bytes: Buffer, size: number): Promise<void> {
  for (let at = 0; at < bytes.length; at += size) await body.add(bytes.subarray(at, at + size));
  body.finish();
}

/** What comes through, and why it ended. */
async function through(bytes: Buffer, expected: Expected, chunk = 999) {
  // With no room, each chunk is read before the next.
  const body = new VerifiedBody(expected, checkFor(expected), undefined, { highWaterMark: 1 });
  const chunks: Buffer[] = [];
  let error: unknown;
  fill(body, bytes, chunk).catch((reason: Error) => body.destroy(reason));
  try {
    for await (const one of body) chunks.push(one as Buffer);
  } catch (reason) {
    error = reason;
  }
  return { bytes: Buffer.concat(chunks), error };
}

function composite(bytes: Buffer, layout: Layout): string {
  const digests: Buffer[] = [];
  for (let at = 0, number = 1; at < bytes.length; at += layout.sizeOf(number), number += 1) {
    digests.push(
      createHash("sha256")
        .update(bytes.subarray(at, at + layout.sizeOf(number)))
        .digest(),
    );
  }
  return compositeChecksum(digests);
}

const layoutOf = (text: string) => Layout.parse(text) as Layout;

const size = BYTES.length;
const md5 = createHash("md5").update(BYTES).digest("hex");
const EXPECTATIONS: readonly (readonly [string, string, Expected])[] = [
  ["a SHA-256 of the whole", "SHA-256", { size, checksum: sha256(BYTES), md5: "not asked" }],
  ["one of parts", "SHA-256", { size, checksum: composite(BYTES, layoutOf("3000")), layout: "3000" }],
  [
    "one of parts that end evenly",
    "SHA-256",
    { size, checksum: composite(BYTES, layoutOf("2500")), layout: "2500" },
  ],
  ["one of parts that grow", "SHA-256", { size, checksum: composite(BYTES, layoutOf("3+")), layout: "3+" }],
  ["an MD5", "MD5", { size, md5 }],
  ["an MD5 where nobody knows the parts", "MD5", { size, md5, checksum: "parts-3" }],
];

test.each(EXPECTATIONS)("%s is checked, and the last chunk held back until then", async (_, by, expected) => {
  expect(checkFor(expected).by).toBe(by);
  for (const chunk of [1, 999, 2500, 100_000]) {
    const { bytes, error } = await through(BYTES, expected, chunk);
    expect([bytes.equals(BYTES), error]).toEqual([true, undefined]);
  }
  const wrong = Buffer.from(BYTES);
  wrong[0] = (wrong[0] ?? 0) ^ 1;
  const { bytes, error } = await through(wrong, expected);
  expect([bytes.length, error]).toEqual([999 * 10, expect.objectContaining({ code: "Corrupt" })]);
});

test.each([
  ["shorter", BYTES.subarray(1), 999 * 10],
  ["longer", Buffer.concat([BYTES, BYTES]), 999 * 9],
  ["nothing", Buffer.alloc(0), 0],
])("what is %s than announced never comes whole", async (_, bytes, most) => {
  for (const expected of [{ size }, ...EXPECTATIONS.map(([, , one]) => one)]) {
    const got = await through(bytes, expected);
    expect([got.bytes.length <= most, got.error]).toEqual([
      true,
      expect.objectContaining({ code: "Corrupt" }),
    ]);
  }
});

test("who ends it when told of progress is waited for no longer", async () => {
  const expected = { size };
  const body: VerifiedBody = new VerifiedBody(expected, checkFor(expected), () => body.destroy(), {
    highWaterMark: 1,
  });
  await body.add(BYTES.subarray(0, 10));
  expect(() => body.add(BYTES)).toThrow(expect.objectContaining({ code: "Interrupted" }));
  const late: VerifiedBody = new VerifiedBody(
    expected,
    checkFor(expected),
    ({ bytes }) => bytes > 10 && late.destroy(),
    { highWaterMark: 1 },
  );
  await late.add(BYTES.subarray(0, 10));
  await late.add(BYTES.subarray(0, 10));
});

test("nothing at all is right where nothing is expected", async () => {
  const expected = { size: 0, checksum: sha256(Buffer.alloc(0)) };
  expect(await through(Buffer.alloc(0), expected)).toEqual({ bytes: Buffer.alloc(0), error: undefined });
  expect(checkFor({ size: 0 }).by).toBe("length");
});

test("chunks may end anywhere", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 300 }),
      fc.integer({ min: 1, max: 400 }),
      async (part, chunk) => {
        const bytes = BYTES.subarray(0, 1000);
        const layout = layoutOf(String(part));
        const expected = { size: 1000, checksum: composite(bytes, layout), layout: layout.toString() };
        expect((await through(bytes, expected, chunk)).error).toBeUndefined();
      },
    ),
    { numRuns: 50 },
  );
});

test("a layout that S3's number of parts does not bear out is not followed: it would cost, and check nothing", () => {
  const checksum = composite(BYTES, layoutOf("3000"));
  for (const layout of ["1", "2", "1+", "abc", "", "-1", "99999999999999"]) {
    expect([layout, checkFor({ size, checksum, layout }).by]).toEqual([layout, "length"]);
  }
  // One part is one digest, whoever said nothing of it.
  const one = composite(BYTES, layoutOf("999999"));
  expect(checkFor({ size, checksum: one, layout: "1" }).by).toBe("SHA-256");
});
