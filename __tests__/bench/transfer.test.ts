import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildContenders, move, startChain } from "../../bench/transfer";
import { temporaryFolder } from "../local/tools";

const out = join(__dirname, "../../cdktf.out");
mkdirSync(out, { recursive: true });
// In the repository: the contenders find their packages from there.
const folder = mkdtempSync(join(out, "bench-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const temporary = temporaryFolder();

test("each contender of the bench receives what it has sent, and nothing is left for the next", async () => {
  buildContenders(folder);
  const files = ["a.bin", "b.bin"].map((name) => join(temporary, name));
  const contents = ["first", "second"];
  for (const [index, file] of files.entries()) writeFileSync(file, contents[index] ?? "");
  const { endpoints: chain, stop } = await startChain(join(temporary, "chain"));
  try {
    for (const contender of ["ours", "usual", "bare"]) {
      const received = join(temporary, contender);
      mkdirSync(received);
      const task = { contender, chain, files, folder: received } as const;
      const { keys, seconds } = move(folder, { ...task, direction: "produce", keys: [] });
      expect(keys).toHaveLength(2);
      expect(seconds).toBeGreaterThan(0);
      move(folder, { ...task, direction: "consume", keys });
      const bodies = readdirSync(received).map((name) => readFileSync(join(received, name), "utf8"));
      expect(bodies.toSorted()).toEqual(contents);
    }
  } finally {
    await stop();
  }
});
