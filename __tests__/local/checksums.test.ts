import { createHash, randomBytes } from "node:crypto";
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  GetObjectCommand,
  HeadObjectCommand,
  ListPartsCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { type Chain, start } from "../../local/chain";
import { ask, s3Client, synthesize } from "./tools";

const stackOf = synthesize();
let chain: Chain;
let s3: S3Client;

beforeAll(async () => {
  chain = await start({ stack: stackOf("dev") });
  s3 = s3Client(chain);
});

afterAll(async () => {
  s3.destroy();
  await chain.stop();
});

const at = (Key: string) => ({ Bucket: chain.bucketName, Key });
const digestOf = (body: Uint8Array | string) => createHash("sha256").update(body).digest("base64");
const twice = <T>(value: T) => [value, value];
const NOTHING = twice([null, null]);
const MODE = { "x-amz-checksum-mode": "ENABLED" };
const errorOf = async (response: Response) => {
  const text = await response.text();
  const of = (tag: string) => new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(text)?.[1];
  return [response.status, of("Code"), of("Message")] as const;
};
const codeOf = async (response: Response) => (await errorOf(response)).slice(0, 2);

/** Of a URL whose headers of that kind have to be sent, as ours have. */
const SIGNED = { unhoistableHeaders: new Set(["x-amz-checksum-sha256", "x-amz-checksum-mode"]) };

/** What a GET and a HEAD of an object tell of its checksum. */
async function told(Key: string, headers: Record<string, string> = {}) {
  const ChecksumMode = "x-amz-checksum-mode" in headers ? ("ENABLED" as const) : undefined;
  const answers = await Promise.all([
    getSignedUrl(s3, new GetObjectCommand({ ...at(Key), ChecksumMode }), SIGNED).then((url) =>
      fetch(url, { headers }),
    ),
    getSignedUrl(s3, new HeadObjectCommand({ ...at(Key), ChecksumMode }), SIGNED).then((url) =>
      fetch(url, { method: "HEAD", headers }),
    ),
  ]);
  return answers.map((answer) => [
    answer.headers.get("x-amz-checksum-sha256"),
    answer.headers.get("x-amz-checksum-type"),
  ]);
}

describe("an object that was put with its SHA-256", () => {
  const Key = "elsewhere/digest";
  const digest = digestOf("cat");

  async function put() {
    const command = new PutObjectCommand({ ...at(Key), ChecksumSHA256: digest });
    const url = await getSignedUrl(s3, command, SIGNED);
    return await fetch(url, { method: "PUT", body: "cat", headers: { "x-amz-checksum-sha256": digest } });
  }

  beforeAll(put);

  test("has it in the answer to the PUT", async () => {
    const { headers } = await put();
    expect(headers.get("x-amz-checksum-sha256")).toBe(digest);
    expect(headers.get("x-amz-checksum-type")).toBe("FULL_OBJECT");
  });

  test("tells it to a GET and a HEAD that ask", async () => {
    expect(await told(Key, MODE)).toEqual(twice([digest, "FULL_OBJECT"]));
    const { ChecksumSHA256 } = await s3.send(new GetObjectCommand({ ...at(Key), ChecksumMode: "ENABLED" }));
    expect(ChecksumSHA256).toBe(digest);
  });

  test("does not tell it unasked, nor to who reads a range", async () => {
    expect(await told(Key)).toEqual(NOTHING);
    expect(await told(Key, { ...MODE, range: "bytes=0-2" })).toEqual(NOTHING);
  });

  test("does not tell it by a header that was not signed", async () => {
    const url = await getSignedUrl(s3, new GetObjectCommand(at(Key)), SIGNED);
    expect((await fetch(url, { headers: MODE })).status).toBe(403);
  });

  test("loses it to an object without one", async () => {
    await s3.send(
      new PutObjectCommand({ ...at("elsewhere/lost"), Body: "a", ChecksumSHA256: digestOf("a") }),
    );
    await s3.send(new PutObjectCommand({ ...at("elsewhere/lost"), Body: "b" }));
    expect(await told("elsewhere/lost", MODE)).toEqual(NOTHING);
  });
});

test.each(["x", "Y2F0", "A".repeat(43), `${"A".repeat(42)}B=`, `${digestOf("cat")}-1`])(
  "a SHA-256 of %j is refused as none",
  async (value) => {
    const command = new PutObjectCommand({ ...at("elsewhere/none"), ChecksumSHA256: value });
    const url = await getSignedUrl(s3, command, SIGNED);
    const headers = { "x-amz-checksum-sha256": value };
    expect(await errorOf(await fetch(url, { method: "PUT", body: "cat", headers }))).toEqual([
      400,
      "InvalidRequest",
      "Value for x-amz-checksum-sha256 header is invalid.",
    ]);
  },
);

describe("an upload that announced SHA-256", () => {
  const bodies = [randomBytes(5 * 1024 ** 2), randomBytes(1000)];
  const digests = bodies.map(digestOf);
  const composite = `${digestOf(Buffer.concat(digests.map((digest) => Buffer.from(digest, "base64"))))}-2`;
  type Sha256 = Pick<CreateMultipartUploadCommandInput, "ChecksumAlgorithm">;

  async function begin(Key: string, fields: Sha256 = { ChecksumAlgorithm: "SHA256" }) {
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ ...at(Key), ...fields }));
    return { ...at(Key), UploadId };
  }

  /** Puts part 1 or 2, with a digest or without. */
  async function put(of: Awaited<ReturnType<typeof begin>>, PartNumber: number, digest?: string) {
    const url = await getSignedUrl(
      s3,
      new UploadPartCommand({ ...of, PartNumber, ChecksumSHA256: digest }),
      SIGNED,
    );
    const headers: Record<string, string> = digest === undefined ? {} : { "x-amz-checksum-sha256": digest };
    return await fetch(url, { method: "PUT", body: bodies[PartNumber - 1] ?? "", headers });
  }

  async function complete(
    of: Awaited<ReturnType<typeof begin>>,
    etags: readonly (string | null)[],
    listed: readonly (string | undefined)[],
  ) {
    const parts = etags.map((etag, index) => {
      const digest = listed[index] === undefined ? "" : `<ChecksumSHA256>${listed[index]}</ChecksumSHA256>`;
      return `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag>${digest}</Part>`;
    });
    const url = await getSignedUrl(s3, new CompleteMultipartUploadCommand(of), SIGNED);
    const body = `<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`;
    return await fetch(url, { method: "POST", body });
  }

  test("says so, keeps each part's, and makes one of them", async () => {
    const of = await begin("elsewhere/composite");
    const answers = await Promise.all(digests.map((digest, index) => put(of, index + 1, digest)));
    expect(answers.map(({ headers }) => headers.get("x-amz-checksum-sha256"))).toEqual(digests);
    const list = await s3.send(new ListPartsCommand(of));
    expect([list.ChecksumAlgorithm, list.ChecksumType]).toEqual(["SHA256", "COMPOSITE"]);
    expect(list.Parts?.map(({ ChecksumSHA256 }) => ChecksumSHA256)).toEqual(digests);

    const etags = answers.map(({ headers }) => headers.get("etag"));
    const completed = await complete(of, etags, digests);
    const result = await completed.text();
    expect(completed.status).toBe(200);
    expect(result).toContain(`<ChecksumSHA256>${composite}</ChecksumSHA256>`);
    expect(result).toContain("<ChecksumType>COMPOSITE</ChecksumType>");
    expect(completed.headers.get("x-amz-version-id")).toMatch(/^[0-9a-f]{32}$/);
    expect(await told(of.Key, MODE)).toEqual(twice([composite, "COMPOSITE"]));
  });

  test("tells its caller what it announced", async () => {
    const create = await ask(chain, "/createMultipartUpload", {
      object_key: "announced",
      checksum_algorithm: "SHA256",
    });
    const { headers } = await fetch(create.url, { method: "POST", headers: create.headers });
    expect([headers.get("x-amz-checksum-algorithm"), headers.get("x-amz-checksum-type")]).toEqual([
      "SHA256",
      "COMPOSITE",
    ]);
  });

  test("refuses a part without one, or with another's, and keeps nothing of it", async () => {
    const of = await begin("elsewhere/without");
    expect(await errorOf(await put(of, 2))).toEqual([
      400,
      "InvalidRequest",
      "Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum Type: null",
    ]);
    expect(await codeOf(await put(of, 1, digests[1]))).toEqual([400, "BadDigest"]);
    expect((await s3.send(new ListPartsCommand(of))).Parts).toBeUndefined();
  });

  test("is not completed without each part's, or with another's", async () => {
    const of = await begin("elsewhere/incomplete");
    const answers = await Promise.all(digests.map((digest, index) => put(of, index + 1, digest)));
    const etags = answers.map(({ headers }) => headers.get("etag"));
    expect(await errorOf(await complete(of, etags, []))).toEqual([
      400,
      "InvalidRequest",
      "The upload was created using a sha256 checksum. The complete request must include the checksum for each part. It was missing for part 1 in the request.",
    ]);
    expect((await errorOf(await complete(of, etags, [digests[0]])))[2]).toContain("missing for part 2");
    for (const wrong of [digests.toReversed(), [digests[0], "x"], [digests[0], "1"]]) {
      expect((await complete(of, etags, wrong)).status).toBe(400);
    }
    expect(await codeOf(await complete(of, etags, digests.toReversed()))).toEqual([400, "InvalidPart"]);
    expect((await complete(of, etags, digests)).status).toBe(200);
  });

  test("is not completed where a number is left out, for which S3 blames itself", async () => {
    const of = await begin("elsewhere/gap");
    const answer = await put(of, 2, digests[1]);
    const url = await getSignedUrl(s3, new CompleteMultipartUploadCommand(of), SIGNED);
    const part = `<Part><PartNumber>2</PartNumber><ETag>${answer.headers.get("etag")}</ETag><ChecksumSHA256>${digests[1]}</ChecksumSHA256></Part>`;
    const body = `<CompleteMultipartUpload>${part}</CompleteMultipartUpload>`;
    expect(await codeOf(await fetch(url, { method: "POST", body }))).toEqual([500, "InternalError"]);
  });

  test("is another than one that did not, which refuses a part with one", async () => {
    const of = await begin("elsewhere/plain", {});
    expect(await errorOf(await put(of, 2, digests[1]))).toEqual([
      400,
      "InvalidRequest",
      "Checksum Type mismatch occurred, expected checksum Type: null, actual checksum Type: sha256",
    ]);
    const { headers } = await put(of, 1);
    expect(headers.get("x-amz-checksum-sha256")).toBeNull();
    expect((await complete(of, [headers.get("etag")], [])).status).toBe(200);
    expect(await told("elsewhere/plain", MODE)).toEqual(NOTHING);
  });

  test("may not want the whole's, nor another algorithm", async () => {
    const create = (fields: object) =>
      s3.send(new CreateMultipartUploadCommand({ ...at("elsewhere/no"), ...fields }));
    const whole = create({ ChecksumAlgorithm: "SHA256", ChecksumType: "FULL_OBJECT" });
    await expect(whole).rejects.toThrow(
      "The FULL_OBJECT checksum type cannot be used with the sha256 checksum algorithm.",
    );
    await expect(create({ ChecksumAlgorithm: "CRC32" })).rejects.toThrow("SHA256 is served here, not CRC32.");
  });
});

describe("a read with a condition", () => {
  const Key = "elsewhere/condition";
  const etag = createHash("md5").update("0123456789").digest("hex");

  beforeAll(() => s3.send(new PutObjectCommand({ ...at(Key), Body: "0123456789" })));

  test.each([
    [`"${etag}"`, 200, 206],
    ["*", 200, 206],
    [`"other", "${etag}"`, 200, 206],
    ['"other"', 412, 412],
    ["", 412, 412],
    [`W/"${etag}"`, 412, 412],
  ])("of If-Match: %s is answered with %i, of a range with %i", async (condition, whole, part) => {
    const get = await getSignedUrl(s3, new GetObjectCommand(at(Key)), SIGNED);
    const head = await getSignedUrl(s3, new HeadObjectCommand(at(Key)), SIGNED);
    const headers = { "if-match": condition };
    const ranged = { ...headers, range: "bytes=1-2" };
    const answers = await Promise.all([
      fetch(get, { headers }),
      fetch(head, { method: "HEAD", headers }),
      fetch(get, { headers: ranged }),
      fetch(head, { method: "HEAD", headers: ranged }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([whole, whole, part, part]);
  });

  test("that is false says so rather than that the range is none", async () => {
    const get = await getSignedUrl(s3, new GetObjectCommand(at(Key)), SIGNED);
    const answer = await fetch(get, { headers: { "if-match": '"other"', range: "bytes=100-" } });
    expect(await codeOf(answer)).toEqual([412, "PreconditionFailed"]);
  });

  test("tells version and ETag, by which the next can be made", async () => {
    const head = await getSignedUrl(s3, new HeadObjectCommand(at(Key)), SIGNED);
    const answers = [
      await fetch(await getSignedUrl(s3, new GetObjectCommand(at(Key)), SIGNED)),
      await fetch(head, { method: "HEAD" }),
      await fetch(await getSignedUrl(s3, new GetObjectCommand(at(Key)), SIGNED), {
        headers: { range: "bytes=0-1" },
      }),
    ];
    for (const { headers } of answers) {
      expect(headers.get("etag")).toBe(`"${etag}"`);
      expect(headers.get("x-amz-version-id")).toMatch(/^[0-9a-f]{32}$/);
    }
  });
});
