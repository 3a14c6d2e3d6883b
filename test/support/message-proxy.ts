import { connect, createServer } from "node:net";
import type { Socket } from "node:net";
import { once } from "node:events";
import { registerResource } from "./resources.ts";

/** Gets each whole message of the server (type byte, length, body) and gives what the client is to receive instead. */
export type Rewrite = (message: Buffer) => Buffer;

export interface MessageProxy {
  readonly host: string;
  readonly port: number;
  close(): Promise<void>;
}

/**
 * A loopback port that leads to the Unix socket of a real server and changes what it says, message by message, as a
 * server would that is newer than all that are known, or an enemy. `rewriting` is called for each connection. Clear
 * text only.
 */
export async function createMessageProxy(socketPath: string, rewriting: () => Rewrite): Promise<MessageProxy> {
  const sockets = new Set<Socket>();
  const listener = createServer((client) => {
    const server = connect(socketPath);
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("close", () => sockets.delete(socket));
    }
    client.on("error", () => server.destroy());
    client.on("close", () => server.destroy());
    server.on("error", () => client.destroy());
    client.pipe(server);
    passOn(server, client, rewriting());
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  const close = async (): Promise<void> => {
    forget();
    for (const socket of sockets) socket.destroy();
    if (!listener.listening) return;
    listener.close();
    await once(listener, "close");
  };
  const forget = registerResource({ name: "message proxy", release: close, abandon: () => listener.close() });
  return { host: "127.0.0.1", port: address.port, close };
}

function passOn(server: Socket, client: Socket, rewrite: Rewrite): void {
  let held: Buffer = Buffer.alloc(0);
  let first = true;
  server.on("data", (bytes: Buffer) => {
    held = held.length === 0 ? bytes : Buffer.concat([held, bytes]);
    const out: Buffer[] = [];
    // No message, but the answer to a request for TLS.
    if (first && held[0] === "N".charCodeAt(0)) {
      out.push(held.subarray(0, 1));
      held = held.subarray(1);
    }
    first = false;
    for (let length = messageLength(held); length !== undefined; length = messageLength(held)) {
      out.push(rewrite(held.subarray(0, length)));
      held = held.subarray(length);
    }
    if (out.length === 0 || client.write(Buffer.concat(out))) return;
    server.pause();
    client.once("drain", () => server.resume());
  });
  server.on("end", () => client.end());
}

/** Length of the first message with its type byte; undefined while it is not complete. */
function messageLength(bytes: Buffer): number | undefined {
  if (bytes.length < 5) return undefined;
  const length = 1 + bytes.readUInt32BE(1);
  return bytes.length < length ? undefined : length;
}
