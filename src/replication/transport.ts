import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from "node:tls";
import { serialize } from "pg-protocol";
import { commonErrors, messageOf } from "../common/index.ts";
import { effectiveTlsMode, loadTlsOptions, type TlsMode } from "../auth/index.ts";
import type { ConnectOptions } from "./connect-options.ts";
import { replicationErrors } from "./errors.ts";

/** A byte stream to a server, plain or in TLS, that reads into one buffer and can be paused. */
export interface Transport {
  /** DER of the server's certificate when the stream is encrypted. */
  readonly serverCertificate: Buffer | undefined;
  /** Bytes handed to `write` that the system has not taken yet. */
  readonly unsentBytes: number;
  /** From now on bytes and the end go here; nothing is read before. */
  listen(listener: TransportListener): void;
  write(bytes: Buffer): void;
  pause(): void;
  resume(): void;
  /** Lets what is written leave, then closes. */
  end(): void;
  destroy(): void;
}

export interface TransportListener {
  /** What one read brought; valid during the call only. */
  bytes(bytes: Buffer): void;
  /** The stream is over; called once. */
  closed(error: Error | undefined): void;
}

const defaultReadBuffer = 256 * 1024;

/**
 * Opens the byte stream: TCP or Unix socket, and TLS as the settings ask. Aborting the signal closes it,
 * also after it was returned, until the caller detaches by aborting its own controller.
 */
export async function openTransport(options: ConnectOptions, signal: AbortSignal): Promise<Transport> {
  const local = options.host.startsWith("/");
  const mode: TlsMode = local ? "disable" : effectiveTlsMode(options.tls);
  // Read before anything is sent: a missing file must not look like a trouble of the server.
  const tlsOptions = mode === "disable" ? undefined : await loadTlsOptions(options.tls, options.host);
  if (signal.aborted) throw commonErrors.aborted("the connection was given up", {}, signal.reason);
  const plain = createPlainStream(options);
  const onAbort = (): void => void plain.socket.destroy();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await plain.connected;
    if (tlsOptions === undefined || !(await askForTls(plain, mode))) return plainTransport(plain);
    return tlsTransport(await wrapInTls(plain.socket, tlsOptions));
  } catch (error) {
    plain.socket.destroy();
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

interface PlainStream {
  readonly socket: Socket;
  readonly connected: Promise<void>;
  /** Where bytes go; set before reading matters. */
  receive: (bytes: Buffer) => void;
  paused: boolean;
}

function createPlainStream(options: ConnectOptions): PlainStream {
  const { host, port } = options;
  const address = host.startsWith("/") ? { path: `${host}/.s.PGSQL.${port}` } : { host, port };
  const where = "path" in address ? address.path : `${host}:${port}`;
  // Own memory, not the shared pool: the system writes into it at any moment.
  const buffer = Buffer.allocUnsafeSlow(options.readBufferBytes ?? defaultReadBuffer);
  const socket = connectPlain({
    ...address,
    noDelay: options.noDelay,
    keepAlive: options.keepAlive,
    keepAliveInitialDelay: 60_000,
    onread: {
      buffer,
      callback: (count) => {
        stream.receive(buffer.subarray(0, count));
        return !stream.paused;
      },
    },
  });
  const connected = new Promise<void>((resolve, reject) => {
    const failed = (error?: NodeJS.ErrnoException): void => {
      if (error?.syscall === "getaddrinfo") reject(replicationErrors.nameUnresolved(`the host name ${host} cannot be resolved: ${describe(error)}`, { host }, error));
      else reject(replicationErrors.unreachable(`cannot connect to ${where}: ${describe(error)}`, { address: where }, error));
    };
    socket.once("connect", resolve);
    socket.once("error", failed);
    socket.once("close", () => failed());
  });
  const refuse = (): void => {
    socket.destroy(new Error("the server spoke before it was asked"));
  };
  const stream: PlainStream = { socket, connected, receive: refuse, paused: false };
  return stream;
}

/** With several addresses Node reports one error for all of them, without a message of its own. */
function describe(error: Error | undefined): string {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(messageOf).join(", ");
  return error === undefined ? "closed at once" : messageOf(error);
}

/**
 * SSLRequest (PostgreSQL manual, "SSL Session Encryption"): the answer is one byte. More in the same read
 * would be clear text that somebody slipped in before the handshake (CVE-2021-23222), an ErrorResponse is
 * a text of an unproven stranger: neither is looked at.
 */
async function askForTls(stream: PlainStream, mode: TlsMode): Promise<boolean> {
  const answer = await new Promise<string>((resolve, reject) => {
    const lost = (error?: Error): void => {
      reject(replicationErrors.connectionLost("connection ended while TLS was asked for", {}, error));
    };
    stream.socket.once("error", lost);
    stream.socket.once("close", () => lost());
    let received = 0;
    stream.receive = (bytes) => {
      received += bytes.length;
      if (received > 1) {
        const error = replicationErrors.protocol("clear text came after the server's answer to the TLS request");
        stream.socket.destroy();
        reject(error);
        return;
      }
      resolve(bytes.toString("latin1"));
    };
    stream.socket.write(serialize.requestSsl());
  });
  if (answer === "S") return true;
  if (answer !== "N") throw replicationErrors.tlsRefused("server does not understand the request for TLS");
  if (mode !== "prefer") throw replicationErrors.tlsRefused("server refuses TLS, and clear text is not allowed");
  return false;
}

async function wrapInTls(socket: Socket, options: ConnectionOptions): Promise<TLSSocket> {
  return await new Promise((resolve, reject) => {
    const secured = connectTls({ ...options, socket });
    const failed = (error?: Error): void => {
      secured.destroy();
      reject(replicationErrors.tlsFailed(`TLS handshake failed: ${describe(error)}`, {}, error));
    };
    secured.once("error", failed);
    secured.once("close", () => failed());
    secured.once("secureConnect", () => {
      secured.removeListener("error", failed);
      resolve(secured);
    });
  });
}

function plainTransport(stream: PlainStream): Transport {
  const { socket } = stream;
  return {
    ...commonPart(socket),
    serverCertificate: undefined,
    get unsentBytes() {
      return socket.writableLength;
    },
    listen(listener) {
      stream.receive = (bytes) => {
        listener.bytes(bytes);
      };
      reportEnd(socket, listener);
    },
    pause() {
      stream.paused = true;
      socket.pause();
    },
    resume() {
      stream.paused = false;
      socket.resume();
    },
  };
}

/** Node ignores `onread` on a socket that TLS wraps: here each read brings a buffer of its own. */
function tlsTransport(socket: TLSSocket): Transport {
  return {
    ...commonPart(socket),
    serverCertificate: socket.getPeerCertificate().raw,
    get unsentBytes() {
      return socket.writableLength;
    },
    listen(listener) {
      socket.on("data", (bytes: Buffer) => {
        listener.bytes(bytes);
      });
      reportEnd(socket, listener);
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
  };
}

function commonPart(socket: Socket): Pick<Transport, "write" | "end" | "destroy"> {
  return {
    write: (bytes) => {
      if (!socket.destroyed) socket.write(bytes);
    },
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
  };
}

function reportEnd(socket: Socket, listener: TransportListener): void {
  let failure: Error | undefined;
  socket.on("error", (error) => {
    failure ??= error;
  });
  socket.once("close", () => {
    listener.closed(failure);
  });
  if (socket.destroyed) queueMicrotask(() => listener.closed(failure));
}
