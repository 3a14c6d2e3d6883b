import { connect, createServer } from "node:net";
import type { Socket } from "node:net";
import { registerResource } from "./resources.ts";
import { waitFor } from "./wait-for.ts";

/** What the proxy does to bytes in both directions; may be changed at any time, for connections that exist as well. */
export interface LinkFaults {
  /** Milliseconds that every piece waits before it is passed on. */
  delayMs: number;
  /** Bytes a second in each direction and connection; undefined: unlimited. */
  bytesPerSecond: number | undefined;
  /** Takes bytes and passes nothing on, as when a cable is pulled: neither side sees an end. */
  silent: boolean;
}

export interface TcpProxy {
  readonly host: string;
  readonly port: number;
  readonly faults: LinkFaults;
  /** Connections open at this moment. */
  readonly connections: () => number;
  /** Connections ever accepted. */
  readonly accepted: () => number;
  /** Bytes passed on so far, summed over all connections. */
  readonly passed: () => { readonly toTarget: number; readonly toClient: number };
  /** Resets every connection, at once (RST), as a dying machine or a firewall would. */
  cut(): void;
  /** Cuts by itself when so many more bytes came from the target; the last piece is passed on up to that byte. */
  cutAfter(bytesToClient: number): Promise<void>;
  /** While refusing, new connections are reset before a byte flows. */
  refuse(refusing: boolean): void;
  close(): Promise<void>;
}

/** Where the proxy leads: a TCP port or, as for PostgreSQL, a Unix socket. */
export type ProxyTarget = { readonly host: string; readonly port: number } | { readonly path: string };

/** A loopback port behind which every fault of a network can be had, because the kernel here has no netem. */
export async function createTcpProxy(target: ProxyTarget): Promise<TcpProxy> {
  const faults: LinkFaults = { delayMs: 0, bytesPerSecond: undefined, silent: false };
  const pairs = new Set<{ client: Socket; server: Socket }>();
  const passed = { toTarget: 0, toClient: 0 };
  let accepted = 0;
  let refusing = false;
  let limit: { left: number; reached: () => void } | undefined;

  function cut(): void {
    for (const { client, server } of pairs) {
      client.resetAndDestroy();
      server.destroy();
    }
    pairs.clear();
  }

  async function pump(from: Socket, to: Socket, direction: "toTarget" | "toClient"): Promise<void> {
    for await (const piece of from as AsyncIterable<Buffer>) {
      if (faults.delayMs > 0) await pause(faults.delayMs);
      if (faults.bytesPerSecond !== undefined) await pause((piece.length / faults.bytesPerSecond) * 1000);
      await waitForVoice(to);
      let out = piece;
      if (direction === "toClient" && limit !== undefined) {
        out = piece.subarray(0, limit.left);
        limit.left -= out.length;
      }
      passed[direction] += out.length;
      if (!to.write(out)) await drained(to);
      if (direction === "toClient" && limit?.left === 0) {
        const { reached } = limit;
        limit = undefined;
        // The bytes before the cut must arrive: end the sending side in order, then everything.
        to.end(() => {
          cut();
          reached();
        });
        return;
      }
    }
    to.end();
  }

  async function waitForVoice(to: Socket): Promise<void> {
    while (faults.silent && !to.destroyed) await pause(10);
  }

  const server = createServer({ allowHalfOpen: true }, (client) => {
    accepted += 1;
    client.setNoDelay(true);
    client.on("error", () => undefined);
    if (refusing) {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect({ ...target, allowHalfOpen: true });
    const pair = { client, server: upstream };
    pairs.add(pair);
    const forget = (): void => {
      if (client.destroyed && upstream.destroyed) pairs.delete(pair);
    };
    client.on("close", forget);
    upstream.on("close", forget);
    upstream.on("error", () => client.resetAndDestroy());
    client.on("error", () => upstream.destroy());
    // A pump ends by an error when its sockets are cut, which is what they are for.
    pump(client, upstream, "toTarget").catch(() => upstream.destroy());
    pump(upstream, client, "toClient").catch(() => client.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");

  async function close(): Promise<void> {
    forget();
    cut();
    if (server.listening) await new Promise<void>((resolve) => server.close(() => resolve()));
    await waitFor("the proxy has no connection", () => pairs.size === 0);
  }
  const forget = registerResource({ name: `proxy on port ${address.port}`, release: close, abandon: cut });
  return {
    host: "127.0.0.1",
    port: address.port,
    faults,
    connections: () => pairs.size,
    accepted: () => accepted,
    passed: () => ({ ...passed }),
    cut,
    cutAfter: (bytes) =>
      new Promise((resolve) => {
        limit = { left: bytes, reached: resolve };
      }),
    refuse(value) {
      refusing = value;
    },
    close,
  };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off("drain", done);
      socket.off("close", done);
      resolve();
    };
    socket.on("drain", done);
    socket.on("close", done);
    if (socket.destroyed) done();
  });
}
