/** A link that changes one byte of what a server sends, as a faulty switch, network card or memory does. */
import { connect, createServer, type Socket } from "node:net";
import { once } from "node:events";
import { registerResource } from "../../support/resources.ts";

export interface AlteringProxy {
  readonly host: string;
  readonly port: number;
  /** Inverts a bit of the byte at this offset of every connection that gets so far; undefined: of none. */
  flipAt(offset: number | undefined): void;
  /** Most bytes that one connection has brought since the last `flipAt`. */
  readonly longest: () => number;
  close(): Promise<void>;
}

/** In front of a server's Unix socket. */
export async function createAlteringProxy(socketPath: string): Promise<AlteringProxy> {
  const sockets = new Set<Socket>();
  let flip: number | undefined;
  let longest = 0;
  const server = createServer((client) => {
    const upstream = connect(socketPath);
    let passed = 0;
    for (const [from, to] of [[client, upstream], [upstream, client]] as const) {
      sockets.add(from);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
    }
    client.pipe(upstream);
    upstream.on("data", (piece: Buffer) => {
      if (flip !== undefined && flip >= passed && flip < passed + piece.length) {
        const at = flip - passed;
        piece.writeUInt8(piece.readUInt8(at) ^ 0x04, at);
      }
      passed += piece.length;
      longest = Math.max(longest, passed);
      if (!client.write(piece)) {
        upstream.pause();
        client.once("drain", () => upstream.resume());
      }
    });
    upstream.on("end", () => client.end());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = async (): Promise<void> => {
    forget();
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  };
  const forget = registerResource({ name: "altering proxy", release: close, abandon: () => undefined });
  const address = server.address();
  return {
    host: "127.0.0.1",
    port: typeof address === "object" && address !== null ? address.port : 0,
    flipAt(offset) {
      flip = offset;
      longest = 0;
    },
    longest: () => longest,
    close,
  };
}
