import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { type IncomingMessage, type OutgoingHttpHeaders, request } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import {
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListPartsCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { SignatureV4 } from "@smithy/signature-v4";
import { Sha256 } from "../../functions/sign-url/sha256";
import { CREDENTIALS } from "../../local/chain";
import * as processes from "../terraform/processes";
import { temporaryFolder } from "./tools";

/**
 * What a chain in its own process makes of clients that go away: here, its errors would be those of another realm,
 * and its files those of the tests.
 */
const folder = temporaryFolder();
const data = join(folder, "data");
const Key = "elsewhere/large";
let child: ReturnType<typeof processes.start>;
let stderr: Promise<string>;
let s3: S3Client;
let endpoint: URL;
let region: string;
let Bucket: string;

beforeAll(async () => {
  child = processes.start(
    process.execPath,
    ["--import", "tsx", "local/start.ts", "--json", "--port", "0", "--data", data],
    { cwd: join(__dirname, "../.."), environment: { ...process.env, CDKTF_OUTDIR: join(folder, "out") } },
  );
  stderr = text(child.stderr);
  const [line] = (await once(createInterface(child.stdout), "line")) as [string];
  const described = JSON.parse(line) as Record<"s3_endpoint" | "region" | "bucket_name", string>;
  endpoint = new URL(described.s3_endpoint);
  [region, Bucket] = [described.region, described.bucket_name];
  s3 = new S3Client({
    endpoint: endpoint.origin,
    region,
    forcePathStyle: true,
    credentials: CREDENTIALS,
    requestChecksumCalculation: "WHEN_REQUIRED",
  });
  await s3.send(new PutObjectCommand({ Bucket, Key, Body: randomBytes(20_000_000) }));
});

afterAll(async () => {
  s3.destroy();
  await processes.stopProcesses();
});

const bodies = () => readdirSync(join(data, Bucket, "._S3rver_bodies")).toSorted();
const partial = () => bodies().filter((name) => name.endsWith(".partial"));
const openFiles = () => {
  const descriptors = `/proc/${child.pid}/fd`;
  return existsSync(descriptors) ? readdirSync(descriptors).length : 0;
};

/** Waits for what comes a moment later. */
async function eventually(isSo: () => boolean): Promise<boolean> {
  for (let tries = 0; tries < 200 && !isSo(); tries += 1) await sleep(20);
  return isSo();
}

/** Sends half a body, and goes away once it is on the disk. */
async function breakOff(url: string | URL, headers: OutgoingHttpHeaders, half: string): Promise<boolean> {
  const sent = request(url, { method: "PUT", headers });
  sent.on("error", () => undefined).write(half);
  const arrived = await eventually(() => partial().length > 0);
  sent.destroy();
  return arrived && (await eventually(() => partial().length === 0));
}

test("one that leaves a GET half-way keeps no file open", async () => {
  const url = await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key }));
  const before = openFiles();
  for (let index = 0; index < 20; index += 1) {
    const [response] = (await once(request(url).end(), "response")) as [IncomingMessage];
    await once(response, "readable");
    response.destroy();
  }
  expect(await eventually(() => openFiles() <= before + 2)).toBe(true);
});

test("one that leaves the PUT of an object or a part half-way leaves nothing", async () => {
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: "elsewhere/half" }));
  const of = { Bucket, Key: "elsewhere/half", UploadId };
  const [before, files] = [bodies(), openFiles()];
  const headers = { "content-length": 1_000_000 };
  const half = "x".repeat(500_000);
  const put = await getSignedUrl(s3, new PutObjectCommand({ Bucket, Key: of.Key }));
  expect(await breakOff(put, headers, half)).toBe(true);
  const part = await getSignedUrl(s3, new UploadPartCommand({ ...of, PartNumber: 1 }));
  expect(await breakOff(part, headers, half)).toBe(true);
  expect(bodies()).toEqual(before);
  expect(await eventually(() => openFiles() <= files + 2)).toBe(true);
  expect((await s3.send(new ListPartsCommand(of))).Parts).toBeUndefined();
  await expect(s3.send(new GetObjectCommand({ Bucket, Key: of.Key }))).rejects.toThrow("does not exist");
});

test("one that leaves a PUT in signed chunks half-way leaves nothing either", async () => {
  const { protocol, hostname, host } = endpoint;
  const path = `/${Bucket}/elsewhere/chunks`;
  const signer = new SignatureV4({ service: "s3", region, credentials: CREDENTIALS, sha256: Sha256 });
  const { headers } = await signer.sign({
    method: "PUT",
    protocol,
    hostname,
    path,
    headers: {
      host,
      "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
      "x-amz-decoded-content-length": "20000",
    },
  });
  const chunk = `4e20;chunk-signature=${"0".repeat(64)}\r\n${"x".repeat(10_000)}`;
  const sent = { ...headers, "content-length": 20_098 };
  expect(await breakOff(new URL(path, endpoint), sent, chunk)).toBe(true);
});

test("nothing of it is logged", async () => {
  child.kill("SIGTERM");
  expect(await stderr).toBe("");
});
