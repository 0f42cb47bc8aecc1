import * as fc from "fast-check";
import { isName } from "../../functions/sign-url/keys";
import { Meter } from "../../functions/upload-form/page/meter";
import { cleanName } from "../../functions/upload-form/page/names";
import { limits, more, summary } from "../../functions/upload-form/page/texts";
import { elementsIn, escapeXml, textIn } from "../../functions/upload-form/page/xml";

describe("A file's name, as the page sends it,", () => {
  test("is one that the API takes, whatever the file is called", () => {
    const segment = fc.oneof(
      fc.string({ unit: "binary", maxLength: 40 }),
      fc.string({ unit: "grapheme", maxLength: 400 }),
      fc.constantFrom(
        ".",
        "..",
        "\ufeff",
        "\u200ba\u2060",
        "\\",
        "\u202e",
        "\ud800",
        "a".repeat(2000),
        "ü".repeat(600),
        "🐈".repeat(300),
      ),
    );
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1, maxLength: 6 }), (segments) => {
        expect(isName(cleanName(segments.join("/")))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    ["cat.jpg", "cat.jpg"],
    ["photos/2026/cat.jpg", "photos/2026/cat.jpg"],
    ["e\u0301.txt", "é.txt"],
    ["../../etc/passwd", "_/_/etc/passwd"],
    ["//a//b", "a/b"],
    ["a\u0000b\nc", "a_b_c"],
    ["\ufeffnotes/cat\u200b.jpg\u2060", "_notes/cat\u200b.jpg_"],
    ["\ufeff\u200b/a", "_/a"],
    ["", "_"],
  ])("%j is %j", (path, name) => {
    expect(cleanName(path)).toBe(name);
  });

  test("that is too long loses its middle, and keeps its ending", () => {
    const name = cleanName(`${"folder/".repeat(200)}${"x".repeat(60)}.tar.gz`);
    expect(name).toMatch(/^folder\/.*…x+\.tar\.gz$/);
    expect(Buffer.byteLength(name)).toBeLessThanOrEqual(981);
  });
});

describe("S3's XML", () => {
  test("is read for what is wanted, and for nothing else", () => {
    const xml =
      "<A><ETag>&quot;x&quot;</ETag><Part><N>1</N></Part><Part><N>2</N></Part><B>&amp;&lt;&unknown;</B></A>";
    expect([textIn(xml, "ETag"), textIn(xml, "B"), textIn(xml, "C")]).toEqual(['"x"', "&<&unknown;", ""]);
    expect(elementsIn(xml, "Part").map((part) => textIn(part, "N"))).toEqual(["1", "2"]);
    expect([elementsIn("", "Part"), textIn("<!doctype html><p>", "Part")]).toEqual([[], ""]);
    expect(escapeXml('<a>&"</a>')).toBe('&lt;a&gt;&amp;"&lt;/a&gt;');
  });
});

describe("The speed", () => {
  test("is that of the last seconds, and none where nobody knows", () => {
    const meter = new Meter();
    expect(meter.rate(0)).toBe(0);
    meter.add(0, 0);
    meter.add(100, 100);
    expect(meter.rate(100)).toBe(0);
    for (let second = 1; second <= 10; second += 1) meter.add(1000 * second, 1000 * second);
    expect(meter.rate(10_000)).toBeCloseTo(1000, -2);
    // What stands still gets slower.
    expect(meter.rate(20_000)).toBeLessThan(500);
    // What has to be sent once more was not fast.
    meter.add(0, 20_000);
    expect(meter.rate(20_000)).toBe(0);
  });
});

test("The page says what a stage takes, and how far all is, in plain English", () => {
  expect(limits(undefined, undefined)).toBe("Any type, any size.");
  expect(limits(100e9, ["image/*"])).toBe("Up to 100 GB each. Images only.");
  expect(limits(undefined, ["text/csv", "application/x-y", "video/*"])).toBe(
    "CSV, application/x-y and videos only.",
  );
  expect(summary(1, 2, 5e6, 10e6, 1e6)).toBe("1 of 2 files · 5.0 MB of 10.0 MB · 1.0 MB/s · 5 s left");
  expect(summary(0, 1, 0, 36e9, 1e6)).toBe("0 of 1 file · 0 B of 36.0 GB · 1.0 MB/s · 10 h 0 min left");
  expect(summary(2, 2, 10, 10, 0)).toBe("2 files, 10 B");
  expect(more(9000, 1, 0)).toBe("9,000 files more waiting · 1 file more arrived");
});
