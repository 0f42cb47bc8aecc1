import { nearest } from "../../common/nearest";

const KNOWN = ["stage", "region", "forceDestroy", "maxObjectBytes", "eu-central-1", "us-east-1"];

test.each([
  ["a letter too few", "forceDestoy", "forceDestroy"],
  ["a letter too many", "stagge", "stage"],
  ["another letter", "rexion", "region"],
  ["two letters swapped", "forceDestory", "forceDestroy"],
  ["another case", "ForceDestroy", "forceDestroy"],
  ["another last word", "maxObjectSize", "maxObjectBytes"],
  ["a zone in place of a region", "us-east-1a", "us-east-1"],
])("a word with %s is near to the one that was meant", (_, word, meant) => {
  expect(nearest(word, KNOWN)).toBe(meant);
});

test.each(["", "tags", "Frankfurt", "x".repeat(1_000_000)])("nothing is near to %.20s", (word) => {
  expect(nearest(word, KNOWN)).toBeUndefined();
});

test("of words that are equally near, the first is meant", () => {
  expect(nearest("eu-central-9", ["eu-central-1", "eu-central-2"])).toBe("eu-central-1");
});
