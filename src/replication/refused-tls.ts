/** A connection that failed in TLS, in words that name the host and the file that are meant, and what puts it right. */
import { ownTrouble, tlsReason, tlsRemedy } from "../auth/index.ts";
import { MonetaError } from "../common/index.ts";
import type { ConnectOptions } from "./connect-options.ts";
import { replicationErrors } from "./errors.ts";

/**
 * The error with the host, and with what to do where that is known: of a handshake that failed, or of a server that closed without a
 * word although our certificate is out of date. Any other error is given back as it is.
 */
export async function withTlsRemedy(error: unknown, { host, port, tls }: ConnectOptions): Promise<unknown> {
  if (host.startsWith("/") || tls.mode === "disable") return error;
  // A server that speaks TLS 1.3 refuses a certificate after the handshake, and its reason can be lost with the connection.
  if (replicationErrors.connectionLost.is(error)) {
    const ours = await ownTrouble(tls);
    return ours === undefined ? error : new MonetaError(error, `${error.message}, perhaps because of our certificate: ${ours}`, error.details, error.cause);
  }
  if (!replicationErrors.tlsFailed.is(error)) return error;
  const { cause } = error;
  const reason = cause === undefined ? error.message : tlsReason(cause);
  const text = `TLS with ${host} port ${port} failed: ${reason}${await tlsRemedy(cause, { host, program: "PostgreSQL", tls })}`;
  // Without its cause, which says the same again with the noise of OpenSSL.
  return new MonetaError(error, text, { ...error.details, host, port });
}
