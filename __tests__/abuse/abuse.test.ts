import { once } from "node:events";
import { connect } from "node:net";
import { type IncomingMessage, type OutgoingHttpHeaders, request as httpRequest } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { App } from "cdktf";
import { createHandler as createSender } from "../../functions/send-message/handler";
import type { Environment } from "../../functions/sign-url/environment";
import { createHandler as createSigner } from "../../functions/sign-url/handler";
import type { ProxyEvent, ProxyHandler } from "../../functions/sign-url/proxy";
import { type Chain, start } from "../../local/chain";
import { STAGES } from "../../main";
import { ProducerConsumerStack } from "../../stacks/producer-consumer-stack";
import { type StageConfig, stackName } from "../../stacks/stage";
import { Consumer, ask, temporaryFolder } from "../local/tools";
import { CREDENTIALS } from "../send-message/tools";
import { ENVIRONMENT, KEY } from "../sign-url/tools";
import { ABUSES, type Abuse, abusesOfCap } from "./cases";

/*
 * What attackers send, asked of the handlers and once more, by HTTP, of the running chain: never a URL, never a
 * message, never a word of ours in the answer, and what comes after is served.
 */

const [DEV, PROD] = ["dev", "prod"].map((stage) => STAGES.find((config) => config.stage === stage)) as [
  StageConfig,
  StageConfig,
];
const CAP = PROD.maxObjectBytes ?? 0;

interface Refusal {
  readonly status: number;
  /** In lower case. */
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

/** Names of ours that no answer may hold: they would help whoever asks. */
const SECRETS =
  /X-Amz|amazonaws|AKIDEXAMPLE|tweedle-(?:dev|prod|test)-|123456789012|AKIA|ASIA|node_modules|\bat .*[.][jt]s:\d|127\.0\.0\.1/;

/** What of a refusal matters to who gets it. */
function tell({ status, headers, body }: Refusal) {
  const { error, ...rest } = JSON.parse(body) as { error: Record<"code" | "message", string> };
  const { code, message, request_id: id, ...others } = error as typeof error & { request_id?: string };
  return {
    status,
    code,
    saysWhy: /^.{10,700}\.$/s.test(message),
    hasId: id === undefined || /^[0-9a-f-]{36}$/.test(id),
    others: { ...rest, ...others },
    // The request's id is API Gateway's, and random.
    secret: SECRETS.exec(id === undefined ? body : body.replace(id, ""))?.[0],
    type: String(headers["content-type"]).split(";")[0],
    stored: headers["cache-control"],
    sniffed: headers["x-content-type-options"],
    betraying: Object.keys(headers).filter((name) =>
      /^(set-cookie|server|x-powered-by|access-control)/.test(name),
    ),
  };
}

/** A refusal as every caller gets it: JSON with a code and a sentence, which nobody stores or sniffs. */
const refused = (status: number, code: string): ReturnType<typeof tell> => ({
  status,
  code,
  saysWhy: true,
  hasId: true,
  others: {},
  secret: undefined,
  type: "application/json",
  stored: "no-store",
  sniffed: "nosniff",
  betraying: [],
});

const textOf = (body: unknown) => (typeof body === "string" || body === null ? body : JSON.stringify(body));
const named = (abuses: readonly Abuse[]) =>
  abuses.map(([what, path, body, status, code]) => ({
    name: `${what} (POST ${path})`,
    path,
    body,
    status,
    code,
  }));
const OPEN_ABUSES = named(ABUSES);
const CAPPED_ABUSES = named(abusesOfCap(CAP));
type Named = (typeof OPEN_ABUSES)[number];

test("There are hundreds of them, and no two are the same", () => {
  const all = [...OPEN_ABUSES, ...CAPPED_ABUSES].map(({ name }) => name);
  expect(all.length).toBeGreaterThan(400);
  expect(all.filter((name, index) => all.indexOf(name) !== index)).toEqual([]);
});

describe("Asked directly, a handler refuses", () => {
  const sent: unknown[] = [];
  const sender = (maxObjectBytes: number | undefined): ProxyHandler =>
    createSender(
      {
        queueUrl: new URL("http://127.0.0.1:1/123456789012/tweedle-test-queue"),
        region: "eu-central-1",
        credentials: CREDENTIALS,
        maxObjectBytes,
      },
      { fetch: (...request) => Promise.reject(new Error(String(sent.push(request)))) },
    );
  const event = (path: string, body: unknown, changes: Partial<ProxyEvent> = {}): ProxyEvent => ({
    httpMethod: "POST",
    resource: path,
    headers: {},
    body: textOf(body),
    isBase64Encoded: false,
    ...changes,
  });
  const signer = (changes: Partial<Environment>) =>
    createSigner({ ...ENVIRONMENT, ...changes }, { openApi: () => "{}" });
  const open = { signer: signer({ bucketName: "tweedle-dev-content" }), sender: sender(undefined) };
  const capped = {
    signer: signer({ bucketName: "tweedle-prod-content", roles: ["producer"], maxObjectBytes: CAP }),
    sender: sender(CAP),
  };

  const askOf = async (handler: ProxyHandler, request: ProxyEvent) => {
    const { statusCode: status, headers = {}, body } = await handler(request);
    return tell({ status, headers, body });
  };
  /** An error is JSON whatever the caller would rather have. */
  const askTwice = async (handlers: typeof open, { path, body }: Named) => {
    const handler = path === "/sendMessage" ? handlers.sender : handlers.signer;
    const asText = event(path, body, { headers: { Accept: "text/plain" } });
    return [await askOf(handler, event(path, body)), await askOf(handler, asText)];
  };

  test.each(OPEN_ABUSES)("$name", async (abuse) => {
    const refusal = refused(abuse.status, abuse.code);
    expect(await askTwice(open, abuse)).toEqual([refusal, refusal]);
    expect(sent).toEqual([]);
  });

  test.each(CAPPED_ABUSES)("$name, where the stage caps and consumers sign", async (abuse) => {
    const refusal = refused(abuse.status, abuse.code);
    expect(await askTwice(capped, abuse)).toEqual([refusal, refusal]);
  });

  test.each([
    ["bytes that are no UTF-8", Buffer.from('{"object_key":"\xff"}', "latin1")],
    ["UTF-8 that is longer than it need be", Buffer.from([0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x7d])],
    ["half a pair in UTF-8", Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])],
    ["UTF-16", Buffer.from('{"object_key":"a"}', "utf16le")],
    ["gzip", gzipSync('{"object_key":"a"}')],
  ])("%s, in base64", async (_, bytes) => {
    for (const [path, handler] of [
      ["/putObject", open.signer],
      ["/sendMessage", open.sender],
    ] as const) {
      const request = event(path, bytes.toString("base64"), { isBase64Encoded: true });
      expect(await askOf(handler, request)).toEqual(refused(400, "InvalidJson"));
    }
  });
});

describe("By HTTP, the chain refuses", () => {
  const outdir = temporaryFolder();
  let open: Chain;
  let capped: Chain;

  beforeAll(async () => {
    // Throttled, most of them would be told 429.
    const quick = { throttlingRateLimit: 10_000, throttlingBurstLimit: 5_000 };
    const app = new App({ outdir });
    for (const config of [DEV, PROD]) {
      new ProducerConsumerStack(app, stackName(config.stage), { ...config, ...quick });
    }
    app.synth();
    [open, capped] = (await Promise.all(
      [DEV, PROD].map(({ stage }) => start({ stack: join(outdir, "stacks", stackName(stage)) })),
    )) as [Chain, Chain];
  });

  afterAll(() => Promise.all([open, capped].map((chain) => chain.stop())));

  /** A request whose target and headers are sent as they are: `fetch` would tidy them. */
  async function http(
    chain: Chain,
    method: string,
    path: string,
    body: string | Buffer = "",
    headers: OutgoingHttpHeaders = {},
  ): Promise<Refusal> {
    const { hostname, port, pathname } = new URL(chain.apiUrl);
    const sent = httpRequest({ hostname, port, method, path: pathname + path, headers }).end(body);
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    return { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) };
  }

  /** What the next caller gets. */
  async function next(chain: Chain) {
    const { status, url } = await ask(chain, "/putObject", { object_key: "next", content_length: 1 });
    return status === 200 && new URL(url).origin === chain.s3Endpoint ? "a URL" : status;
  }

  const post = async (chain: Chain, { path, body }: Named) =>
    tell(await http(chain, "POST", path === "/" ? "" : path, textOf(body) ?? ""));

  test.each(OPEN_ABUSES)("$name", async (abuse) => {
    expect(await post(open, abuse)).toEqual(refused(abuse.status, abuse.code));
    expect(await next(open)).toBe("a URL");
  });

  test.each(CAPPED_ABUSES)("$name, where the stage caps and consumers sign", async (abuse) => {
    expect(await post(capped, abuse)).toEqual(refused(abuse.status, abuse.code));
    expect(await next(capped)).toBe("a URL");
  });

  test("all of that without a message on the queue, but S3's own first", async () => {
    for (const chain of [open, capped]) {
      const consumer = new Consumer(chain);
      const bodies = (await consumer.receiveMany(10)).map(({ Body = "" }) => Body);
      expect(bodies).toEqual([expect.stringContaining("s3:TestEvent")]);
      consumer.sqs.destroy();
    }
  });

  const FIT = '{"object_key":"a"}';
  test.each<
    [
      method: string,
      path: string,
      status: number,
      code: string,
      body?: string | Buffer,
      headers?: OutgoingHttpHeaders,
    ]
  >([
    ["POST", "/putObject/", 404, "NoSuchRoute"],
    ["POST", "/PUTOBJECT", 404, "NoSuchRoute"],
    ["POST", "/%70utObject", 404, "NoSuchRoute"],
    ["POST", "/putObject%00", 404, "NoSuchRoute"],
    ["POST", "/putObject%20", 404, "NoSuchRoute"],
    ["POST", "/putObject;a=b", 404, "NoSuchRoute"],
    ["POST", "/putObject.json", 404, "NoSuchRoute"],
    ["POST", "/putObject%2f..%2fgetObject", 404, "NoSuchRoute"],
    ["POST", "//putObject", 404, "NoSuchRoute"],
    ["POST", "/constructor", 404, "NoSuchRoute"],
    ["POST", "/__proto__", 404, "NoSuchRoute"],
    ["POST", "/%7Bproxy+%7D", 404, "NoSuchRoute"],
    ["POST", "/signer", 404, "NoSuchRoute"],
    ["GET", "/.env", 404, "NoSuchRoute"],
    ["GET", "/.git/config", 404, "NoSuchRoute"],
    ["GET", "/openapi.json/", 404, "NoSuchRoute"],
    ["GET", "/openapi.yaml", 404, "NoSuchRoute"],
    ["GET", "/index.js", 404, "NoSuchRoute"],
    ["GET", "/putObject?object_key=a", 405, "MethodNotAllowed"],
    ["PUT", "/putObject", 405, "MethodNotAllowed"],
    ["DELETE", "/deleteObject", 405, "MethodNotAllowed"],
    ["PATCH", "/putObject", 405, "MethodNotAllowed"],
    ["OPTIONS", "/putObject", 405, "MethodNotAllowed"],
    ["TRACE", "/putObject", 405, "MethodNotAllowed"],
    ["PROPFIND", "/putObject", 405, "MethodNotAllowed"],
    ["GET", "/putObject", 405, "MethodNotAllowed", "", { "x-http-method-override": "POST" }],
    ["POST", "/putObject?object_key=a", 400, "InvalidJson"],
    ["POST", "?action=putObject&object_key=a", 400, "InvalidJson"],
    ["POST", "/putObject", 400, "InvalidJson", gzipSync(FIT), { "content-encoding": "gzip" }],
    ["POST", "/putObject", 400, "InvalidJson", Buffer.from(FIT, "utf16le")],
    [
      "POST",
      "/putObject",
      400,
      "InvalidJson",
      "object_key=a",
      { "content-type": "application/x-www-form-urlencoded" },
    ],
    [
      "POST",
      "/putObject",
      400,
      "InvalidJson",
      `--x\r\n\r\n${FIT}\r\n--x--`,
      { "content-type": "multipart/form-data; boundary=x" },
    ],
    ...["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"].flatMap(
      (type) =>
        ["/", "/putObject", "/sendMessage", "/getObject"].map(
          (path) =>
            [
              "POST",
              path === "/" ? "" : path,
              415,
              "UnsupportedMediaType",
              FIT,
              { origin: "null", "content-type": type },
            ] as [string, string, number, string, string, OutgoingHttpHeaders],
        ),
    ),
    ["POST", "/putObject", 413, "RequestTooLarge", "[".repeat(1_000_000)],
    ["POST", "/sendMessage", 413, "RequestTooLarge", "{".repeat(5_000_000)],
    ["POST", "/putObject", 413, "RequestTooLarge", Buffer.alloc(11_000_000)],
    // API Gateway binds a path to its own method: nobody's tool chooses another.
    ["PUT", "", 405, "MethodNotAllowed", "", { "x-amz-target": "Tweedle.putObject" }],
  ])("%s %s with %i %s", async (method, path, status, code, body = "", headers = {}) => {
    expect(tell(await http(open, method, path, body, headers))).toEqual(refused(status, code));
    expect(await next(open)).toBe("a URL");
  });

  test.each(["getObject", "headObject", "deleteObject"])(
    "an unsigned %s where consumers sign, whatever it says",
    async (action) => {
      for (const [body, headers] of [
        [JSON.stringify({ object_key: KEY }), {}],
        ["", {}],
        ["{", {}],
        [JSON.stringify({ object_key: KEY }), { authorization: "Bearer x" }],
        [
          JSON.stringify({ object_key: KEY }),
          { authorization: "AWS4-HMAC-SHA256 Credential=/////, SignedHeaders=, Signature=" },
        ],
        [
          JSON.stringify({ object_key: KEY }),
          { "x-amz-security-token": "x", "x-api-key": "x", cookie: "a=b" },
        ],
      ] as const) {
        const { status, body: said } = await http(capped, "POST", `/${action}`, body, headers);
        expect([status, (JSON.parse(said) as { error: { code: string } }).error.code]).toEqual([
          403,
          "AccessDenied",
        ]);
        expect(said).not.toMatch(SECRETS);
      }
      const byQuery = await http(
        capped,
        "POST",
        `/${action}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=x`,
        "{}",
      );
      expect(byQuery.status).toBe(403);
      expect(await next(capped)).toBe("a URL");
    },
  );

  // Two readings of one request are how a second one is smuggled past a proxy.
  const smuggled = `POST /dev/putObject HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${FIT.length}\r\n\r\n${FIT}`;
  test.each([
    ["a length and chunks", `content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`],
    ["two lengths", `content-length: 0\r\ncontent-length: ${smuggled.length}\r\n\r\n${smuggled}`],
    ["a length that is none", `content-length: +5\r\n\r\n${FIT}`],
    ["a length below zero", `content-length: -1\r\n\r\n${FIT}`],
    ["chunks of another name", `transfer-encoding: xchunked\r\n\r\n${FIT}`],
    ["a chunk of no size", `transfer-encoding: chunked\r\n\r\nzz\r\n${FIT}\r\n0\r\n\r\n`],
    ["a space before a colon", `content-length : 5\r\n\r\n${FIT}`],
    ["a folded header", `x: a\r\n b\r\ncontent-length: ${FIT.length}\r\n\r\n${FIT}`],
    ["a null in a header", `x: a\0b\r\ncontent-length: ${FIT.length}\r\n\r\n${FIT}`],
    ["headers of 100 KB", `x: ${"a".repeat(100_000)}\r\ncontent-length: ${FIT.length}\r\n\r\n${FIT}`],
    ["a line that is no request", "\r\n", "PRI * HTTP/2.0"],
    [
      "a name of another's",
      `content-length: ${FIT.length}\r\n\r\n${FIT}`,
      "POST /dev/putObject HTTP/1.1",
      "evil.example",
    ],
  ])(
    "%s, with no answer that anybody could use",
    async (_, rest, line = "POST /dev/putObject HTTP/1.1", host = "localhost") => {
      const { hostname, port } = new URL(open.apiUrl);
      const socket = connect(Number(port), hostname);
      socket.on("error", () => undefined);
      socket.setTimeout(2000, () => socket.destroy());
      socket.end(`${line}\r\nhost: ${host}\r\n${rest}`);
      const answer = await text(socket).catch(() => "");
      expect(answer).not.toMatch(/^HTTP\/1\.1 2|X-Amz-Signature/m);
      expect(answer).not.toMatch(SECRETS);
      expect(await next(open)).toBe("a URL");
    },
  );
});
