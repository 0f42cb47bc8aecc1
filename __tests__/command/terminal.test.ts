import { sentenceOf } from "../../client/cli/exit";
import { formatSeconds, printable, printableLines, progressText, table } from "../../client/cli/terminal";
import { main, tweedle } from "../../client/cli/tweedle";
import { HttpError } from "../../client/errors";

test("progress says how much, how fast, how long, and which part, on one line of 80 columns", () => {
  const report = { bytes: 882e6, totalBytes: 2.1e9, parts: { done: 27, total: 64 } };
  const text = progressText("cat.mp4", report, 2.14);
  expect(text).toBe("cat.mp4  ████░░░░░░  42 %  882 MB of 2.1 GB  412 MB/s  3 s left  part 27 of 64");
  expect(text.length).toBeLessThan(80);
});

test("progress of what nobody knows the size of has no bar; a long name keeps its end", () => {
  const text = progressText(`${"x".repeat(100)}.mp4`, { bytes: 1000, totalBytes: undefined }, 1);
  expect(text).toBe(`…${"x".repeat(27)}.mp4  1.0 KB  1.0 KB/s`);
  expect(progressText("empty", { bytes: 0, totalBytes: 0 }, 0)).toBe("empty  0 B of 0 B  0 B/s");
});

test.each([
  [0.4, "0 s"],
  [59.6, "1 min 00 s"],
  [3725, "1 h 02 min"],
  [93_600, "1 d 2 h"],
])("%d s are %s", (seconds, text) => {
  expect(formatSeconds(seconds)).toBe(text);
});

test("a table's columns are as wide as what is in them", () => {
  expect(table(["a", "count"], [["long", "1"]], [1])).toBe("a     count\nlong      1");
});

test("what moves the cursor or turns text round is shown as what it is", () => {
  expect(printable("a\u001b[2J\u009b\u202e\u2028ü😀")).toBe("a\\u001b[2J\\u009b\\u202e\\u2028ü😀");
});

test("of several lines the ends stay, and nothing else that moves the cursor", () => {
  expect(printableLines("a\u001b[2J\n  b\r\u2028c")).toBe("a\\u001b[2J\n  b\\u000d\\u2028c");
});

test.each([
  [new HttpError(403, "AccessDenied", "No way"), "The server refused it with 403 AccessDenied: No way"],
  [new HttpError(418, "", "HTTP 418"), "The server refused it with 418: HTTP 418"],
])("what a server refuses is a sentence, and no mistake of ours", (error, sentence) => {
  expect(sentenceOf(error)).toBe(sentence);
});

test("a mistake of ours is a stack, of which nothing reaches the terminal raw", async () => {
  const said = jest.spyOn(console, "error").mockImplementation(() => undefined);
  jest.spyOn(tweedle, "parseAsync").mockRejectedValue(new TypeError("a\u001b[2J\u202eb"));
  const { exitCode } = process;
  try {
    await main([]);
    const [text] = said.mock.calls[0] as [string];
    expect([process.exitCode, text]).toEqual([
      1,
      expect.stringMatching(/^TypeError: a\\u001b\[2J\\u202eb\n +at /),
    ]);
  } finally {
    process.exitCode = exitCode;
    jest.restoreAllMocks();
  }
});
