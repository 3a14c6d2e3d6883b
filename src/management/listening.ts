/** Listens on all addresses that a host name stands for. */
import { lookup } from "node:dns/promises";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { messageOf } from "../common/index.ts";
import { managementErrors } from "./errors.ts";

export interface ListeningOptions {
  /** A name, an address, or `*` for all addresses of the machine. */
  readonly host: string;
  /** 0 has the system choose one, which only tests do. */
  readonly port: number;
  readonly accept: (socket: Socket) => void;
  readonly failed: (error: Error) => void;
}

export interface Listening {
  readonly addresses: readonly { readonly address: string; readonly port: number }[];
  /** Accepts nobody any more; connections that are open stay. */
  close(): void;
}

const lacksFamily = (error: unknown): boolean => ["EAFNOSUPPORT", "EADDRNOTAVAIL"].includes((error as NodeJS.ErrnoException).code ?? "");

async function addressesOf(host: string): Promise<readonly string[]> {
  if (host === "*") return ["::"];
  try {
    const found = await lookup(host, { all: true });
    return [...new Set(found.map(({ address }) => address))];
  } catch (error) {
    throw managementErrors.portUnusable(`the host "${host}" cannot be resolved: ${messageOf(error)}`, { host }, error);
  }
}

function open(address: string, port: number, { accept, failed }: ListeningOptions): Promise<Server> {
  return new Promise((resolve, reject) => {
    // A client may close its writing side and still wait for its answer.
    const server = createServer({ allowHalfOpen: true }, accept);
    server.once("error", reject);
    server.listen({ host: address, port }, () => {
      server.removeListener("error", reject);
      server.on("error", failed);
      resolve(server);
    });
  });
}

/** Throws `MANAGEMENT_PORT_UNUSABLE`; then nothing listens. */
export async function listenOn(options: ListeningOptions): Promise<Listening> {
  const { host, port } = options;
  const servers: Server[] = [];
  const close = (): void => {
    for (const server of servers) server.close();
  };
  const wanted = await addressesOf(host);
  for (const address of wanted) {
    try {
      servers.push(await open(address, port, options));
    } catch (error) {
      // A machine without IPv6 still has the other half of "localhost".
      if (lacksFamily(error) && wanted.length > 1) continue;
      if (lacksFamily(error) && host === "*") {
        servers.push(await open("0.0.0.0", port, options));
        continue;
      }
      close();
      throw managementErrors.portUnusable(`cannot listen on ${host}, port ${port}: ${messageOf(error)}`, { host, port, errno: errnoOf(error) }, error);
    }
  }
  if (servers.length === 0) throw managementErrors.portUnusable(`none of the addresses of "${host}" belongs to this machine`, { host, port });
  return {
    addresses: servers.map((server) => {
      const { address, port: bound } = server.address() as AddressInfo;
      return { address, port: bound };
    }),
    close,
  };
}

const errnoOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? "";

/** True when the port is taken, perhaps by ourselves at another address. */
export const isPortTaken = (error: unknown): boolean => managementErrors.portUnusable.is(error) && error.details["errno"] === "EADDRINUSE";
