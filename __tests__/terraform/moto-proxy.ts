import { once } from "node:events";
import { type IncomingHttpHeaders, type IncomingMessage, createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { isDeepStrictEqual } from "node:util";
import { actionOf } from "./actions";

/** A request that went through the proxy, and the status that moto answered. */
export interface Passed {
  /** What IAM calls it: s3:PutBucketPolicy. */
  readonly action: string;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** The parameters, of JSON or of a form; S3's XML is left out. */
  readonly input: Readonly<Record<string, unknown>>;
  readonly status: number;
  readonly output: string;
}

export interface MotoProxy {
  readonly url: string;
  /** Every request so far, in the order of the answers. */
  readonly passed: readonly Passed[];
  /** Who is told of each request; whoever asked gets the answer after that. */
  watch: ((passed: Passed) => Promise<void>) | undefined;
  readonly stop: () => Promise<void>;
}

type Attributes = Readonly<Record<string, string>>;

const INTEGRATION = "x-amazon-apigateway-integration";

/** What of an operation's input is read or mended. */
interface Input {
  readonly Name?: string;
  readonly QueueName?: string;
  readonly QueueUrl?: string;
  readonly Attributes?: Attributes;
  readonly Statement?: readonly { readonly Effect: string; readonly Condition?: object }[];
  readonly paths?: Readonly<Record<string, Readonly<Record<string, { readonly [INTEGRATION]?: object }>>>>;
}

/** What is done about one operation. */
interface Mend {
  /** Changes the input on its way to moto. */
  readonly input?: (input: Input) => Input;
  /** Is told of an input that moto took, before it was changed. */
  readonly taken?: (input: Input, path: string, body: string) => void;
  /** Changes moto's output on its way back. */
  readonly output?: (output: string, input: Input, path: string) => string;
}

/** moto 5's mistakes in what is asked of it here, by operation. */
function createMends(): Readonly<Record<string, Mend>> {
  // A trail may be named by its ARN. By that, moto starts none (500), and deletes none (200).
  const trailByName: Mend = { input: (input) => ({ ...input, Name: lastSegment(input.Name) }) };

  /** The buckets' policies as they were set, by the buckets' paths. */
  const policies = new Map<string, Input>();

  /** The buckets' lifecycles as they were set, by the buckets' paths. */
  const lifecycles = new Map<string, string>();

  /** The buckets' notifications as they were set, by the buckets' paths. */
  const notifications = new Map<string, string>();

  /** The queues' attributes as they were set, by the queues' names. */
  const queues = new Map<string, Attributes>();
  const nameOf = ({ QueueName, QueueUrl }: Input) => QueueName ?? lastSegment(QueueUrl);
  const remember: Mend = {
    taken: (input) => queues.set(nameOf(input), { ...queues.get(nameOf(input)), ...input.Attributes }),
  };

  return {
    StartLogging: trailByName,
    DeleteTrail: trailByName,
    PutBucketPolicy: {
      // To moto no condition holds, and a statement whose condition does not hold denies: a bucket that denies plain
      // HTTP denies everything. Of what is allowed, moto only looks whether S3's log service may write.
      input: ({ Statement = [], ...policy }) => ({
        ...policy,
        Statement: Statement.filter(({ Effect, Condition }) => Effect === "Allow" || !Condition),
      }),
      taken: (policy, path) => policies.set(path, policy),
    },
    GetBucketPolicy: {
      output: (output, _, path) => JSON.stringify(policies.get(path)) ?? output,
    },
    PutBucketLifecycleConfiguration: {
      // moto takes how many old versions are kept, and forgets it.
      taken: (_, path, body) => lifecycles.set(path, body),
    },
    GetBucketLifecycleConfiguration: {
      output: (output, _, path) => lifecycles.get(path) ?? output,
    },
    PutBucketNotificationConfiguration: {
      // moto accepts EventBridge as a target, and forgets it.
      taken: (_, path, body) => notifications.set(path, body),
    },
    GetBucketNotificationConfiguration: {
      output: (output, _, path) => notifications.get(path) ?? output,
    },
    ListObjectVersions: {
      // Asked for keys as in a URL, since XML cannot hold all of them, moto gives them as they are. A bucket that is
      // destroyed with its objects needs this where a key holds "%".
      output: (output) => output.replace(/(?<=<Key>)[^<]*/g, (key) => encodeURIComponent(fromXml(key))),
    },
    CreateQueue: remember,
    SetQueueAttributes: remember,
    DeleteQueue: {
      taken: (input) => queues.delete(nameOf(input)),
    },
    GetQueueAttributes: {
      output(output, input) {
        const { Attributes: attributes = {} } = JSON.parse(output) as { Attributes?: Record<string, string> };
        for (const [name, value] of Object.entries(queues.get(nameOf(input)) ?? {})) {
          const answered = attributes[name];
          // moto takes RedriveAllowPolicy and forgets it.
          const forgotten = name === "RedriveAllowPolicy" && value !== "";
          // moto answers JSON with white space of its own, where SQS answers it as it was set. Whatever else moto
          // changes stays as moto says it.
          const respaced = name.endsWith("Policy") && answered && isSameJson(answered, value);
          if (forgotten || respaced) attributes[name] = value;
        }
        return JSON.stringify({ Attributes: attributes });
      },
    },
    PutRestApi: {
      // A mock integration calls nobody. moto answers 500 to one that does not say whom, and by what method.
      input: ({ paths = {}, ...definition }) => ({
        ...definition,
        paths: mapValues(paths, (operations) =>
          mapValues(operations, ({ [INTEGRATION]: integration, ...operation }) => ({
            ...operation,
            ...(integration && { [INTEGRATION]: { uri: "", httpMethod: "", ...integration } }),
          })),
        ),
      }),
    },
  };
}

/** An operation's input, by the names of its parameters. */
function inputOf(body: Buffer): Readonly<Record<string, unknown>> {
  const text = body.toString();
  if (text.startsWith("{")) return JSON.parse(text) as Record<string, unknown>;
  return text.startsWith("Action=") ? Object.fromEntries(new URLSearchParams(text)) : {};
}

const lastSegment = (path = "") => path.split("/").at(-1) ?? "";

const isSameJson = (a: string, b: string) => isDeepStrictEqual(JSON.parse(a), JSON.parse(b));

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };
const fromXml = (text: string) =>
  text.replace(/&(\w+);/g, (entity, name: string) => ENTITIES[name] ?? entity);

const mapValues = <From, To>(
  record: Readonly<Record<string, From>>,
  map: (value: From) => To,
): Record<string, To> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value)]));

function operationOf(method: string, { pathname, searchParams }: URL, headers: IncomingHttpHeaders): string {
  if (method === "PUT" && /^\/restapis\/[^/]+$/.test(pathname)) return "PutRestApi";
  if (method === "PUT" && searchParams.has("policy")) return "PutBucketPolicy";
  if (method === "GET" && searchParams.has("policy")) return "GetBucketPolicy";
  if (method === "PUT" && searchParams.has("lifecycle")) return "PutBucketLifecycleConfiguration";
  if (method === "GET" && searchParams.has("lifecycle")) return "GetBucketLifecycleConfiguration";
  if (method === "PUT" && searchParams.has("notification")) return "PutBucketNotificationConfiguration";
  if (method === "GET" && searchParams.has("notification")) return "GetBucketNotificationConfiguration";
  if (searchParams.has("versions") && searchParams.get("encoding-type") === "url")
    return "ListObjectVersions";
  // AmazonSQS.CreateQueue, or the like: https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html
  return String(headers["x-amz-target"]).split(".").at(-1) ?? "";
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Sends a request on. With node:http, since `fetch` lets nobody choose the host: moto builds queues' URLs from it. */
async function send(method: string, url: URL, incoming: IncomingHttpHeaders, body: Buffer): Promise<Answer> {
  const { "transfer-encoding": _, expect: __, ...headers } = incoming;
  const call = request(url, { method, headers: { ...headers, "content-length": body.length } }).end(body);
  const [answer] = (await once(call, "response")) as [IncomingMessage];
  return { status: answer.statusCode ?? 500, headers: answer.headers, body: await buffer(answer) };
}

/**
 * Starts a proxy in front of moto that mends what keeps the real AWS provider from working with it. Everything
 * else passes as it is.
 *
 * @param motoUrl where moto listens
 */
export async function startMotoProxy(motoUrl: string): Promise<MotoProxy> {
  const mends = createMends();
  const passed: Passed[] = [];

  async function pass(
    { method = "GET", url: target = "/", headers }: IncomingMessage,
    body: Buffer,
  ): Promise<Answer> {
    const url = new URL(target, motoUrl);
    const mend = mends[operationOf(method, url, headers)];
    const isJson = mend !== undefined && body.toString("latin1", 0, 1) === "{";
    const input = isJson ? (JSON.parse(body.toString()) as Input) : {};
    const answer = await send(
      method,
      url,
      headers,
      mend?.input ? Buffer.from(JSON.stringify(mend.input(input))) : body,
    );
    const one = {
      action: actionOf(method, url, headers, body),
      method,
      path: url.pathname,
      input: inputOf(body),
      status: answer.status,
      output: answer.body.toString(),
    };
    passed.push(one);
    await proxy.watch?.(one);
    if (answer.status >= 300 || !mend) return answer;
    mend.taken?.(input, url.pathname, body.toString());
    if (!mend.output) return answer;
    return { ...answer, body: Buffer.from(mend.output(answer.body.toString(), input, url.pathname)) };
  }

  const server = createServer((incoming, outgoing) => {
    buffer(incoming)
      .then((body) => pass(incoming, body))
      .then(({ status, headers: { "transfer-encoding": _, ...headers }, body }) => {
        // The answer to a HEAD has a length, and no body.
        const length = incoming.method === "HEAD" ? {} : { "content-length": body.length };
        outgoing.writeHead(status, { ...headers, ...length }).end(body);
      })
      .catch((error: unknown) => {
        console.error(error);
        outgoing.destroy();
      });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const proxy: MotoProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    passed,
    watch: undefined,
    async stop() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return proxy;
}
