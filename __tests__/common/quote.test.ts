import { excerpt, quote } from "../../common/quote";

const cyclic: unknown[] = [];
cyclic.push(cyclic);

test.each([
  ["a text", 'a "b"', '"a \\"b\\""'],
  ["an empty text", "", '""'],
  ["a text with controls", "\u001b[2J\n\u009b\u202e\u2028ü😀", '"\\u001b[2J\\n\\u009b\\u202e\\u2028ü😀"'],
  ["a text with noncharacters", "\ufffe\ufdd0\u{1fffe}", '"\\ufffe\\ufdd0\\ud83f\\udffe"'],
  ["a text with what is not seen", "\ufeffa\u200b\u2060", '"\\ufeffa\\u200b\\u2060"'],
  ["a family, which zero-width joiners make one", "👨‍👩‍👧❤️", '"👨‍👩‍👧❤️"'],
  ["a long text", "x".repeat(200_000), `"${"x".repeat(100)}…" (200000 characters)`],
  ["a pair at the cut", `${"x".repeat(99)}😀😀`, `"${"x".repeat(99)}…" (103 characters)`],
  ["half a pair", "\ud800", '"\\ud800"'],
  ["a number", 1.5, "1.5"],
  ["a number without JSON", NaN, "NaN"],
  ["null", null, "null"],
  ["nothing", undefined, "undefined"],
  ["a list with controls", ["\u202e"], '["\\u202e"]'],
  ["an object that has no text", { toString: 1 }, '{"toString":1}'],
  ["a long object", { a: "x".repeat(200) }, `{"a":"${"x".repeat(94)}…`],
  ["a cycle", cyclic, "object"],
  ["what is nested too deep", JSON.parse("[".repeat(50_000) + "]".repeat(50_000)), "object"],
  ["a bigint", 1n, "bigint"],
])("%s is quoted on one line, escaped and cut", (_, value, quoted) => {
  expect(quote(value)).toBe(quoted);
});

test("another program's sentence keeps its words, and is escaped and cut", () => {
  expect(excerpt("No such key: \u001b[31m\n")).toBe("No such key: \\u001b[31m\\u000a");
  expect(excerpt("y".repeat(1000))).toBe(`${"y".repeat(500)}…`);
});
