import { randomBytes } from "node:crypto";
import { getMaxListeners } from "node:events";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import * as fc from "fast-check";
import { Layout } from "../../client/produce/layout";
import { Pieces, nextPart, partsOf } from "../../client/produce/parts";
import { withWorkers } from "../../client/produce/pool";
import { chunkSource } from "../../client/produce/source";
import { LIMITS } from "../../functions/sign-url/limits";
import { MIB, spooledParts } from "./tools";

const TB = 1000 ** 4;

describe("a layout", () => {
  test("of 50 TB has 10,000 parts at most, and S3 takes each of them", () => {
    for (const size of [1, 5 * MIB, 320_000 * MIB, TB, 50 * TB, LIMITS.objectBytes]) {
      const layout = Layout.ofSize(size, 32 * MIB);
      expect(layout.count(size)).toBeLessThanOrEqual(10_000);
      expect(layout.sizeOf(1)).toBeLessThanOrEqual(LIMITS.putBytes);
    }
    expect(Layout.ofSize(TB / 10, 32 * MIB).sizeOf(1)).toBe(32 * MIB);
  });

  test("of a size that nobody knows reaches over 8 TB, and begins small", () => {
    const layout = Layout.growing(8 * MIB);
    let size = 0;
    for (let number = 1; number <= 10_000; number += 1) size += layout.sizeOf(number);
    expect(size).toBeGreaterThan(8 * TB);
    expect([1, 1000, 1001, 9001].map((number) => layout.sizeOf(number) / MIB)).toEqual([8, 8, 16, 4096]);
  });

  test("is what its text says", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: LIMITS.putBytes }), fc.boolean(), (bytes, grows) => {
        const layout = grows ? Layout.growing(bytes) : Layout.ofSize(1, Math.max(bytes, MIB));
        expect(Layout.parse(layout.toString())).toEqual(layout);
      }),
    );
    for (const text of ["", "0", "-1", "1.5", "1e9", " 1", "1++", "99999999999999"])
      expect(Layout.parse(text)).toBeUndefined();
  });

  test("cuts what is there into parts without a gap", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10_000 }), fc.integer({ min: 1, max: 3000 }), (size, part) => {
        const parts = [...partsOf(chunkSource([], size), Layout.parse(String(part)) as Layout)];
        expect(parts.map(({ number }) => number)).toEqual(parts.map((_, index) => index + 1));
        expect(parts.map(({ start }) => start)).toEqual(
          [0, ...parts.map(({ end }) => end)].slice(0, parts.length),
        );
        expect(parts.at(-1)?.end ?? 0).toBe(size);
      }),
    );
  });
});

async function* from(chunks: readonly (Uint8Array | string)[]): AsyncGenerator<Uint8Array | string> {
  yield* chunks;
}

describe("a stream in pieces", () => {
  test("is the same bytes, whatever chunks it comes in", async () => {
    const chunk = fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.string({ unit: "grapheme", maxLength: 5 }));
    await fc.assert(
      fc.asyncProperty(fc.array(chunk), fc.integer({ min: 1, max: 15 }), async (chunks, size) => {
        const pieces = new Pieces(from(chunks));
        const taken: Buffer[] = [];
        for (let last = size; last === size;) {
          const piece = await buffer(pieces.take(size));
          taken.push(piece);
          last = piece.length;
        }
        expect(taken.slice(0, -1).every(({ length }) => length === size)).toBe(true);
        expect(Buffer.concat(taken)).toEqual(Buffer.concat(chunks.map((one) => Buffer.from(one))));
      }),
    );
  });

  test("is read no further than it is asked for, and its writer is told when it is closed", async () => {
    let [given, ended] = [0, false];
    const endless = async function* () {
      try {
        for (;;) {
          given += 1;
          yield Buffer.alloc(10);
        }
      } finally {
        ended = true;
      }
    };
    const pieces = new Pieces(endless());
    await buffer(pieces.take(25));
    pieces.close();
    expect(given).toBe(3);
    await new Promise(setImmediate);
    expect(ended).toBe(true);
  });

  test("of something else than bytes or text is refused", async () => {
    const numbers = from([3 as unknown as string]);
    await expect(buffer(new Pieces(numbers).take(1))).rejects.toThrow("must give bytes or text, not number.");
  });

  test("that goes on and on is held nowhere", async () => {
    const seen: WeakRef<Buffer>[] = [];
    const many = async function* () {
      for (let index = 0; index < 2000; index += 1) {
        const chunk = Buffer.alloc(100_000);
        seen.push(new WeakRef(chunk));
        yield chunk;
      }
    };
    const pieces = new Pieces(many(), new AbortController().signal);
    for await (const _ of pieces.take(1e9)) if (seen.length % 100 === 0) await new Promise(setImmediate);
    // 200 MB have gone through; nobody collects what somebody holds.
    const held = seen.filter((chunk) => chunk.deref() !== undefined).length;
    expect(held).toBeLessThan(1500);
    pieces.close();
  });

  test("has large parts in a file that is gone when they are read", async () => {
    const bytes = randomBytes(20 * MIB);
    const layout = Layout.growing(9 * MIB);
    const pieces = new Pieces(Readable.from([bytes.subarray(0, 7), bytes.subarray(7)]));
    const sizes: number[] = [];
    const spooled: boolean[][] = [];
    const read: Buffer[] = [];
    for (let number = 1; ; number += 1) {
      const part = await nextPart(pieces, layout, number, {});
      if (!part) break;
      spooled.push(spooledParts().map((file) => file.endsWith(" (deleted)")));
      sizes.push(part.end / MIB);
      // As a retry does, more than once.
      for (const times of [1, 2]) if (times === 2) read.push(await buffer(part.source.read(0, part.end)));
      await part.source.close();
    }
    expect([sizes, Buffer.concat(read).equals(bytes)]).toEqual([[9, 9, 2], true]);
    expect([spooled, spooledParts()]).toEqual([[[true], [true], [true]], []]);
    await expect(nextPart(pieces, layout, 10_001, {})).rejects.toThrow("--expected-size");
  });
});

describe("workers", () => {
  const numbers = Array.from({ length: 20 }, (_, index) => index);

  test("work on every item once, so many at once", async () => {
    const [done, atOnce]: [number[], number[]] = [[], []];
    let busy = 0;
    await withWorkers(4, from(numbers as unknown as string[]), async (item) => {
      busy += 1;
      atOnce.push(busy);
      await new Promise(setImmediate);
      busy -= 1;
      done.push(Number(item));
    });
    expect([done.toSorted((a, b) => a - b), Math.max(...atOnce)]).toEqual([numbers, 4]);
  });

  test("begin nothing after a failure, end what is under way, and tell the first", async () => {
    const begun: number[] = [];
    const ended: unknown[] = [];
    const working = withWorkers(3, numbers, async (item, signal) => {
      begun.push(item);
      // Each of them listens to it, however many there are.
      expect(getMaxListeners(signal)).toBe(Infinity);
      if (item === 2) throw new Error("two");
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      ended.push(item);
      throw new Error("later");
    });
    await expect(working).rejects.toThrow("two");
    expect([begun, ended]).toEqual([
      [0, 1, 2],
      [0, 1],
    ]);
  });

  test("are interrupted between two items, too, and do not take that for the end", async () => {
    const controller = new AbortController();
    const working = withWorkers(
      1,
      numbers,
      async (item) => {
        if (item === 3) controller.abort();
        await Promise.resolve();
      },
      controller.signal,
    );
    await expect(working).rejects.toMatchObject({ code: "Interrupted" });
  });
});
