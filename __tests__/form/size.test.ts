import { once } from "node:events";
import { type IncomingMessage, request as send } from "node:http";
import { buffer } from "node:stream/consumers";
import { gunzipSync, gzipSync } from "node:zlib";
import { buildPage } from "../../functions/upload-form/build";
import { LIMITS } from "../../functions/sign-url/limits";
import { start } from "../../local/chain";
import { STAGES } from "../../main";
import { type StageConfig, validateStage } from "../../stacks/stage";
import { synthesize } from "../local/tools";

/** As a browser loads the page: compressed. The script alone is most of it, and is kept small on purpose. */
const LIMIT = 16 * 1024;

const stackOf = synthesize();

test.each(STAGES)("The page of $stage is loaded in under 16 KB", async ({ stage }) => {
  const chain = await start({ stack: stackOf(stage) });
  const request = send(chain.apiUrl, { headers: { "accept-encoding": "gzip, deflate, br, zstd" } }).end();
  const [response] = (await once(request, "response")) as [IncomingMessage];
  const bytes = await buffer(response);
  await chain.stop();
  expect(response.headers).toMatchObject({ "content-encoding": "gzip", vary: "accept-encoding" });
  expect(gunzipSync(bytes).toString().endsWith("</html>\n")).toBe(true);
  expect(bytes.length).toBeLessThan(LIMIT);
});

test("The page is loaded in under 16 KB where title and media types are as long as a stage takes them", () => {
  const title = Array.from({ length: 60 }, (_, index) => String.fromCodePoint(0x20000 + index * 97)).join("");
  const contentTypes = Array.from(
    { length: 50 },
    (_, index) => `x-${index * 7_919_111}/y-${index * 104_729}`,
  );
  while (contentTypes.join().length > 1000) contentTypes.pop();
  const maxObjectBytes = LIMITS.objectBytes;
  const [stage] = STAGES;
  validateStage({ ...(stage as StageConfig), uploadFormTitle: title, contentTypes, maxObjectBytes });
  const { html } = buildPage({ title, contentTypes, maxObjectBytes });
  expect(gzipSync(html).length).toBeLessThan(LIMIT);
});
