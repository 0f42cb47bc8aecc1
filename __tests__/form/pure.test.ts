import * as fc from "fast-check";
import { lookup } from "mime-types";
import { isName } from "../../functions/sign-url/keys";
import {
  Failure,
  NoAnswer,
  Refusal,
  failureOf,
  outcomeUnknown,
} from "../../functions/upload-form/page/errors";
import { MEDIA_TYPES, mediaTypeOf } from "../../functions/upload-form/page/media-types";
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

describe("An error", () => {
  /** An error response: s3 503 SlowDown, and the API's own sentence after that. */
  function refusal(response: string): Refusal {
    const [service = "", status = "", code = "", ...sentence] = response.split(" ");
    return new Refusal(service as "s3" | "api", Number(status), code, sentence.join(" "));
  }

  test.each([
    // Signed again until that has not helped.
    ["s3 400 ExpiredToken", "sign again", "The storage service rejected the upload (400 ExpiredToken)."],
    ["s3 403 AccessDenied", "sign again", "The storage service rejected the upload (403 AccessDenied)."],
    ["s3 403", "sign again", "The storage service rejected the upload (403)."],
    ["s3 400 RequestTimeout", "retry", "Upload failed after several attempts (400 RequestTimeout)."],
    ["s3 400 BadDigest", "retry", "Upload failed after several attempts (400 BadDigest)."],
    ["s3 409 OperationAborted", "retry", "Upload failed after several attempts (409 OperationAborted)."],
    ["s3 503 SlowDown", "retry", "Upload failed after several attempts (503 SlowDown)."],
    // S3 may say 200 before it knows better.
    ["s3 200 InternalError", "retry", "Upload failed after several attempts (200 InternalError)."],
    ["s3 502", "retry", "Upload failed after several attempts (502)."],
    ["s3 400 InvalidRequest", "final", "The storage service rejected the upload (400 InvalidRequest)."],
    ["s3 404 NoSuchUpload", "final", "The storage service rejected the upload (404 NoSuchUpload)."],
    [
      "api 429 TooManyRequests Wait.",
      "retry",
      "Upload failed after several attempts (429 TooManyRequests). Wait.",
    ],
    ["api 500 InternalError", "retry", "Upload failed after several attempts (500 InternalError)."],
    ["api 400 InvalidObjectKey Another name.", "final", "Rejected: Another name."],
    // Of a proxy, which has no words of the API's.
    ["api 403", "final", "Rejected: 403."],
  ])("response %s: its remedy is %s, and then: %s", (response, remedy, sentence) => {
    const error = refusal(response);
    expect(error.remedy).toBe(remedy);
    // Whatever it is, the upload is kept: another try may go on with it.
    expect(failureOf(error)).toMatchObject({ message: sentence, mayRetry: true });
  });

  test.each([
    [
      "no response of S3",
      new NoAnswer("s3"),
      /several attempts: the storage service does not respond\./,
      true,
    ],
    ["no response of the API", new NoAnswer("api"), /several attempts: this site does not respond\.$/, true],
    ["a bug of the page", new TypeError("no"), /^Something went wrong on this page: TypeError: no$/, true],
    ["a file that is too large", new Failure("Too large.", false), /^Too large\.$/, false],
  ])("that is %s says so", (_, error, sentence, mayRetry) => {
    const failure = failureOf(error);
    expect([failure.message, failure.mayRetry]).toEqual([expect.stringMatching(sentence), mayRetry]);
  });

  test.each([
    ["s3 503 SlowDown", true],
    ["s3 200 InternalError", true],
    ["s3 403 AccessDenied", false],
    ["s3 412 PreconditionFailed", false],
  ])("response %s: the request may have been carried out: %s", (response, unknown) => {
    expect(outcomeUnknown(refusal(response))).toBe(unknown);
  });

  test("that is no response leaves open whether the request was carried out, and a bug does not", () => {
    expect([outcomeUnknown(new NoAnswer("s3")), outcomeUnknown(new TypeError("no"))]).toEqual([true, false]);
  });
});

describe("A media type", () => {
  test.each(Object.entries(MEDIA_TYPES))("of .%s is %s, as the command has it", (ending, type) => {
    expect(lookup(`file.${ending}`)).toBe(type);
    expect(mediaTypeOf({ name: `A FILE.${ending.toUpperCase()}`, type: "" })).toBe(type);
  });

  test.each([
    ["report.csv", "application/vnd.ms-excel", "text/csv"],
    ["report.xls", "application/vnd.ms-excel", "application/vnd.ms-excel"],
    ["photos.zip", "application/x-zip-compressed", "application/zip"],
    ["photos.cbz", "application/x-zip-compressed", "application/x-zip-compressed"],
    ["notes.md", "text/x-markdown", "text/markdown"],
    ["letter.rtf", "application/msword", "application/rtf"],
    ["letter.doc", "application/msword", "application/msword"],
    ["photo.jpg", "image/pjpeg", "image/jpeg"],
    ["song.mp3", "audio/x-mp3", "audio/mpeg"],
    ["voice.wav", "audio/vnd.wave", "audio/wav"],
    ["cat.jpg", "image/jpeg", "image/jpeg"],
    // The browser's own, where it is a registered one.
    ["cat.jpg", "image/png", "image/png"],
    ["feed.xml", "text/xml", "text/xml"],
    ["photo.heic", "application/octet-stream", "image/heic"],
    ["backup.tar.gz", "", "application/gzip"],
    [".csv", "", "text/csv"],
    ["csv", "", "application/octet-stream"],
    ["cat.constructor", "", "application/octet-stream"],
    ["cat.", "", "application/octet-stream"],
  ])("of %s that a browser calls %j is %s", (name, type, expected) => {
    expect(mediaTypeOf({ name, type })).toBe(expected);
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
  expect(more(9000, 1, 0)).toBe("9,000 more files waiting · 1 more file uploaded");
});
