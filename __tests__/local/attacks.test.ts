import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { type IncomingMessage, type OutgoingHttpHeaders, request as httpRequest } from "node:http";
import { join } from "node:path";
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { CREDENTIALS, type Chain, start } from "../../local/chain";
import { Consumer, ask, s3Client, synthesize, temporaryFolder } from "./tools";

const stackOf = synthesize();
const outside = temporaryFolder();
const dataDirectory = join(outside, "data/objects");
let chain: Chain;
let s3: S3Client;

beforeAll(async () => {
  chain = await start({ stack: stackOf("dev"), dataDirectory });
  s3 = s3Client(chain);
});

afterAll(async () => {
  s3.destroy();
  await chain.stop();
});

/** A request whose target is sent as it is: `fetch` would tidy it. */
async function raw(
  origin: string,
  method: string,
  target: string,
  body = "",
  headers: OutgoingHttpHeaders = {},
) {
  const { hostname, port } = new URL(origin);
  const sent = httpRequest({ hostname, port, method, path: target, headers }).end(body);
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  const chunks = (await response.toArray()) as Buffer[];
  return { status: response.statusCode, body: Buffer.concat(chunks).toString("utf8") };
}

const put = (url: string, body: string, headers: Record<string, string> = {}) =>
  fetch(url, { method: "PUT", body, headers });
const input = (Key: string) => ({ Bucket: chain.bucketName, Key });
const filesOutside = () =>
  readdirSync(outside, { recursive: true }).filter((name) => !String(name).startsWith("data/objects"));

describe("without a signature, S3 serves nothing", () => {
  const credential = `X-Amz-Credential=${CREDENTIALS.accessKeyId}`;
  test.each([
    ["a key id alone", `?${credential}`, {}],
    ["a key id and a scope", `?${credential}%2F20260101%2Feu-central-1%2Fs3%2Faws4_request`, {}],
    ["an algorithm alone", "?X-Amz-Algorithm=AWS4-HMAC-SHA256", {}],
    ["a header that is none", "", { authorization: `Credential=${CREDENTIALS.accessKeyId}/x` }],
    ["a header of one and a parameter of another", `?${credential}`, { authorization: "AWS4-HMAC-SHA256 x" }],
  ])("for %s", async (_, query, headers) => {
    const target = `/${chain.bucketName}/input/x${query}`;
    expect((await raw(chain.s3Endpoint, "PUT", target, "x", headers)).status).toBe(403);
    expect((await raw(chain.s3Endpoint, "GET", target, "", headers)).status).toBe(403);
    expect((await raw(chain.s3Endpoint, "GET", `/${query}`, "", headers)).status).toBe(403);
  });
});

describe("no request leads out of the data folder", () => {
  test.each(["PUT", "DELETE", "GET", "OPTIONS"])("%s of a bucket that is a path", async (method) => {
    mkdirSync(join(outside, "data/victim"), { recursive: true });
    for (const bucket of ["..%2fvictim", "..", ".", "%2e%2e%2fvictim", "a".repeat(28) + "_"]) {
      const { status } = await raw(chain.s3Endpoint, method, `/${bucket}?x`);
      expect([bucket, status]).toEqual([bucket, 404]);
    }
    expect(existsSync(join(outside, "data/victim"))).toBe(true);
  });

  test("a key with dots, even signed", async () => {
    for (const key of ["../../../pwned", "a/../../../../pwned", "./pwned"]) {
      const { pathname, search } = new URL(
        await getSignedUrl(s3, new PutObjectCommand(input("placeholder"))),
      );
      const target = pathname.replace("placeholder", encodeURIComponent(key)) + search;
      expect([400, 403]).toContain((await raw(chain.s3Endpoint, "PUT", target, "x")).status);
    }
    const sdk = s3.send(new PutObjectCommand({ ...input("a/../../../pwned"), Body: "x" }));
    await expect(sdk).rejects.toThrow(/parse the specified URI|signature/);
    expect(filesOutside().filter((name) => String(name).includes("pwned"))).toEqual([]);
  });

  test("a part number that is a path, or none", async () => {
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand(input("input/parts")));
    for (const part of ["../../../../pwned", "key", "metadata", "0", "-1", "1.5", "10001", "1e3"]) {
      const url = await getSignedUrl(
        s3,
        new UploadPartCommand({ ...input("input/parts"), UploadId, PartNumber: part as never }),
      );
      expect([part, (await put(url, "x")).status]).toEqual([part, 400]);
    }
    for (const upload of ["../../..", "x", `${UploadId}/..`]) {
      const url = await getSignedUrl(
        s3,
        new UploadPartCommand({ ...input("input/parts"), UploadId: upload, PartNumber: 1 }),
      );
      expect([upload, (await put(url, "x")).status]).toEqual([upload, 404]);
    }
  });

  test("a browser's form", async () => {
    const form = new FormData();
    form.set("key", "../../../pwned");
    form.set("file", new Blob(["x"]), "x");
    const response = await fetch(`${chain.s3Endpoint}/${chain.bucketName}`, { method: "POST", body: form });
    expect(response.status).toBe(403);
  });
});

describe("what is malformed is told so, and nothing breaks", () => {
  test.each(["X-Amz-Date", "X-Amz-Signature", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Credential"])(
    "a parameter %s that is there twice",
    async (name) => {
      const { url } = await ask(chain, "/putObject", { object_key: "a" });
      expect((await put(`${url}&${name}=x`, "x")).status).toBe(400);
    },
  );

  test("XML whose length is not told, by one who may complete an upload", async () => {
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand(input("input/chunked")));
    const command = new CompleteMultipartUploadCommand({ ...input("input/chunked"), UploadId });
    const url = new URL(await getSignedUrl(s3, command));
    const headers = { "transfer-encoding": "chunked" };
    const { status } = await raw(url.origin, "POST", url.pathname + url.search, "<".repeat(100_000), headers);
    expect(status).toBe(411);
  });

  test("a copy, of which nothing that the store promises would hold", async () => {
    const copy = new CopyObjectCommand({
      ...input("elsewhere/copy"),
      CopySource: `${chain.bucketName}/elsewhere/x`,
    });
    await expect(s3.send(copy)).rejects.toThrow("Copies are not served here.");
  });

  test("a path that is no encoding", async () => {
    expect((await raw(chain.s3Endpoint, "GET", `/${chain.bucketName}/%zz`)).status).toBe(400);
  });

  test.each([
    "",
    "<",
    "<CompleteMultipartUpload/>",
    "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>",
  ])("a completion that says %j", async (body) => {
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand(input("input/xml")));
    const url = await getSignedUrl(
      s3,
      new CompleteMultipartUploadCommand({ ...input("input/xml"), UploadId }),
    );
    expect((await fetch(url, { method: "POST", body })).status).toBe(400);
    expect((await fetch(url, { method: "POST", body: "x".repeat(3_000_000) })).status).toBe(400);
  });

  test.each(["null", "[]", "{", '"x"', "1"])("an SQS request of %j", async (body) => {
    const headers = {
      "content-type": "application/x-amz-json-1.0",
      "x-amz-target": "AmazonSQS.ReceiveMessage",
    };
    expect((await fetch(chain.sqsEndpoint, { method: "POST", body, headers })).status).toBe(400);
  });

  test("an SQS request of 5 MB", async () => {
    const response = fetch(chain.sqsEndpoint, { method: "POST", body: "x".repeat(5_000_000) });
    // It may be cut off before it has read its answer.
    expect(
      await response.then(
        ({ status }) => status,
        () => 413,
      ),
    ).toBe(413);
    expect((await ask(chain, "/putObject", { object_key: "a" })).status).toBe(200);
  });

  test.each([
    "//",
    "///",
    "/dev/../dev/putObject",
    "//evil/dev/putObject",
    "http://evil/dev/putObject",
    "/dev\\putObject",
    "*",
  ])("a target of %j", async (target) => {
    const { status } = await raw(chain.apiUrl, "POST", target, '{"object_key":"a"}');
    expect(status).toBe(400);
  });

  test("headers and parameters that are named as Object's own", async () => {
    const headers = { constructor: "x", __proto__: "y", tostring: "z" };
    const { status } = await raw(
      chain.apiUrl,
      "POST",
      "/dev/putObject?__proto__=1&constructor=2",
      '{"object_key":"a"}',
      headers,
    );
    expect(status).toBe(200);
  });
});

describe("a page in a browser of this machine", () => {
  test("cannot make another name lead here", async () => {
    for (const origin of [chain.apiUrl, chain.s3Endpoint, chain.sqsEndpoint]) {
      expect((await raw(origin, "POST", "/dev/putObject", "{}", { host: "evil.example" })).status).toBe(403);
    }
  });

  test("cannot send a form to the queues", async () => {
    const body = new URLSearchParams({ Action: "PurgeQueue", QueueUrl: chain.queueUrl }).toString();
    const headers = { origin: "http://evil.example", "content-type": "application/x-www-form-urlencoded" };
    expect((await raw(chain.sqsEndpoint, "POST", "/", body, headers)).status).toBe(403);
  });
});

describe("requests at the same moment", () => {
  test("make one object of thirty where each said if_none_match, and one message", async () => {
    const consumer = new Consumer(chain);
    const { url, headers } = await ask(chain, "/putObject", { object_key: "once", if_none_match: "*" });
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, index) => put(url, `body ${index}`, headers)),
    );
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
      200,
      ...Array<number>(29).fill(412),
    ]);
    const { key } = await consumer.announced();
    expect(key).toMatch(/\/once$/);
    expect(await consumer.receive(chain.queueUrl, 0)).toBeUndefined();
  });

  test("complete an upload once", async () => {
    const consumer = new Consumer(chain);
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand(input("input/complete")));
    const { ETag } = await s3.send(
      new UploadPartCommand({ ...input("input/complete"), UploadId, PartNumber: 1, Body: "part" }),
    );
    const command = new CompleteMultipartUploadCommand({ ...input("input/complete"), UploadId });
    const url = await getSignedUrl(s3, command);
    const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${ETag}</ETag></Part></CompleteMultipartUpload>`;
    const answers = await Promise.all(Array.from({ length: 6 }, () => fetch(url, { method: "POST", body })));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
      200, 404, 404, 404, 404, 404,
    ]);
    expect((await consumer.announced()).key).toBe("input/complete");
    expect(await consumer.receive(chain.queueUrl, 0)).toBeUndefined();
  });

  test("never read an object of which body and ETag are not of one writing", async () => {
    const { url, object_key } = await ask(chain, "/putObject", { object_key: "torn" });
    const etagOf = new Map<string, string>();
    const write = async (index: number) => {
      const body = String(index).repeat(100_000);
      etagOf.set(body, (await put(url, body)).headers.get("etag") ?? "");
    };
    await write(0);
    const get = await ask(chain, "/getObject", { object_key });
    const reads: { etag: string; body: string }[] = [];
    const read = async () => {
      const response = await fetch(get.url);
      expect(response.status).toBe(200);
      reads.push({ etag: response.headers.get("etag") ?? "", body: await response.text() });
    };
    await Promise.all(
      Array.from({ length: 40 }, (_, index) => (index % 2 ? write((index % 9) + 1) : read())),
    );
    expect(reads).toHaveLength(20);
    for (const { etag, body } of reads) expect(etag).toBe(etagOf.get(body));
  });
});

test.each([
  ["bytes=0-0", 206, "0"],
  ["bytes=-3", 206, "789"],
  ["bytes=7-", 206, "789"],
  ["bytes=3-100", 206, "3456789"],
  ["bytes=-100", 206, "0123456789"],
  ["bytes=10-", 416, undefined],
  ["bytes=-0", 416, undefined],
  ["bytes=5-3", 200, "0123456789"],
  ["bytes=1.5-2", 200, "0123456789"],
  ["bytes=", 200, "0123456789"],
  ["items=0-1", 200, "0123456789"],
])("a range of %s is answered with %i", async (range, status, body) => {
  await s3.send(new PutObjectCommand({ ...input("elsewhere/digits"), Body: "0123456789" }));
  const { url } = await ask(chain, "/putObject", { object_key: "digits" });
  await put(url, "0123456789");
  const get = await ask(chain, "/getObject", {
    object_key: decodeURIComponent(new URL(url).pathname.split("/").slice(2).join("/")),
  });
  const response = await fetch(get.url, { headers: { range } });
  expect(response.status).toBe(status);
  expect(body === undefined || (await response.text()) === body).toBe(true);
});

test("a payload with long folders in its name is deleted, and its folders with it", async () => {
  for (const name of [`${"L".repeat(200)}/x`, `${"L".repeat(179)}éé/x`, "L".repeat(300)]) {
    const { url, object_key } = await ask(chain, "/putObject", { object_key: name });
    await put(url, "x");
    const drop = await ask(chain, "/deleteObject", { object_key });
    expect((await fetch(drop.url, { method: "DELETE" })).status).toBe(204);
    expect(readdirSync(join(dataDirectory, chain.bucketName, "input"))).not.toContain(
      object_key.split("/")[1],
    );
  }
});

test("an answer of 304 closes the file that it does not send", async () => {
  const { url, object_key } = await ask(chain, "/putObject", { object_key: "cached" });
  const etag = (await put(url, "x")).headers.get("etag") ?? "";
  const get = await ask(chain, "/getObject", { object_key });
  const openFiles = () => (existsSync("/proc/self/fd") ? readdirSync("/proc/self/fd").length : 0);
  const before = openFiles();
  for (let request = 0; request < 20; request += 1) {
    expect((await fetch(get.url, { headers: { "if-none-match": etag } })).status).toBe(304);
  }
  expect(openFiles()).toBeLessThan(before + 10);
});

test("a file that was cut off by the end of a process is gone after the next start", async () => {
  const folder = join(outside, "again");
  mkdirSync(join(folder, chain.bucketName, "input"), { recursive: true });
  writeFileSync(join(folder, chain.bucketName, "input/x._S3rver_object.1.partial"), "half");
  const again = await start({ stack: stackOf("dev"), dataDirectory: folder });
  expect(await again.announceLeft()).toBe(0);
  await again.stop();
  expect(
    readdirSync(folder, { recursive: true }).filter((name) => String(name).endsWith(".partial")),
  ).toEqual([]);
});

test("what S3 refuses, the form's own page may read, and no other site's", async () => {
  const { url } = await ask(chain, "/putObject", { object_key: "a" });
  const { origin } = new URL(chain.apiUrl);
  for (const target of [url.replace(/X-Amz-Date=\d{8}/, "X-Amz-Date=20200101"), url.split("?")[0] ?? ""]) {
    const answers = await Promise.all(
      [origin, "https://evil.example", "null"].map((from) => put(target, "x", { origin: from })),
    );
    expect(answers.map(({ status }) => status)).toEqual([403, 403, 403]);
    expect(answers.map(({ headers }) => headers.get("access-control-allow-origin"))).toEqual([
      origin,
      null,
      null,
    ]);
  }
});
