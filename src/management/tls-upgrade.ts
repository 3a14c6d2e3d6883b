/** Turns connections of a listener into TLS in the middle of a conversation, as PostgreSQL's protocol has it. */
import type { Socket } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import { tlsReason, type TlsServerMaterial } from "../auth/index.ts";
import { managementErrors } from "./errors.ts";
import { encodeRefusal } from "./login-messages.ts";

export interface TlsUpgrade {
  readonly channelBinding: Buffer | undefined;
  /** Does the handshake and checks the client's certificate where one is needed. Throws `REMOTE_TLS_FAILED`. */
  upgrade(socket: Socket): Promise<Socket>;
}

interface Waiting {
  readonly done: (secured: TLSSocket) => void;
  readonly failed: (error: unknown) => void;
}

function refusedCertificate(secured: TLSSocket): Error {
  const shown = Object.keys(secured.getPeerCertificate()).length > 0;
  const reason = shown ? `the client's certificate is not accepted: ${String(secured.authorizationError)}` : "the client shows no certificate, and needs one";
  // In TLS already: the client can be told why.
  secured.end(encodeRefusal({ state: "28000", message: reason }));
  secured.resume();
  return managementErrors.tlsFailed(reason);
}

/** Both ends of a connection, which no other one that is open has. */
const ends = ({ localAddress, localPort, remoteAddress, remotePort }: Socket): string =>
  [localAddress, localPort, remoteAddress, remotePort].join(" ");

/**
 * `limitMs` bounds a handshake. A server of Node's that does not listen checks certificates by documented ways only; it
 * tells of what it secured by an event, in which the connection is found again by its ends.
 */
export function createTlsUpgrade(material: TlsServerMaterial, limitMs: number): TlsUpgrade {
  const waiting = new Map<string, Waiting>();
  const server = createServer({
    ...material.options,
    handshakeTimeout: limitMs,
    requestCert: material.clientCertificates,
    // Refused below, where the reason can be told.
    rejectUnauthorized: false,
  });
  server.on("secureConnection", (secured) => {
    // Whoever reads has its own way to hear of it; between two reads it would end the process.
    secured.on("error", () => undefined);
    const found = waiting.get(ends(secured));
    if (found === undefined) secured.destroy();
    else if (!material.clientCertificates || secured.authorized) found.done(secured);
    else found.failed(refusedCertificate(secured));
  });
  server.on("tlsClientError", (error, secured) => {
    waiting.get(ends(secured))?.failed(managementErrors.tlsFailed(`TLS handshake failed: ${tlsReason(error)}`));
    secured.destroy();
  });
  return {
    channelBinding: material.channelBinding,
    upgrade: (socket) =>
      new Promise((resolve, reject) => {
        const key = ends(socket);
        const lost = (): void => settle.failed(managementErrors.tlsFailed("the connection ended during the TLS handshake"));
        const finish = (): void => {
          waiting.delete(key);
          socket.removeListener("close", lost);
        };
        const settle: Waiting = {
          done: (secured) => {
            finish();
            resolve(secured);
          },
          failed: (error) => {
            finish();
            reject(error instanceof Error ? error : new Error(String(error)));
          },
        };
        waiting.set(key, settle);
        socket.once("close", lost);
        server.emit("connection", socket);
      }),
  };
}
