import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildSync } from "esbuild";
import { generate } from "openapi-typescript-codegen";
import { type Chain, start } from "../../local/chain";
import { synthesize, temporaryFolder } from "./tools";

const ROOT = join(__dirname, "../..");
const stackOf = synthesize();
const folder = temporaryFolder();
let chain: Chain;

beforeAll(async () => {
  chain = await start({ stack: stackOf("dev") });
  const input = (await (await fetch(`${chain.apiUrl}/openapi.json`)).json()) as Record<string, unknown>;
  await generate({ input, output: join(folder, "client"), clientName: "Client", useUnionTypes: true });
});
afterAll(() => chain.stop());

/** A program with the generated client, and calls that its types refuse. */
const PROGRAM = `
import { Client, type Error as Refusal } from "./client";

function answered<T extends object>(answer: T | Refusal): T {
  if ("error" in answer) throw new Error((answer as Refusal).error.message);
  return answer as T;
}

export async function transfer(BASE: string, payload: Uint8Array<ArrayBuffer>) {
  const { producer, consumer, api } = new Client({ BASE });
  const object_key = "cats/cat.bin";
  const put = answered(
    await producer.putObject({
      object_key,
      content_type: "image/png",
      content_length: payload.length,
      metadata: { author: "Carroll" },
      if_none_match: "*",
    }),
  );
  await fetch(put.url, { method: put.method, headers: put.headers, body: payload });

  const upload = answered(await producer.createMultipartUpload({ object_key }));
  const created = await (await fetch(upload.url, { method: upload.method, headers: upload.headers })).text();
  const [, upload_id = ""] = /<UploadId>(.*)<\\/UploadId>/.exec(created) ?? [];
  const { parts } = answered(
    await producer.uploadPart({ object_key: upload.object_key, upload_id, part_numbers: [1, 2] }),
  );
  const eTags: (string | null)[] = [];
  for (const { url } of parts) eTags.push((await fetch(url, { method: "PUT", body: payload })).headers.get("etag"));

  const get = answered(await consumer.getObject({ object_key: put.object_key }));
  const named = answered(await api.sign({ action: "getObject", object_key: put.object_key }));
  if (!("url" in named)) throw new Error("A payload has one URL.");
  const sent = answered(await producer.sendMessage({ object_key, body: "Y2F0" }));
  const refused = await consumer.getObject({ object_key: "cat.bin" }).catch((error: unknown) => error);
  return {
    fetched: await Promise.all([get, named].map(async ({ url }) => (await fetch(url)).arrayBuffer())),
    eTags,
    message: sent.message_id,
    refused,
  };
}

export const mistakes = ({ producer, consumer, api }: Client) => [
  // @ts-expect-error -- a key is missing
  () => api.sign({ action: "putObject" }),
  // @ts-expect-error -- an upload's id is missing
  () => api.sign({ action: "uploadPart", object_key: "a", part_numbers: [1] }),
  // @ts-expect-error -- a field of another action
  () => api.sign({ action: "getObject", object_key: "a", content_length: 1 }),
  // @ts-expect-error -- there is no such action
  () => api.sign({ action: "copyObject", object_key: "a" }),
  // @ts-expect-error -- a payload is missing
  () => producer.sendMessage({ object_key: "a" }),
  // @ts-expect-error -- parts have a URL each
  async () => answered(await producer.uploadPart({ object_key: "a", upload_id: "u", part_numbers: [1] })).url,
  // @ts-expect-error -- a URL that is there for sure
  async () => answered(await consumer.getObject({ object_key: "a" })).url.nothing,
];
`;

test("a client that is generated from the description has types that hold, and transfers payloads", async () => {
  writeFileSync(join(folder, "program.ts"), PROGRAM);
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({
      compilerOptions: {
        target: "ES2023",
        lib: ["ES2024", "DOM"],
        module: "preserve",
        moduleResolution: "bundler",
        types: [],
        strict: true,
        noUncheckedIndexedAccess: true,
        noEmit: true,
      },
      include: ["program.ts"],
    }),
  );
  const { stdout, status } = spawnSync(join(ROOT, "node_modules/.bin/tsc"), ["-p", folder], {
    encoding: "utf8",
  });
  expect([stdout, status]).toEqual(["", 0]);

  const outfile = join(folder, "program.js");
  buildSync({
    entryPoints: [join(folder, "program.ts")],
    outfile,
    bundle: true,
    platform: "node",
    nodePaths: [join(ROOT, "node_modules")],
  });
  const { transfer } = require(outfile) as {
    transfer: (base: string, payload: Uint8Array) => Promise<Record<string, unknown>>;
  };
  const payload = Buffer.from("wonderland");
  const { fetched, ...said } = await transfer(chain.apiUrl, payload);
  expect((fetched as ArrayBuffer[]).map((bytes) => Buffer.from(bytes).equals(payload))).toEqual([true, true]);
  expect(said).toEqual({
    eTags: [expect.stringMatching(/^"/), expect.stringMatching(/^"/)],
    message: expect.any(String),
    refused: expect.objectContaining({
      status: 400,
      body: { error: expect.objectContaining({ code: "InvalidObjectKey" }) },
    }),
  });
});
