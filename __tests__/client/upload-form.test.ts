import { join } from "node:path";
import { App } from "cdktf";
import { Producer } from "../../client/produce/producer";
import { type Chain, start } from "../../local/chain";
import { STAGES } from "../../main";
import type { StageConfig } from "../../stacks/stage";
import { UploadFormStack } from "../../stacks/upload-form-stack";
import { s3Client, temporaryFolder } from "../local/tools";

const folder = temporaryFolder();
let chain: Chain;

beforeAll(async () => {
  const app = new App({ outdir: folder });
  new UploadFormStack(app, "upload-form", STAGES[0] as StageConfig);
  app.synth();
  chain = await start({ stack: join(folder, "stacks", "upload-form") });
});
afterAll(() => chain.stop());

test("where there is no queue, a small payload goes through S3", async () => {
  const producer = new Producer({ apiUrl: chain.apiUrl });
  const produced = await producer.produce(Buffer.from("cat"));
  producer.close();
  expect(produced).toMatchObject({ via: "putObject", size: 3 });
  const s3 = s3Client(chain);
  expect(await chain.announceLeft()).toBe(1);
  s3.destroy();
});
