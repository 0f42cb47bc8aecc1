import { once } from "node:events";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { type FindOptions, findFiles } from "../../client/cli/find-files";
import { temporaryFolder } from "../local/tools";
import { run } from "./tools";

const folder = temporaryFolder();

/** A new folder with files, which hold their own names. A name is in Latin-1, so that it may be no UTF-8. */
function tree(name: string, files: readonly string[]): string {
  const path = join(folder, name);
  mkdirSync(path);
  for (const file of files) {
    const parts = file.split("/").map((part) => Buffer.from(part, "latin1"));
    const all = parts.map((_, index) =>
      Buffer.concat(parts.slice(0, index + 1).flatMap((part) => [Buffer.from("/"), part])),
    );
    const paths = all.map((within) => Buffer.concat([Buffer.from(path), within]));
    for (const parent of paths.slice(0, -1)) mkdirSync(parent, { recursive: true });
    writeFileSync(paths.at(-1) ?? "", file, "latin1");
  }
  return path;
}

/** Lists the entries at a path, by their paths in the folder: name and size, or the reason why it is skipped. */
async function found(
  path: string,
  options: FindOptions = { recursive: true },
): Promise<Record<string, unknown>> {
  const entries: [string, unknown][] = [];
  for await (const each of findFiles(path, options)) {
    const value = "reason" in each ? each.reason : [each.name, each.size];
    entries.push([each.path.replace(`${folder}/`, ""), value]);
  }
  expect(new Set(entries.map(([name]) => name)).size).toBe(entries.length);
  return Object.fromEntries(entries);
}

const NOT_UTF8 = "its name is not UTF-8, as a payload's has to be: send it by produce - --name NAME < FILE";

test("names that are not UTF-8 are skipped, and no other file takes their place", async () => {
  // é in Latin-1; and the same with U+FFFD, which is what it is decoded to, in UTF-8.
  const path = tree("names", [
    "caf\xe9",
    "caf\xef\xbf\xbd",
    "\xe9/inner",
    "gr\xc3\xbcn",
    "\xef\xbb\xbfbom",
    "plain",
  ]);
  expect(await found(path)).toEqual({
    "names/caf\\xe9": NOT_UTF8,
    "names/\\xe9": NOT_UTF8,
    "names/caf\uFFFD": ["names/caf\uFFFD", 6],
    "names/grün": ["names/grün", 5],
    "names/\uFEFFbom": ["names/\uFEFFbom", 6],
    "names/plain": ["names/plain", 5],
  });
});

test("an argument that is not UTF-8 is not taken for another file", async () => {
  const path = tree("arguments", ["caf\xe9", "caf\xef\xbf\xbd"]);
  // Node's reading of an argument "…/caf\xe9".
  const decoded = join(path, "caf\uFFFD");
  expect(await found(decoded)).toEqual({
    "arguments/caf\uFFFD":
      "its name is not UTF-8, or holds U+FFFD, which stands for that: send it by produce - --name NAME < FILE",
  });
});

test("folders are looked through in the order of their names' bytes", async () => {
  const path = tree("order", ["b", "a/z", "a/b/c", "A", "a.txt"]);
  expect(Object.keys(await found(path))).toEqual([
    "order/A",
    "order/a/b/c",
    "order/a/z",
    "order/a.txt",
    "order/b",
  ]);
});

test.each([
  ["", "named"],
  ["/", "named"],
  ["/.", ""],
  ["/sub/..", ""],
  ["/sub", "sub"],
])("a folder's path with %p at its end gives names that begin with %p", async (end, name) => {
  const path = join(folder, "named");
  mkdirSync(join(path, "sub"), { recursive: true });
  writeFileSync(join(path, "sub", "x"), "x");
  const [file] = Object.values(await found(`${path}${end}`)) as [string, number][];
  const within = end === "/sub" ? "x" : "sub/x";
  expect(file).toEqual([name === "" ? within : `${name}/${within}`, 1]);
});

describe("a folder with links, pipes and sockets", () => {
  const path = tree("special", ["file", "sub/inner"]);
  const server = createServer();

  beforeAll(async () => {
    for (const [to, name] of [
      ["file", "to-file"],
      ["sub", "to-folder"],
      [".", "sub/back"],
      ["../../special", "sub/out-and-back"],
      ["nowhere", "dangling"],
      ["itself", "itself"],
    ] as const)
      symlinkSync(to, join(path, name));
    await run("mkfifo", [join(path, "pipe")]).ended;
    await once(server.listen(join(path, "socket")), "listening");
  });
  afterAll(() => void server.close());

  const LINK = "it is a symbolic link: --follow-links sends what it leads to";
  const BACK = "it leads back to a folder that it is in";
  const others = {
    "special/file": ["special/file", 4],
    "special/sub/inner": ["special/sub/inner", 9],
    "special/pipe": "it is a pipe, which is sent only where it is named itself",
    "special/socket": "it is a socket",
  };

  test("has its files found, and all else skipped", async () => {
    expect(await found(path)).toEqual({
      ...others,
      "special/to-file": LINK,
      "special/to-folder": LINK,
      "special/sub/back": LINK,
      "special/sub/out-and-back": LINK,
      "special/dangling": LINK,
      "special/itself": LINK,
    });
  });

  test("has its links followed, but for those that lead back or nowhere", async () => {
    expect(await found(path, { recursive: true, followLinks: true })).toEqual({
      ...others,
      "special/to-file": ["special/to-file", 4],
      "special/to-folder/inner": ["special/to-folder/inner", 9],
      "special/sub/back": BACK,
      "special/to-folder/back": BACK,
      "special/sub/out-and-back": BACK,
      "special/to-folder/out-and-back": BACK,
      "special/dangling": "it is a symbolic link that leads nowhere",
      "special/itself": "its symbolic links lead in a circle",
    });
  });

  test("is followed into where the link is named itself, as are files, pipes and sockets", async () => {
    expect(await found(join(path, "to-folder"))).toEqual({
      "special/to-folder/inner": ["to-folder/inner", 9],
      "special/to-folder/back": LINK,
      "special/to-folder/out-and-back": LINK,
    });
    expect(await found(join(path, "to-file"), {})).toEqual({ "special/to-file": ["to-file", 4] });
    expect(await found(join(path, "pipe"), {})).toEqual({ "special/pipe": ["pipe", NaN] });
    expect(await found(join(path, "socket"), {})).toEqual({ "special/socket": ["socket", NaN] });
    expect(await found(path, {})).toEqual({ special: "it is a folder: -r sends the files in it" });
    expect(await found(join(path, "dangling"), {})).toEqual({ "special/dangling": "there is no such file" });
    expect(await found(join(path, "file/x"), {})).toEqual({
      "special/file/x": "a part of its path is no folder",
    });
  });
});

test("a folder that may not be read is skipped, and no other", async () => {
  const path = tree("locked", ["a", "closed/b", "open/c"]);
  chmodSync(folder, 0o755);
  chmodSync(join(path, "closed"), 0);
  const isRoot = process.geteuid?.() === 0;
  // Root may read everything.
  if (isRoot) process.seteuid?.(65_534);
  try {
    expect(await found(path)).toEqual({
      "locked/a": ["locked/a", 1],
      "locked/closed": "it may not be read",
      "locked/open/c": ["locked/open/c", 6],
    });
  } finally {
    if (isRoot) process.seteuid?.(0);
    chmodSync(join(path, "closed"), 0o755);
  }
});
