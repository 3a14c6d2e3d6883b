/**
 * The HTTP(S) listener of metrics and health. Its settings can be changed while it runs: everything that can go wrong goes
 * wrong in `prepare`, which changes nothing that a client sees; `commit` puts it in force at once.
 */
import { createServer as createHttpServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { createServer as createTlsServer, type Server as TlsServer } from "node:tls";
import { messageOf } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import { bind, type BoundSockets } from "./addresses.ts";
import { answer, type Answer, type Content } from "./answer.ts";
import { createConnections, type ConnectionLimits } from "./connections.ts";
import { loadHttpTls, type HttpTls, type HttpTlsFiles } from "./tls.ts";

export interface HttpSettings {
  /** A name, an address, or `*`. */
  readonly host: string;
  /** 0 is off. */
  readonly port: number;
  /** Without them the listener speaks clear text, with them never. */
  readonly tls: HttpTlsFiles | undefined;
  readonly requestMs: number;
  readonly answerMs: number;
}

export interface PreparedEndpoint {
  /** Puts the settings in force. Does not fail. */
  commit(): void;
  /** Lets go of what was made ready. */
  abandon(): void;
}

export interface HttpEndpoint {
  /** Makes other settings ready. Throws METRICS_ADDRESS or TLS_SETTINGS, and then nothing has changed. */
  prepare(settings: HttpSettings): Promise<PreparedEndpoint>;
  /** Puts other settings in force, or throws what `prepare` does. The TLS files are read again in any case. */
  update(settings: HttpSettings): Promise<void>;
  /** Listens no more; with `all` answers that are under way are cut off too. */
  close(all?: boolean): void;
  /** Where it listens; empty when it is off. */
  readonly addresses: readonly string[];
  readonly port: number | undefined;
  /** When the certificate expires, milliseconds since 1970. */
  readonly certificateExpires: number | undefined;
  /** Connections and requests that were refused. */
  readonly refused: number;
}

/** A scrape, two tries of a balancer and somebody's browser are a handful; more is a flood. */
const mostConnections = 64;
/** Longer than the interval of most scrapes, so that a connection is used again. */
const idleMs = 75_000;
/** Bytes of request line and headers. */
const largestHeader = 8192;

const endsOf = ({ remoteAddress, remotePort, localAddress, localPort }: Socket): string =>
  `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;

export function createHttpEndpoint(content: Content, logger: Logger): HttpEndpoint {
  let settings: HttpSettings | undefined;
  let bound: BoundSockets | undefined;
  let tls: { readonly server: TlsServer; readonly material: HttpTls } | undefined;
  let refused = 0;
  const limits = (): ConnectionLimits => ({
    mostConnections,
    idleMs,
    requestMs: settings?.requestMs ?? 5_000,
    answerMs: settings?.answerMs ?? 30_000,
  });
  const connections = createConnections(limits);
  /** Connections under TLS by their two ends: what lies below a TLS socket cannot be asked of it. */
  const below = new Map<string, Socket>();

  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const socket = below.get(endsOf(request.socket)) ?? request.socket;
    connections.phase(socket, "answer");
    response.on("close", () => connections.phase(socket, "idle"));
    let given: Answer;
    try {
      given = await answer({ method: request.method ?? "", url: request.url ?? "", headers: request.headers }, content);
    } catch (error) {
      logger.error(`a request for ${JSON.stringify(request.url ?? "")} could not be answered: ${messageOf(error)}`);
      given = { status: 500, type: "text/plain; charset=utf-8", body: [Buffer.from("The daemon could not answer; its log says why.\n")] };
    }
    if (given.status >= 400) refused += 1;
    if (response.destroyed) return;
    // Nobody needs a request with a body: what comes behind it is not looked at.
    const withBody = request.headers["content-length"] !== undefined || request.headers["transfer-encoding"] !== undefined;
    response.writeHead(given.status, {
      "Content-Type": given.type,
      "Content-Length": given.body.reduce((sum, { length }) => sum + length, 0),
      "Cache-Control": "no-store",
      "X-Content-Type-Options": "nosniff",
      ...given.headers,
      ...(withBody ? { Connection: "close" } : {}),
    });
    if (request.method !== "HEAD") for (const piece of given.body) response.write(piece);
    response.end();
  };
  const http: HttpServer = createHttpServer({ maxHeaderSize: largestHeader, keepAliveTimeout: idleMs }, (request, response) => {
    respond(request, response).catch((error: unknown) => {
      logger.error(`an answer could not be sent: ${messageOf(error)}`);
      response.destroy();
    });
  });
  http.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    refused += 1;
    if (!socket.writable || error.code === "ECONNRESET") {
      socket.destroy();
      return;
    }
    const status = error.code === "HPE_HEADER_OVERFLOW" ? "431 Request Header Fields Too Large" : "400 Bad Request";
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  });

  const speakTls = (material: HttpTls): NonNullable<typeof tls> => {
    const server = createTlsServer(material.options, (secure) => {
      http.emit("connection", secure);
    });
    server.on("tlsClientError", (error, secure) => {
      refused += 1;
      logger.debug(`a client of the metrics endpoint was refused: ${messageOf(error)}`);
      secure.destroy();
    });
    return { server, material };
  };
  const accept = (socket: Socket): void => {
    if (!connections.take(socket)) {
      refused += 1;
      return;
    }
    if (tls === undefined) {
      http.emit("connection", socket);
      return;
    }
    const ends = endsOf(socket);
    below.set(ends, socket);
    socket.on("close", () => below.delete(ends));
    tls.server.emit("connection", socket);
  };

  const prepare = async (wanted: HttpSettings): Promise<PreparedEndpoint> => {
    const off = wanted.port === 0;
    const material = off || wanted.tls === undefined ? undefined : await loadHttpTls(wanted.tls);
    const moves = settings?.host !== wanted.host || settings.port !== wanted.port || bound === undefined;
    let inForce = false;
    const fresh = off || !moves ? undefined : await bind(wanted.host, wanted.port, (socket) => (inForce ? accept(socket) : socket.destroy()));
    return {
      commit() {
        inForce = true;
        const before = tls !== undefined;
        tls = material === undefined ? undefined : speakTls(material);
        settings = wanted;
        if (off || moves) {
          bound?.close();
          bound = fresh;
        }
        // Who came under other rules comes again under these.
        if (off || moves || before || tls !== undefined) connections.close(false);
        if (bound !== undefined && moves) logger.info(`metrics and health on ${bound.shown.join(", ")}${tls === undefined ? "" : " with TLS"}`);
      },
      abandon: () => fresh?.close(),
    };
  };

  return {
    prepare,
    update: async (wanted) => (await prepare(wanted)).commit(),
    close(all = false) {
      bound?.close();
      bound = undefined;
      connections.close(all);
    },
    get addresses() {
      return bound?.shown ?? [];
    },
    get port() {
      return bound?.port;
    },
    get certificateExpires() {
      return tls?.material.expires;
    },
    get refused() {
      return refused;
    },
  };
}
