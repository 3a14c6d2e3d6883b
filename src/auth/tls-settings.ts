import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { checkServerIdentity, createSecureContext, type ConnectionOptions, type SecureContext } from "node:tls";
import { messageOf } from "../common/index.ts";
import { authErrors } from "./errors.ts";
import { readPem, refuseOpenKey } from "./tls-files.ts";

/**
 * `prefer` takes TLS when the server has it, `require` always, without asking who the server is; as soon
 * as a CA is named, chain and host name are verified and clear text is out of the question.
 */
export type TlsMode = "disable" | "prefer" | "require" | "verify-full";

export interface TlsSettings {
  readonly mode: TlsMode;
  /** PEM file of the authorities that may have signed the server's certificate. */
  readonly caFile?: string;
  /** PEM file of the certificates that they have revoked; once it has run out no server is trusted. */
  readonly crlFile?: string;
  /** PEM files of our own certificate and key. */
  readonly certFile?: string;
  readonly keyFile?: string;
}

/** The mode that really holds: a CA makes it `verify-full`. Throws `TLS_SETTINGS` for contradictions. */
export function effectiveTlsMode(settings: TlsSettings): TlsMode {
  const { mode, caFile, certFile, crlFile, keyFile } = settings;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw authErrors.tlsSettings("a client certificate needs its key, and a key its certificate");
  }
  if (crlFile !== undefined && caFile === undefined) {
    throw authErrors.tlsSettings("a list of revoked certificates is of no use without the authority that revoked them", { crlFile });
  }
  if (mode === "verify-full" && caFile === undefined) {
    throw authErrors.tlsSettings("verifying the server needs a file with its certificate authority");
  }
  if (mode === "disable" && caFile !== undefined) {
    throw authErrors.tlsSettings("a certificate authority is configured but TLS is disabled", { caFile });
  }
  return caFile === undefined ? mode : "verify-full";
}

/**
 * Options of `tls.connect` for a server. Throws `TLS_SETTINGS` when a file cannot be used.
 * @param host name or address that the operator configured; the certificate must be made out for it
 */
export async function loadTlsOptions(settings: TlsSettings, host: string): Promise<ConnectionOptions> {
  const verify = effectiveTlsMode(settings) === "verify-full";
  return {
    host,
    // An address must not be sent as server name (RFC 6066 section 3).
    ...(isIP(host) === 0 ? { servername: host } : {}),
    secureContext: await loadContext(settings),
    rejectUnauthorized: verify,
    // Given explicitly: with a wrapped socket Node may otherwise compare with "localhost".
    checkServerIdentity: (_name, certificate) => (verify ? checkServerIdentity(host, certificate) : undefined),
  };
}

async function loadContext(settings: TlsSettings): Promise<SecureContext> {
  const { caFile, certFile, crlFile, keyFile } = settings;
  const [ca, crl, cert, key] = await Promise.all([
    readPem(caFile, "certificate authority"),
    readPem(crlFile, "list of revoked certificates"),
    readPem(certFile, "client certificate"),
    readPem(keyFile, "client key"),
  ]);
  if (keyFile !== undefined) await refuseOpenKey(keyFile, "client key");
  try {
    // An authority file without a certificate would be an empty list, which looks like a wrong server later.
    if (ca !== undefined) new X509Certificate(ca);
    return createSecureContext({
      minVersion: "TLSv1.2",
      ...(ca === undefined ? {} : { ca }),
      ...(crl === undefined ? {} : { crl }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    });
  } catch (error) {
    const files = [caFile, crlFile, certFile, keyFile].filter((path) => path !== undefined).join(", ");
    throw authErrors.tlsSettings(`TLS files ${files} cannot be used together: ${messageOf(error)}`, {}, error);
  }
}
