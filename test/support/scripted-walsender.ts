import { once } from "node:events";
import { createServer } from "node:net";
import type { Socket } from "node:net";
import { join } from "node:path";
import { TLSSocket } from "node:tls";
import type { TLSSocketOptions } from "node:tls";
import { backend } from "./backend-messages.ts";
import { registerResource } from "./resources.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

/** A message of the client. */
export interface ClientMessage {
  readonly type: string;
  readonly body: Buffer;
}

/** One connection as the script sees it. */
export interface ScriptedPeer {
  /** Number of the connection, from 0. */
  readonly number: number;
  /** Reads the start-up packet and returns its parameters; a TLS request before it is answered by the option `tls`. */
  startUp(): Promise<ReadonlyMap<string, string>>;
  /** Start-up, trust, the usual parameters, "ready". */
  accept(serverVersion?: string): Promise<ReadonlyMap<string, string>>;
  /** The next message of the client; rejects when the client is gone. */
  receive(): Promise<ClientMessage>;
  /** The text of the next message, which must be a query. */
  query(): Promise<string>;
  /** Sends bytes, and waits until the system has taken them. */
  send(...parts: readonly Buffer[]): Promise<void>;
  /** Sends bytes one by one, each as a packet of its own. */
  sendByteByByte(bytes: Buffer): Promise<void>;
  /** Says nothing more; resolves when the client is gone. */
  silence(): Promise<void>;
  /** Closes in order, after what was sent. */
  end(): void;
  /** Resets the connection. */
  cut(): void;
}

export interface ScriptedWalsender {
  readonly host: string;
  readonly port: number;
  /** Connections ever accepted. */
  readonly accepted: () => number;
  /** Errors of scripts, for the test to look at; a script that ends because its client went away is none. */
  readonly failures: readonly unknown[];
  close(): Promise<void>;
}

export interface ScriptedOptions {
  /** A Unix socket instead of a loopback port. */
  readonly unix?: boolean;
  /** Answer to a TLS request: a certificate to go on with, or the bytes to send instead. Default: refuse with "N". */
  readonly tls?: TLSSocketOptions | Buffer;
}

class ClientGone extends Error {}

const sslRequest = 80_877_103;
const cancelRequest = 80_877_102;

/**
 * A server that speaks PostgreSQL's protocol, or breaks it, exactly as the script says. The script runs once for
 * each connection; when it returns, the connection stays open until one of the sides closes it.
 */
export async function createScriptedWalsender(
  script: (peer: ScriptedPeer) => Promise<void>,
  options: ScriptedOptions = {},
): Promise<ScriptedWalsender> {
  const sockets = new Set<Socket>();
  const failures: unknown[] = [];
  let accepted = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    script(createPeer(socket, accepted++, options)).catch((error: unknown) => {
      if (!(error instanceof ClientGone)) failures.push(error);
      socket.destroy();
    });
  });
  const directory = options.unix === true ? temporaryDirectory({ prefix: "mws" }) : undefined;
  const port = directory === undefined ? 0 : 5432;
  if (directory === undefined) server.listen(0, "127.0.0.1");
  else server.listen(join(directory.path, `.s.PGSQL.${port}`));
  await once(server, "listening");
  const address = server.address();
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    if (server.listening) {
      server.close();
      await once(server, "close");
    }
    await directory?.remove();
    forget();
  };
  const forget = registerResource({ name: "scripted walsender", release: close, abandon: () => server.close() });
  return {
    host: directory?.path ?? "127.0.0.1",
    port: address !== null && typeof address === "object" ? address.port : port,
    accepted: () => accepted,
    failures,
    close,
  };
}

function createPeer(plain: Socket, number: number, options: ScriptedOptions): ScriptedPeer {
  let reader = createReader(plain);
  let socket = plain;
  plain.setNoDelay(true);

  const packet = async (): Promise<Buffer> => {
    const length = (await reader.take(4)).readUInt32BE();
    return await reader.take(length - 4);
  };
  const peer: ScriptedPeer = {
    number,
    async startUp() {
      for (;;) {
        const body = await packet();
        const code = body.readUInt32BE();
        if (code === sslRequest) {
          const { tls } = options;
          if (tls === undefined) await peer.send(Buffer.from("N"));
          else if (Buffer.isBuffer(tls)) await peer.send(tls);
          else {
            await peer.send(Buffer.from("S"));
            reader.stop();
            const secured = new TLSSocket(socket, { ...tls, isServer: true });
            secured.on("error", () => secured.destroy());
            socket = secured;
            reader = createReader(secured);
          }
        } else if (code === cancelRequest) {
          return new Map([["cancel", String(body.readUInt32BE(4))]]);
        } else {
          const words = body.toString("utf8", 4).split("\0");
          const pairs = words.flatMap((name, i): [string, string][] => (i % 2 === 0 && name !== "" ? [[name, words[i + 1] ?? ""]] : []));
          return new Map(pairs);
        }
      }
    },
    async accept(serverVersion = "15.18 (scripted)") {
      const parameters = await peer.startUp();
      if (parameters.has("cancel")) throw new ClientGone("cancel request");
      await peer.send(backend.authenticationOk(), backend.parameter("server_version", serverVersion), backend.key(4711, 42), backend.ready());
      return parameters;
    },
    async receive() {
      const type = (await reader.take(1)).toString("latin1");
      return { type, body: await packet() };
    },
    async query() {
      const { type, body } = await peer.receive();
      if (type !== "Q") throw new Error(`the client sent ${type} where a query was expected`);
      return body.toString("utf8", 0, body.length - 1);
    },
    async send(...parts) {
      await new Promise<void>((resolve, reject) => {
        socket.write(Buffer.concat(parts), (error) => (error ? reject(new ClientGone(error.message)) : resolve()));
      });
    },
    async sendByteByByte(bytes) {
      for (let i = 0; i < bytes.length; i++) {
        await peer.send(bytes.subarray(i, i + 1));
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    silence: () => reader.gone,
    end: () => void socket.end(),
    cut: () => void plain.resetAndDestroy(),
  };
  return peer;
}

interface Reader {
  take(count: number): Promise<Buffer>;
  stop(): void;
  readonly gone: Promise<void>;
}

function createReader(socket: Socket): Reader {
  let held = Buffer.alloc(0);
  let ended = false;
  let wake = (): void => undefined;
  const onData = (bytes: Buffer): void => {
    held = Buffer.concat([held, bytes]);
    wake();
  };
  const gone = new Promise<void>((resolve) => {
    const over = (): void => {
      ended = true;
      wake();
      resolve();
    };
    socket.on("end", over);
    socket.on("close", over);
    socket.on("error", over);
  });
  socket.on("data", onData);
  return {
    gone,
    stop: () => void socket.off("data", onData),
    async take(count) {
      while (held.length < count) {
        if (ended) throw new ClientGone("the client has closed the connection");
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const taken = held.subarray(0, count);
      held = held.subarray(count);
      return taken;
    },
  };
}
