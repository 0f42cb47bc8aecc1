import { type Chain, start } from "../../local/chain";
import { ask, synthesize } from "./tools";

const stackOf = synthesize();
let chain: Chain;
const logged: [functionName: string, text: string][] = [];

beforeAll(async () => {
  chain = await start({ stack: stackOf("dev") });
  chain.events.on("logged", (...line) => logged.push(line));
});
afterAll(() => chain.stop());

test("each request to the API is one line of JSON in its function's log, with API Gateway's id and no secret", async () => {
  const ids: string[] = [];
  const post = async (path: string, body: object) => {
    const response = await fetch(chain.apiUrl + path, { method: "POST", body: JSON.stringify(body) });
    ids.push(response.headers.get("x-amzn-requestid") ?? "");
    return (await response.json()) as { object_key: string; url: string };
  };
  const { object_key, url } = await post("/putObject", { object_key: "cat.jpg" });
  await fetch(url, { method: "PUT", body: "wonderland" });
  await post("/getObject", { object_key });
  await post("/", { action: "getObject", object_key: `${object_key}/..` });
  await post("/sendMessage", { object_key: "cat.jpg", body: Buffer.from("wonderland").toString("base64") });

  const lines = logged.map(([name, text]) => [name, JSON.parse(text) as Record<string, unknown>] as const);
  expect(lines.map(([name, { level, action, status, code }]) => [name, level, action, status, code])).toEqual(
    [
      ["tweedle-dev-signer", "INFO", "putObject", 200, undefined],
      ["tweedle-dev-signer", "INFO", "getObject", 200, undefined],
      ["tweedle-dev-signer", "WARN", undefined, 400, "InvalidObjectKey"],
      ["tweedle-dev-sender", "INFO", "sendMessage", 200, undefined],
    ],
  );
  expect(lines.map(([, { request_id }]) => request_id)).toEqual(ids);
  const log = logged.map(([, text]) => text).join("");
  const [, uuid] = object_key.split("/");
  for (const secret of ["http", "X-Amz", "cat.jpg", uuid, "wonderland", "d29uZGVybGFuZA"]) {
    expect(log).not.toContain(secret);
  }
});

test("a request that no function is called for is in no function's log", async () => {
  const before = logged.length;
  expect((await ask(chain, "/nowhere", {})).status).toBe(404);
  expect(logged).toHaveLength(before);
});
