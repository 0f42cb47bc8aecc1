import { readFileSync } from "node:fs";
import { PICTURE, drawPicture } from "../../plan/picture";

test("README's picture of a comment is what the comment looks like: node --import tsx plan/picture.ts draws it anew", () => {
  expect(drawPicture()).toBe(readFileSync(PICTURE, "utf8"));
});
