/** The sockets of one host and port: every address that the name has, all or none. */
import { lookup } from "node:dns/promises";
import { createServer, isIP, type Server, type Socket } from "node:net";
import { messageOf } from "../common/index.ts";
import { httpErrors } from "./errors.ts";

/** What `host` stands for; undefined is every address of the machine. */
async function addressesOf(host: string): Promise<readonly (string | undefined)[]> {
  if (host === "*") return [undefined];
  if (isIP(host) !== 0) return [host];
  try {
    const found = await lookup(host, { all: true });
    return [...new Set(found.map(({ address }) => address))];
  } catch (error) {
    throw httpErrors.address(`the address of "${host}" cannot be found: ${messageOf(error)}`, { host }, error);
  }
}

function listen(address: string | undefined, port: number, accept: (socket: Socket) => void): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ noDelay: true }, accept);
    server.once("error", reject);
    server.listen({ port, ...(address === undefined ? {} : { host: address }) }, () => {
      server.off("error", reject);
      // Nothing that happens to a listening socket may end the daemon.
      server.on("error", () => undefined);
      resolve(server);
    });
  });
}

/** An address that a name has although the machine does not (IPv6 switched off) is left out, if another one is there. */
const isAbsent = (error: unknown): boolean => ["EADDRNOTAVAIL", "EAFNOSUPPORT"].includes((error as NodeJS.ErrnoException).code ?? "");

export interface BoundSockets {
  /** Where it listens, for the log: `127.0.0.1:5001`. */
  readonly shown: readonly string[];
  /** The port, also where 0 was asked for. */
  readonly port: number;
  close(): void;
}

const shownAs = (server: Server): string => {
  const address = server.address();
  if (address === null || typeof address === "string") return String(address);
  return address.family === "IPv6" ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`;
};

/** Listens on all addresses of `host`. Throws METRICS_ADDRESS, and then listens on none. */
export async function bind(host: string, port: number, accept: (socket: Socket) => void): Promise<BoundSockets> {
  const servers: Server[] = [];
  let absent: unknown;
  try {
    for (const address of await addressesOf(host)) {
      try {
        servers.push(await listen(address, port, accept));
      } catch (error) {
        if (!isAbsent(error)) throw error;
        absent = error;
      }
    }
    const [first] = servers;
    const address = first?.address();
    if (first === undefined || address === null || address === undefined || typeof address === "string") {
      throw httpErrors.address(`"${host}" is no address of this machine`, { host, port }, absent);
    }
    return {
      shown: servers.map(shownAs),
      port: address.port,
      close: () => {
        for (const server of servers) server.close();
      },
    };
  } catch (error) {
    for (const server of servers) server.close();
    if (httpErrors.address.is(error)) throw error;
    throw httpErrors.address(`cannot listen on ${host} port ${port}: ${messageOf(error)}`, { host, port }, error);
  }
}
