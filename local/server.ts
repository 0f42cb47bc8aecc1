import { once } from "node:events";
import { type RequestListener, type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** Where everything of the local chain listens: nobody else's machine reaches it. */
export const HOST = "127.0.0.1";

const LOCAL_HOST = /^(127\.0\.0\.1|localhost)(:\d+)?$/;

/** A mistake of the person who starts the chain: told in one line. */
export class StartError extends Error {
  override readonly name = "StartError";
}

/**
 * Listens on a port of this machine.
 *
 * @param port 0 for any that is free
 * @param what what is served, for the sentence when the port is taken
 * @throws StartError where the port cannot be had
 */
export async function listen(listener: RequestListener, port: number, what: string): Promise<Server> {
  const server = createServer((request, response) => {
    // A page whose own name suddenly leads to this machine (DNS rebinding) still says that name.
    if (LOCAL_HOST.test(request.headers.host ?? "")) return listener(request, response);
    response.writeHead(403, { connection: "close" }).end();
  });
  // A payload of gigabytes takes longer than Node's five minutes for a request.
  server.requestTimeout = 0;
  server.listen(port, HOST);
  try {
    await once(server, "listening");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new StartError(
      code === "EADDRINUSE"
        ? `Port ${port}, for ${what}, is taken. Stop what uses it, or choose others with --port.`
        : `Cannot listen on port ${port}, for ${what}: ${code}. Choose others with --port.`,
      { cause: error },
    );
  }
  return server;
}

export const urlOf = (server: Server) => `http://${HOST}:${(server.address() as AddressInfo).port}`;

/** Stops a server at once: long polls and kept-alive connections are cut. */
export async function close(server: Server): Promise<void> {
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
}
