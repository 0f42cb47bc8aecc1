import { connect } from "node:tls";
import { getProxyForUrl } from "proxy-from-env";
import type { NetworkError } from "./errors";

/** How long a port may take for a TLS handshake before it counts as one without TLS, in milliseconds. */
const HANDSHAKE_TIMEOUT_MS = 3000;

/**
 * What is wrong with a URL, in a sentence, by the error that the first request to its host failed with; undefined where
 * the URL may be right, and the same request succeed later.
 */
export async function mistakeIn(
  { protocol, host, hostname, port, href }: URL,
  error: NetworkError,
): Promise<string | undefined> {
  const { code } = error;
  const isSecure = protocol === "https:";
  if (code === "ENOTFOUND" || code === "ECONNREFUSED")
    return `${error.message}. Check the URL${getProxyForUrl(href) ? " and the proxy" : ""}.`;
  if (isSecure && error.isCertificate) {
    return `the certificate of ${host} is not accepted (${error.message}). Check the URL; for a certificate authority of your own set NODE_EXTRA_CA_CERTS.`;
  }
  if (isSecure && /^(EPROTO$|ERR_SSL_)/.test(code)) {
    return `${host} does not speak TLS as expected. Is it an http:// URL?`;
  }
  if (!isSecure && code.startsWith("HPE_")) return `${host} does not speak HTTP. Is it an https:// URL?`;
  // A TLS server closes a connection that begins with plain HTTP, as a network does that breaks.
  if (
    !isSecure &&
    code === "ECONNRESET" &&
    (await speaksTls(hostname.replace(/^\[|\]$/g, ""), Number(port) || 80))
  )
    return `${host} speaks TLS. Use https:// in place of http://.`;
  return undefined;
}

/** Whether a port answers a TLS handshake, with whatever certificate: nothing is sent to it. */
function speaksTls(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, rejectUnauthorized: false, timeout: HANDSHAKE_TIMEOUT_MS });
    const end = (result: boolean) => {
      socket.destroy();
      resolve(result);
    };
    socket.once("secureConnect", () => end(true));
    socket.once("timeout", () => end(false));
    socket.on("error", () => end(false));
  });
}
