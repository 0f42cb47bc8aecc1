import { Agent as HttpAgent, type AgentOptions, type ClientRequestArgs } from "node:http";
import { Agent as HttpsAgent, type RequestOptions } from "node:https";
import type { Duplex } from "node:stream";
import { HttpProxyAgent, HttpsProxyAgent } from "hpagent";
import { getProxyForUrl } from "proxy-from-env";
import { quote } from "../common/quote";
import { TweedleError } from "./errors";

/** How long a proxy may take to connect, in milliseconds, where the request does not say. */
const CONNECT_TIMEOUT_MS = 60_000;

type OnConnected = (error: Error | null, socket: Duplex) => void;

/** Agent for HTTP that connects through the proxies of the environment. */
export class ProxiedHttpAgent extends HttpAgent {
  readonly #tunnels = new Tunnels("http:", (options) => new HttpProxyAgent(options));

  override createConnection(options: ClientRequestArgs, onConnected?: OnConnected) {
    if (onConnected && this.#tunnels.connect(options, onConnected)) return undefined;
    return super.createConnection(options, onConnected);
  }
}

/** Agent for HTTPS that connects through the proxies of the environment. */
export class ProxiedHttpsAgent extends HttpsAgent {
  readonly #tunnels = new Tunnels("https:", (options) => new HttpsProxyAgent(options));

  override createConnection(options: RequestOptions, onConnected?: OnConnected) {
    if (onConnected && this.#tunnels.connect(options, onConnected)) return undefined;
    return super.createConnection(options, onConnected);
  }
}

/**
 * Connections by CONNECT through the proxies of HTTPS_PROXY, HTTP_PROXY and ALL_PROXY, but for the hosts of NO_PROXY. The
 * environment is read for each.
 *
 * https://www.rfc-editor.org/rfc/rfc9110#CONNECT
 */
class Tunnels {
  readonly #agents = new Map<string, HttpAgent>();

  constructor(
    private readonly protocol: "http:" | "https:",
    private readonly agentOf: (options: AgentOptions & { readonly proxy: URL }) => HttpAgent,
  ) {}

  /**
   * Connects to a host through its proxy.
   *
   * @returns whether it has one
   * @throws TweedleError Invalid, where the environment's URL of it is none
   */
  connect(options: ClientRequestArgs, onConnected: OnConnected): boolean {
    const { host, port } = options;
    const target = `${host?.includes(":") ? `[${host}]` : host}:${port}`;
    const url = getProxyForUrl(`${this.protocol}//${target}`);
    if (url === "") return false;
    const proxy = parseProxy(url);
    const agent = this.#agents.get(url) ?? this.agentOf({ proxy, keepAlive: true });
    this.#agents.set(url, agent);
    const bounded = { ...options, timeout: options.timeout ?? CONNECT_TIMEOUT_MS };
    agent.createConnection(bounded, (error, socket) =>
      onConnected(error && proxyError(proxy, target, error), socket),
    );
    return true;
  }
}

function parseProxy(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && /^https?:$/.test(url.protocol) && url.hostname !== "") return url;
  const shown = quote(text.replace(/^(.*:\/\/)?.*@/, "$1…@"));
  const of = "The proxy in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY";
  throw new TweedleError(
    "Invalid",
    `${of} must be a URL that begins with http:// or https://, not ${shown}.`,
  );
}

/** Describes a failure of a proxy, which is named without user and password. The library puts its status into a message. */
function proxyError({ protocol, host }: URL, target: string, cause: Error): Error {
  const name = `The proxy ${protocol}//${host}`;
  const status = Number(/^Bad response: (\d{3})$/.exec(cause.message)?.[1] ?? 0);
  if (status === 407) {
    const how = "give them in the variable, as http://USER:PASSWORD@HOST:PORT";
    return new TweedleError("Refused", `${name} asks for a user and a password, or for others: ${how}.`, {
      cause,
    });
  }
  if (status > 0 && status < 500) {
    const how = "ask its owner, or add the host to NO_PROXY";
    return new TweedleError("Refused", `${name} refuses to connect to ${target} (${status}): ${how}.`, {
      cause,
    });
  }
  const what = status > 0 ? `cannot connect to ${target} (${status})` : `cannot be reached: ${cause.message}`;
  const { code = status > 0 ? "ECONNREFUSED" : "ETIMEDOUT" } = cause as NodeJS.ErrnoException;
  return Object.assign(new Error(`${name} ${what}`, { cause }), { code });
}
