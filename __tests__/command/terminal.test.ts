import { formatSeconds, printable, progressText, table } from "../../client/cli/terminal";

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
