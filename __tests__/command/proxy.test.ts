import { readFileSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { createServer, request } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { selfSigned } from "../client/certificate";
import { ROOT, commandTools, linesOf, run } from "./tools";

const { chain, folder, tweedle } = commandTools();

const portOf = (server: { address: () => unknown }) => (server.address() as AddressInfo).port;
const portIn = (url: string) => Number(new URL(url).port);

/** A proxy that connects to what it is asked for, as squid does. */
const asked: { readonly target: string; readonly authorization: string | undefined }[] = [];
/** Its answer in place of a connection. */
let refusal: string | undefined;
const proxy = createServer((_, response) => response.writeHead(501).end()).on(
  "connect",
  (incoming, socket) => {
    const { url = "", headers } = incoming;
    asked.push({ target: url, authorization: headers["proxy-authorization"] });
    socket.on("error", () => undefined);
    if (refusal !== undefined) return void socket.end(`HTTP/1.1 ${refusal}\r\n\r\n`);
    const { hostname, port } = new URL(`http://${url}`);
    const upstream = connect(Number(port), hostname, () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      upstream.pipe(socket).pipe(upstream);
    }).on("error", () => socket.destroy());
    return undefined;
  },
);
beforeAll(async () => {
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
});
afterAll(() => {
  proxy.close();
  proxy.closeAllConnections();
});
beforeEach(async () => {
  asked.length = 0;
  refusal = undefined;
  await chain().empty();
});

const at = (userinfo = "") => `http://${userinfo}127.0.0.1:${portOf(proxy)}`;
const targets = () => [...new Set(asked.map(({ target }) => target))].toSorted();
const hosts = (...urls: readonly string[]) => urls.map((url) => new URL(url).host).toSorted();

/** Sends a file by a URL and receives it. */
async function sendAndReceive(env: Record<string, string>) {
  writeFileSync(join(folder, "cat.txt"), "cat");
  const sent = await tweedle(["produce", "cat.txt", "--json", "--inline-threshold", "0"], { env }).ended;
  const received = await tweedle(["consume", "--out", "received", "--max", "1", "--json"], { env }).ended;
  const handled = linesOf(received.stdout).find(({ event }) => event === "handled");
  expect([sent.code, sent.stderr, received.code, received.stderr]).toEqual([0, "", 0, ""]);
  expect(readFileSync(handled?.path ?? "", "utf8")).toBe("cat");
}

test.each(["HTTP_PROXY", "http_proxy", "ALL_PROXY"])(
  "%s is the way to the API, S3 and SQS",
  async (variable) => {
    await sendAndReceive({ [variable]: at() });
    expect(targets()).toEqual(hosts(chain().apiUrl, chain().s3Endpoint, chain().queueUrl));
  },
);

test("connections through a proxy are used again", async () => {
  writeFileSync(join(folder, "cat.txt"), "cat");
  const args = ["produce", ...Array.from({ length: 20 }, () => "cat.txt"), "--concurrency", "1"];
  expect((await tweedle(args, { env: { HTTP_PROXY: at() } }).ended).code).toBe(0);
  expect(asked).toHaveLength(1);
});

test.each([
  ["NO_PROXY", "127.0.0.1"],
  ["no_proxy", "*"],
])("a host of %s=%s is none of the proxy's", async (variable, hostnames) => {
  await sendAndReceive({ HTTP_PROXY: at(), [variable]: hostnames });
  expect(targets()).toEqual([]);
});

test("a port of NO_PROXY is none of the proxy's, and the others are", async () => {
  const { apiUrl, s3Endpoint, queueUrl } = chain();
  await sendAndReceive({ HTTP_PROXY: at(), NO_PROXY: `127.0.0.1:${portIn(s3Endpoint)}` });
  expect(targets()).toEqual(hosts(apiUrl, queueUrl));
});

test("a proxy's user and password are sent to it", async () => {
  await sendAndReceive({ HTTP_PROXY: at("us%40er:p%3Ass@") });
  const basic = `Basic ${Buffer.from("us@er:p:ss").toString("base64")}`;
  expect(new Set(asked.map(({ authorization }) => authorization))).toEqual(new Set([basic]));
});

test("HTTPS_PROXY is the way to what is https, whose certificate is the host's own", async () => {
  const { cert, key } = selfSigned("localhost");
  writeFileSync(join(folder, "cert.pem"), cert);
  const { port, hostname, pathname } = new URL(chain().apiUrl);
  const secure = createTlsServer({ cert, key }, (incoming, response) => {
    const { method, headers, url: path } = incoming;
    const passed = request({ hostname, port, method, headers, path }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    incoming.pipe(passed);
  }).listen(0, "127.0.0.1");
  await once(secure, "listening");
  try {
    const host = `localhost:${portOf(secure)}`;
    const env = {
      HTTPS_PROXY: at(),
      NODE_EXTRA_CA_CERTS: join(folder, "cert.pem"),
      TWEEDLE_API_URL: `https://${host}${pathname}`,
    };
    await sendAndReceive(env);
    expect(targets()).toEqual([host]);
  } finally {
    secure.close();
    secure.closeAllConnections();
  }
});

test("the stack on this machine is reached without it", async () => {
  const env = { HTTP_PROXY: at(), CDKTF_OUTDIR: join(folder, "demo") };
  const demo = run(process.execPath, ["--import", "tsx", "local/demo.ts", "package.json"], {
    cwd: ROOT,
    env,
  });
  expect(await demo.ended).toMatchObject({ code: 0 });
  expect(targets()).toEqual([]);
});

const failures = [
  [
    "407 Proxy Authentication Required",
    "asks for a user and a password, or for others: give them in the variable",
  ],
  [
    "403 Forbidden",
    "refuses to connect to 127.0.0.1:PORT (403): ask its owner, or add the host to NO_PROXY.",
  ],
] as const;

test.each(failures)("a proxy that answers %s is named, without its password", async (answer, says) => {
  refusal = answer;
  const env = { HTTP_PROXY: at("user:secret@") };
  writeFileSync(join(folder, "cat.txt"), "cat");
  for (const [args, of] of [
    [["produce", "cat.txt"], "apiUrl"],
    [["consume", "--out", "received", "--once"], "queueUrl"],
    [["dlq", "list"], "deadLetterQueueUrl"],
  ] as const) {
    const { code, stderr } = await tweedle(args, { env }).ended;
    const sentence = `The proxy ${at()} ${says.replace("PORT", String(portIn(chain()[of])))}`;
    expect([code, stderr]).toEqual([1, expect.stringContaining(sentence)]);
    expect(stderr).not.toContain("secret");
    expect(stderr.trim().split("\n")).toHaveLength(1);
  }
});

test("a proxy that is not there, or whose URL is none, is named, without its password", async () => {
  const closed = createServer().listen(0, "127.0.0.1");
  await once(closed, "listening");
  const url = `http://127.0.0.1:${portOf(closed)}`;
  closed.close();
  const env = { HTTP_PROXY: url.replace("//", "//user:secret@") };
  for (const args of [
    ["produce", "cat.txt"],
    ["dlq", "list"],
  ]) {
    const { code, stderr } = await tweedle(args, { env }).ended;
    expect([code, stderr]).toEqual([1, expect.stringContaining(`The proxy ${url} cannot be reached: `)]);
    expect(stderr).not.toContain("secret");
  }
  const wrong = await tweedle(["produce", "cat.txt"], {
    env: { HTTP_PROXY: "socks5://user:secret@proxy:1080" },
  }).ended;
  expect([wrong.code, wrong.stderr]).toEqual([
    1,
    'cat.txt: The proxy in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY must be a URL that begins with http:// or https://, not "socks5://…@proxy:1080".\n',
  ]);
});
