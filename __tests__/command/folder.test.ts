import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { Readable } from "node:stream";
import { Folder } from "../../client/cli/folder";
import type { Payload } from "../../client/consume/payload";
import { temporaryFolder } from "../local/tools";
import { filesIn } from "./tools";

const UUID = "0b9c1d3e-5b0c-4a1f-8a53-1c9b2e6f7a10";
const folder = temporaryFolder();
let next = 0;
const newFolder = () => join(folder, `out-${(next += 1)}`);

/** What of a payload a folder asks for. */
const payload = (name: string, text: string, version = text): Payload => {
  const key = `input/${UUID}/${name}`;
  const body = Readable.from([Buffer.from(text)]);
  return {
    id: `${key}@${version}`,
    key,
    name,
    size: text.length,
    contentType: undefined,
    metadata: {},
    receiveCount: 1,
    messageId: "",
    verifiedBy: "SHA-256",
    body,
    signal: new AbortController().signal,
  };
};
const read = (path: string) => readFileSync(path, "utf8");
const noLinks = (code: string) => () =>
  Promise.reject(Object.assign(new Error(`${code}: no links here`), { code }));

test("payloads of one key that come at once are a file each, and none takes another's place", async () => {
  for (let round = 0; round < 20; round += 1) {
    const opened = await Folder.open(newFolder());
    const texts = ["1", "2", "3", "4"];
    const paths = await Promise.all(texts.map((text) => opened.save(payload("race.txt", text))));
    expect(paths.map(read)).toEqual(texts);
    expect(new Set(paths.map((path) => basename(path)))).toContain("race.txt");
  }
});

test("one that comes again is the same file, under whichever name it has", async () => {
  const out = newFolder();
  const opened = await Folder.open(out);
  const save = (text: string, version?: string) => opened.save(payload("a.txt", text, version));
  const [one, two] = [await save("one"), await save("two")];
  // An id that stands for two payloads is another's mistake, and no reason to lose one of them.
  const three = await save("three", "two");
  expect([await save("one"), await save("two"), await save("three", "two")]).toEqual([one, two, three]);
  expect([one, two, three].map(read)).toEqual(["one", "two", "three"]);
  await opened.close();
  expect(filesIn(out)).toHaveLength(3);
});

test("a name that leads nowhere is taken", async () => {
  const out = newFolder();
  const opened = await Folder.open(out);
  mkdirSync(join(out, UUID));
  symlinkSync(join(out, "nowhere"), join(out, UUID, "a.txt"));
  expect(read(await opened.save(payload("a.txt", "x")))).toBe("x");
});

test.each(["EPERM", "ENOTSUP", "EXDEV"])(
  "a file system that says %s to links has files, too",
  async (code) => {
    const out = newFolder();
    const opened = await Folder.open(out, noLinks(code));
    const paths: string[] = [];
    for (const text of ["one", "two", "one"]) paths.push(await opened.save(payload("a.txt", text)));
    expect(paths.map(read)).toEqual(["one", "two", "one"]);
    await opened.close();
    expect(filesIn(out)).toHaveLength(2);
  },
);

test("what else hinders a link is told, and leaves nothing behind", async () => {
  const out = newFolder();
  const opened = await Folder.open(out, noLinks("EIO"));
  await expect(opened.save(payload("a.txt", "x"))).rejects.toMatchObject({ code: "EIO" });
  expect(filesIn(out)).toEqual([]);
});

test("of a name with hundreds of segments the last ones are one file, which no other name has", async () => {
  const out = newFolder();
  const opened = await Folder.open(out);
  const deep = (...last: string[]) => [...Array.from({ length: 15 }, () => "a"), ...last].join("/");
  const names = [
    deep("b.txt"),
    deep("b", "c.txt"),
    deep("b~c.txt"),
    deep("b~c", "d.txt"),
    deep("b", "c~d.txt"),
    deep(...Array.from({ length: 460 }, () => "z")),
  ];
  const paths: string[] = [];
  for (const name of names) paths.push(await opened.save(payload(name, name)));
  expect(paths.map(read)).toEqual(names);
  expect(new Set(paths).size).toBe(names.length);
  for (const path of paths) {
    const segments = relative(out, path).split("/");
    expect(segments.length).toBeLessThanOrEqual(17);
    for (const segment of segments) expect(Buffer.byteLength(segment)).toBeLessThanOrEqual(200);
  }
  expect(relative(out, paths[0] ?? "")).toBe(`${UUID}/${names[0]}`);
  expect(basename(paths[1] ?? "")).toMatch(/^b~c~[0-9a-f]{8}\.txt$/);
});
