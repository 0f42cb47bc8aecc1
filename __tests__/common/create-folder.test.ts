import { mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createFolder, createFolderSync } from "../../common/create-folder";
import { temporaryFolder } from "../local/tools";

const folder = temporaryFolder();
const path = (...names: readonly string[]) => join(folder, ...names);
writeFileSync(path("file"), "");
symlinkSync(path("nothing"), path("dangling"));
mkdirSync(path("real"));
symlinkSync(path("real"), path("link"));

test.each([
  ["a folder that is there", path("real"), undefined],
  ["a link to a folder", path("link"), undefined],
  ["the root", "/", undefined],
  ["a folder in a folder", path("one"), path("one")],
  ["folders in folders", path("two", "three", "four"), path("two")],
  ["some that are there already", path("two", "three", "five"), path("two", "three", "five")],
  ["some behind a link", path("link", "six", "seven"), path("link", "six")],
])(
  "%s is created where it is missing, and the uppermost new folder is returned",
  async (_, wanted, first) => {
    expect(await createFolder(wanted)).toBe(first);
    expect(statSync(wanted).isDirectory()).toBe(true);
    createFolderSync(wanted);
  },
);

test.each([
  ["a file system without room for new names", "/proc/none", "ENOENT"],
  ["a folder in such a one", "/proc/none/one/two", "ENOENT"],
  ["a file", path("file"), "EEXIST"],
  ["a folder in a file", path("file", "one"), "ENOTDIR"],
  ["a link that leads nowhere", path("dangling"), "EEXIST"],
  ["a folder in such a link", path("dangling", "one"), "EEXIST"],
  ["a name that is too long", path("x".repeat(300)), "ENAMETOOLONG"],
])("%s is an error at once", async (_, wanted, code) => {
  await expect(createFolder(wanted)).rejects.toMatchObject({ code });
  expect(() => createFolderSync(wanted)).toThrow(expect.objectContaining({ code }));
});

test("folders are created by several at once", async () => {
  const all = ["a/b/c", "a/b/d", "a/e/f", "a/b/c"].map((name) => path(name));
  await Promise.all(all.map((wanted) => createFolder(wanted)));
  for (const wanted of all) expect(statSync(wanted).isDirectory()).toBe(true);
});

test("all folders that are created have the permissions that are asked for", async () => {
  await createFolder(path("private", "inner"), 0o700);
  for (const name of ["private", "private/inner"]) expect(statSync(path(name)).mode & 0o777).toBe(0o700);
});

test("no program of ours uses Node's own recursive mkdir", () => {
  const root = join(__dirname, "../..");
  const sources = ["bench", "client", "deployment", "functions", "limits", "local", "plan", "stacks"].flatMap(
    (name) =>
      readdirSync(join(root, name), { recursive: true, encoding: "utf8" }).map((file) => join(name, file)),
  );
  const using = sources.filter(
    (file) =>
      file.endsWith(".ts") && /mkdir(Sync)?\([^;]*recursive/.test(readFileSync(join(root, file), "utf8")),
  );
  expect(using).toEqual([]);
});
