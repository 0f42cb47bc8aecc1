import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { type Chain, start } from "../../local/chain";
import { StartError } from "../../local/server";
import { s3Client, synthesize, temporaryFolder } from "./tools";

const stackOf = synthesize();
const folder = temporaryFolder();
const dataDirectory = join(folder, "objects");
let chain: Chain;
let s3: S3Client;
let bodies: string;

beforeAll(async () => {
  chain = await start({ stack: stackOf("dev"), dataDirectory });
  s3 = s3Client(chain);
  bodies = join(dataDirectory, chain.bucketName, "._S3rver_bodies");
});

afterAll(async () => {
  s3.destroy();
  await chain.stop();
});

const at = (Key: string) => ({ Bucket: chain.bucketName, Key });
const PART_BYTES = 5 * 1024 ** 2;
const [first, last] = [randomBytes(PART_BYTES), randomBytes(1000)];
const parts = [first, randomBytes(PART_BYTES), last];
const whole = Buffer.concat(parts);

interface Of {
  readonly Bucket: string;
  readonly Key: string;
  readonly UploadId: string;
}

async function begin(Key: string): Promise<Of> {
  const { UploadId = "" } = await s3.send(new CreateMultipartUploadCommand(at(Key)));
  return { ...at(Key), UploadId };
}

async function putPart(of: Of, PartNumber: number, Body: Uint8Array) {
  const { ETag } = await s3.send(new UploadPartCommand({ ...of, PartNumber, Body }));
  return { PartNumber, ETag };
}

const putParts = (of: Of) => Promise.all(parts.map((body, index) => putPart(of, index + 1, body)));

const complete = (of: Of, Parts: { PartNumber: number; ETag: string | undefined }[], fields = {}) =>
  s3.send(new CompleteMultipartUploadCommand({ ...of, MultipartUpload: { Parts }, ...fields }));

/** An object of three parts. */
async function assemble(Key: string): Promise<Of> {
  const of = await begin(Key);
  await complete(of, await putParts(of));
  return of;
}

async function get(Key: string, headers: Record<string, string> = {}): Promise<Buffer> {
  const answer = await fetch(await getSignedUrl(s3, new GetObjectCommand(at(Key))), { headers });
  return Buffer.from(await answer.arrayBuffer());
}

/** The files that hold bytes, by inode. */
const inodes = (of: Of) =>
  readdirSync(join(bodies, of.UploadId))
    .map((name) => statSync(join(bodies, of.UploadId, name)).ino)
    .toSorted((a, b) => a - b);

/** Waits for what comes a moment after an answer. */
async function eventually(isSo: () => boolean): Promise<boolean> {
  for (let tries = 0; tries < 100 && !isSo(); tries += 1) await sleep(20);
  return isSo();
}

describe("an object of parts", () => {
  test("keeps the files of its parts: to complete it copies nothing", async () => {
    const of = await begin("elsewhere/kept");
    const put = await putParts(of);
    const before = inodes(of).filter((ino) => ino !== statSync(join(bodies, of.UploadId, "upload.json")).ino);
    await complete(of, put);
    expect(inodes(of)).toEqual(before);
    expect((await get(of.Key)).equals(whole)).toBe(true);
  });

  test.each([
    ["bytes=0-0", 0, 1],
    [`bytes=${PART_BYTES - 1}-${PART_BYTES - 1}`, PART_BYTES - 1, PART_BYTES],
    [`bytes=${PART_BYTES}-${PART_BYTES}`, PART_BYTES, PART_BYTES + 1],
    [`bytes=${PART_BYTES - 1}-${PART_BYTES}`, PART_BYTES - 1, PART_BYTES + 1],
    [`bytes=5-${2 * PART_BYTES + 5}`, 5, 2 * PART_BYTES + 6],
    ["bytes=-1001", 2 * PART_BYTES - 1, 2 * PART_BYTES + 1000],
    ["bytes=7-", 7, 2 * PART_BYTES + 1000],
  ])("is read as one over a range of %s", async (range, from, to) => {
    const key = "elsewhere/ranges";
    if (!existsSync(join(dataDirectory, chain.bucketName, `${key}._S3rver_object`))) await assemble(key);
    expect((await get(key, { range })).equals(whole.subarray(from, to))).toBe(true);
  });

  test("is listed once, with its size, and its parts are not", async () => {
    await assemble("listed/one");
    const { Contents } = await s3.send(new ListObjectsV2Command({ Bucket: chain.bucketName }));
    const keys = Contents?.map(({ Key }) => Key) ?? [];
    expect(keys.filter((key) => !/^(elsewhere|listed)\/[a-z-]+$/.test(key ?? ""))).toEqual([]);
    expect(Contents?.filter(({ Key }) => Key === "listed/one")).toMatchObject([
      { Size: whole.length, ETag: expect.stringMatching(/^"[0-9a-f]{32}-3"$/) },
    ]);
  });

  test("takes its parts with it when it is overwritten or deleted", async () => {
    const [one, two] = [await assemble("elsewhere/over"), await assemble("elsewhere/away")];
    await s3.send(new PutObjectCommand({ ...at(one.Key), Body: "small" }));
    await s3.send(new DeleteObjectCommand(at(two.Key)));
    expect(existsSync(join(bodies, one.UploadId)) || existsSync(join(bodies, two.UploadId))).toBe(false);
    expect((await get(one.Key)).toString()).toBe("small");
  });

  test("leaves out the parts that its completion did not list", async () => {
    const of = await begin("elsewhere/left-out");
    const put = await putParts(of);
    await complete(
      of,
      put.filter(({ PartNumber }) => PartNumber !== 2),
    );
    expect((await get(of.Key)).equals(Buffer.concat([first, last]))).toBe(true);
    expect(inodes(of)).toHaveLength(2);
  });

  test.each(["overwritten", "deleted"])("is read to its end while it is %s", async (what) => {
    const of = await assemble("elsewhere/slow");
    const sent = request(await getSignedUrl(s3, new GetObjectCommand(at(of.Key)))).end();
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    if (what === "deleted") await s3.send(new DeleteObjectCommand(at(of.Key)));
    else await s3.send(new PutObjectCommand({ ...at(of.Key), Body: "new" }));
    expect(existsSync(join(bodies, of.UploadId))).toBe(true);
    expect(Buffer.concat((await response.toArray()) as Buffer[]).equals(whole)).toBe(true);
    expect(await eventually(() => !existsSync(join(bodies, of.UploadId)))).toBe(true);
  });
});

describe("an upload that is not completed", () => {
  test("for its size or for what is there already, is still an upload", async () => {
    const of = await begin("elsewhere/twice");
    const put = await putParts(of);
    await expect(complete(of, put, { MpuObjectSize: 1 })).rejects.toThrow("does not match what was uploaded");
    await s3.send(new PutObjectCommand({ ...at(of.Key), Body: "first" }));
    await expect(complete(of, put, { IfNoneMatch: "*" })).rejects.toThrow("pre-conditions");
    expect((await get(of.Key)).toString()).toBe("first");
    await complete(of, put, { MpuObjectSize: whole.length });
    expect((await get(of.Key)).equals(whole)).toBe(true);
  });

  test("takes a part again in the place of the first", async () => {
    const of = await begin("elsewhere/again");
    const earlier = await putPart(of, 1, first);
    const later = await putPart(of, 1, last);
    const { Parts } = await s3.send(new ListPartsCommand(of));
    expect(Parts).toMatchObject([{ PartNumber: 1, Size: 1000, ETag: later.ETag }]);
    expect(readdirSync(join(bodies, of.UploadId))).toHaveLength(2);
    await expect(complete(of, [earlier])).rejects.toThrow("could not be found");
    await complete(of, [later]);
  });

  test("takes a part ten times at once, and has one of them whole", async () => {
    const of = await begin("elsewhere/race");
    const candidates = Array.from({ length: 10 }, (_, index) => Buffer.alloc(PART_BYTES + index, index));
    await Promise.all(candidates.map((body) => putPart(of, 1, body)));
    const { Parts = [] } = await s3.send(new ListPartsCommand(of));
    expect(Parts).toHaveLength(1);
    await complete(of, [{ PartNumber: 1, ETag: Parts[0]?.ETag }]);
    const got = await get(of.Key);
    expect(candidates.some((body) => body.equals(got))).toBe(true);
    expect(Parts[0]?.ETag).toBe(`"${createHash("md5").update(got).digest("hex")}"`);
    expect(inodes(of)).toHaveLength(1);
  });

  test("lists 1,005 parts in two pages", async () => {
    const of = await begin("elsewhere/pages");
    const numbers = Array.from({ length: 1005 }, (_, index) => 2 * index + 1);
    for (let from = 0; from < numbers.length; from += 50) {
      await Promise.all(
        numbers.slice(from, from + 50).map((number) => putPart(of, number, Buffer.from("x"))),
      );
    }
    const page = await s3.send(new ListPartsCommand(of));
    expect([page.IsTruncated, page.NextPartNumberMarker, page.Parts?.length]).toEqual([true, "1999", 1000]);
    const PartNumberMarker = page.NextPartNumberMarker;
    const next = await s3.send(new ListPartsCommand({ ...of, PartNumberMarker }));
    expect([next.IsTruncated, next.PartNumberMarker, next.NextPartNumberMarker]).toEqual([
      false,
      "1999",
      "2009",
    ]);
    const listed = [page, next].flatMap(({ Parts }) => Parts?.map(({ PartNumber }) => PartNumber));
    expect(listed).toEqual(numbers);
    const few = await s3.send(new ListPartsCommand({ ...of, MaxParts: 2, PartNumberMarker: "2005" }));
    expect([few.IsTruncated, few.Parts?.length]).toEqual([false, 2]);
  });

  test.each(["x", "-1", "1.5", "2147483648", "1e3"])("lists nothing after a part %j", async (marker) => {
    const of = await begin("elsewhere/marker");
    const url = await getSignedUrl(s3, new ListPartsCommand({ ...of, PartNumberMarker: marker }));
    const answer = await fetch(url);
    expect([answer.status, /<Code>(\w+)/.exec(await answer.text())?.[1]]).toEqual([400, "InvalidArgument"]);
  });
});

describe("a part that arrives too late", () => {
  test.each(["completed", "given up"])(
    "for an upload that was %s is refused, and leaves nothing",
    async (what) => {
      const of = await begin("elsewhere/late");
      const put = await putPart(of, 1, last);
      const url = await getSignedUrl(s3, new UploadPartCommand({ ...of, PartNumber: 2 }));
      const sent = request(url, { method: "PUT", headers: { "content-length": 10 } });
      const answered = once(sent, "response") as Promise<[IncomingMessage]>;
      sent.write("12345");
      expect(await eventually(() => readdirSync(bodies).some((name) => name.endsWith(".partial")))).toBe(
        true,
      );
      await (what === "completed" ? complete(of, [put]) : s3.send(new AbortMultipartUploadCommand(of)));
      sent.end("67890");
      expect((await answered)[0].statusCode).toBe(404);
      expect(readdirSync(bodies).filter((name) => name.endsWith(".partial"))).toEqual([]);
      expect(existsSync(join(bodies, of.UploadId))).toBe(what === "completed");
    },
  );
});

describe("after a restart", () => {
  const data = join(folder, "restarted");
  const stored = () => join(data, chain.bucketName, "._S3rver_bodies");

  /** Runs a chain of its own over the same folder. */
  async function run<T>(task: (client: S3Client) => Promise<T>): Promise<T> {
    const own = await start({ stack: stackOf("dev"), dataDirectory: data });
    const client = s3Client(own);
    try {
      return await task(client);
    } finally {
      client.destroy();
      await own.stop();
    }
  }

  const read = async (client: S3Client, Key: string) =>
    Buffer.from(
      (await (await client.send(new GetObjectCommand(at(Key)))).Body?.transformToByteArray()) ?? [],
    );

  /** Makes an object of two parts in two runs. */
  async function resumed(Key: string): Promise<Of> {
    const of = await run(async (client) => {
      const { UploadId = "" } = await client.send(new CreateMultipartUploadCommand(at(Key)));
      await client.send(new UploadPartCommand({ ...at(Key), UploadId, PartNumber: 1, Body: first }));
      return { ...at(Key), UploadId };
    });
    await run(async (client) => {
      await client.send(new UploadPartCommand({ ...of, PartNumber: 2, Body: last }));
      const { Parts = [] } = await client.send(new ListPartsCommand(of));
      const MultipartUpload = { Parts: Parts.map(({ PartNumber, ETag }) => ({ PartNumber, ETag })) };
      await client.send(new CompleteMultipartUploadCommand({ ...of, MultipartUpload }));
    });
    return of;
  }

  test("an upload goes on where it was, and its object is there", async () => {
    const { Key } = await resumed("elsewhere/resumed");
    expect((await run((client) => read(client, Key))).equals(Buffer.concat([first, last]))).toBe(true);
  });

  test("what a crash left behind its completion is an object, and no upload", async () => {
    const of = await resumed("elsewhere/crashed");
    // The process died between the two.
    const upload = { key: of.Key, headers: {}, hasDigests: false };
    writeFileSync(join(stored(), of.UploadId, "upload.json"), JSON.stringify(upload));
    await run(async (client) => {
      await expect(client.send(new AbortMultipartUploadCommand(of))).rejects.toThrow("does not exist");
      expect(await read(client, of.Key)).toHaveLength(PART_BYTES + 1000);
    });
  });

  test("bodies that no object names are gone, and nothing else is", async () => {
    const key = "elsewhere/folder.partial/x._S3rver_object/y";
    await run((client) => client.send(new PutObjectCommand({ ...at(key), Body: "kept" })));
    const before = readdirSync(stored()).toSorted();
    mkdirSync(join(stored(), "a".repeat(32)));
    writeFileSync(join(stored(), "b".repeat(32)), "b");
    writeFileSync(join(stored(), "c.partial"), "c");
    expect((await run((client) => read(client, key))).toString()).toBe("kept");
    expect(readdirSync(stored()).toSorted()).toEqual(before);
  });

  test("a folder that another version has written is refused with a sentence", async () => {
    const other = join(folder, "other");
    mkdirSync(join(other, chain.bucketName), { recursive: true });
    writeFileSync(join(other, chain.bucketName, "x._S3rver_object"), "the bytes themselves");
    const started = start({ stack: stackOf("dev"), dataDirectory: other });
    await expect(started).rejects.toThrow(StartError);
    await expect(started).rejects.toThrow("choose another folder with --data");
  });
});

test("a key cannot lead among the bodies", async () => {
  const put = s3.send(new PutObjectCommand({ ...at("._S3rver_bodies/x"), Body: "x" }));
  await expect(put).rejects.toThrow("are not served here");
});
