import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { Api, type ApiOptions } from "../../client/api";
import { isAccessRefused } from "../../client/errors";
import { Producer, type ProducerOptions } from "../../client/produce/producer";
import { newKey } from "../../functions/sign-url/keys";
import { CREDENTIALS } from "../../local/chain";
import { AT_ONCE, setUp } from "./tools";

/** A stage whose consumers sign, and that caps objects. */
const world = setUp("test");

const credentials = jest.fn((_options?: { readonly forceRefresh?: boolean }) => Promise.resolve(CREDENTIALS));
beforeEach(() => credentials.mockClear());

const settings = () => {
  const { chain, proxy } = world();
  return { apiUrl: chain.apiUrl, connections: proxy.connections, retry: AT_ONCE };
};
const api = (options: Partial<ApiOptions> = {}) =>
  new Api({ ...settings(), credentials, region: world().chain.stack.region, ...options });
const producer = (options: Partial<ProducerOptions> = {}) => new Producer({ ...settings(), ...options });

const get = async (of: Api) => await of.ask("getObject", { object_key: newKey("a") });
const steps = () => world().proxy.passed.map(({ step }) => step);
const isSigned = () => world().proxy.passed.map(({ headers }) => headers.authorization !== undefined);

describe("requests", () => {
  test("of a small message are one", async () => {
    const one = producer();
    for (const name of ["a", "b", "c"]) await one.produce(randomBytes(100), { name });
    expect(steps()).toEqual(["sendMessage", "sendMessage", "sendMessage"]);
  });

  test("to a stage without sendMessage go there once, and each payload arrives once, as an object", async () => {
    world().proxy.inject("sendMessage", { status: 404, code: "NoSuchRoute" });
    const one = producer();
    const sent = [
      await one.produce(randomBytes(100), { name: "a" }),
      await one.produce(Readable.from([randomBytes(100)]), { name: "b" }),
    ];
    expect(sent.map(({ via }) => via)).toEqual(["putObject", "putObject"]);
    expect(steps()).toEqual(["sendMessage", "putObject", "PUT", "putObject", "PUT"]);
    const keys = (await world().arrived()).map(({ key }) => key);
    expect(keys.toSorted()).toEqual(sent.map(({ key }) => key).toSorted());
  });

  test("to a stage that wants them signed are refused once, and signed from then on", async () => {
    const one = api();
    await get(one);
    await Promise.all([get(one), get(one)]);
    expect(isSigned()).toEqual([false, true, true, true]);
    // Those of the other role are not.
    await one.ask("createMultipartUpload", { object_key: "a" });
    expect(isSigned().at(-1)).toBe(false);
  });

  test("have the API key where they are a producer's", async () => {
    const one = api({ apiKey: "key" });
    await one.ask("createMultipartUpload", { object_key: "a" });
    await get(one);
    expect(world().proxy.passed.map(({ headers }) => headers["x-api-key"])).toEqual([
      "key",
      undefined,
      undefined,
    ]);
  });
});

describe("a clock that is wrong", () => {
  test.each([
    ["an hour ahead", 3600],
    ["an hour behind", -3600],
    ["a year ahead", 31_536_000],
  ])("%s is corrected by the API's", async (_name, seconds) => {
    const one = api({ now: () => Date.now() + seconds * 1000 });
    await get(one);
    await get(one);
    expect(isSigned()).toEqual([false, true, true]);
  });

  test("from some moment on costs one more request", async () => {
    let offsetMs = 0;
    const one = api({ now: () => Date.now() + offsetMs });
    await get(one);
    world().proxy.reset();
    offsetMs = 3_600_000;
    await get(one);
    await get(one);
    expect(isSigned()).toEqual([true, true, true]);
    offsetMs = 0;
    await get(one);
    expect(isSigned()).toHaveLength(5);
  });
});

test.each(["ExpiredToken", "InvalidSignature"])(
  "credentials that are refused as %s are got again, once",
  async (code) => {
    const one = api();
    await get(one);
    world().proxy.inject("getObject", { status: 403, code });
    await get(one);
    expect(credentials.mock.calls.map(([options]) => options?.forceRefresh)).toEqual([false, true]);
    world().proxy.inject("getObject", { status: 403, code }, 2);
    const refused: unknown = await get(one).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "Refused" });
    expect(isAccessRefused(refused)).toBe(true);
  },
);

test("what responds in the API's place once it has been reached is no reason to give up", async () => {
  const one = api();
  await get(one);
  for (const status of [200, 502, 503]) {
    world().proxy.inject("getObject", { status });
    expect(await get(one)).toMatchObject({ method: "GET" });
  }
});

test.each([[NaN], [-1], [0.5], ["5m"]])("a retry of %p milliseconds is refused", (maxDurationMs) => {
  expect(() => api({ retry: { maxDurationMs: maxDurationMs as number } })).toThrow(
    /^retry\.maxDurationMs must be a whole number from 0 to /,
  );
});

test("an API has one URL, however it is written", () => {
  const forms = ["https://API.example/dev", "https://api.example:443/dev/", "https://api.example/dev//"];
  expect(forms.map((apiUrl) => api({ apiUrl }).url)).toEqual(forms.map(() => "https://api.example/dev"));
});

describe("the check of an API", () => {
  test("passes where it is one and lets its consumer in", async () => {
    await api().check();
    expect(isSigned()).toEqual([false, true]);
  });

  test.each([
    ["AccessDenied", "getObject: Injected."],
    ["InvalidSignature", "getObject: Injected."],
    ["", expect.stringMatching(/^http:\S+ is no Tweedle API: Injected\.$/)],
  ])("says that it is refused with %j", async (code, message) => {
    world().proxy.inject("check", { status: 403, code }, 99);
    const refused: unknown = await api()
      .check()
      .catch((error: unknown) => error);
    expect(refused).toMatchObject({ message });
    expect(isAccessRefused(refused)).toBe(true);
  });

  test("says that there are no credentials", async () => {
    await expect(api({ credentials: undefined }).check()).rejects.toThrow(
      "This stage wants its requests signed: give AWS credentials that may call its API.",
    );
  });

  test("says that it is out of reach, once it has been for long", async () => {
    world().proxy.inject("check", "reset", Infinity);
    await expect(api({ retry: { maxDurationMs: 0 } }).check()).rejects.toMatchObject({ code: "Unavailable" });
    world().proxy.reset();
    world().proxy.inject("check", "reset", 2);
    await api().check();
  });

  test.each([
    [200, "<html></html>"],
    [200, "{}"],
    [200, "null"],
    [400, "Bad Request"],
    [301, ""],
    [404, '{"message": "Not Found"}'],
    [405, "<Error><Code>MethodNotAllowed</Code></Error>"],
  ])("tells one that answers %d %j from a Tweedle API", async (status, body) => {
    const server = createServer((_, response) => void response.writeHead(status).end(body)).listen(
      0,
      "127.0.0.1",
    );
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const one = api({ apiUrl: `http://127.0.0.1:${port}/dev`, connections: undefined });
    const refused: unknown = await one.check().catch((error: unknown) => error);
    one.close();
    server.close();
    expect(refused).toMatchObject({
      code: "Invalid",
      message: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/dev is no Tweedle API: [^\n]+$/),
    });
    expect(isAccessRefused(refused)).toBe(true);
  });
});
