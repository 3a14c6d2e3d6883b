/** Certificate, key and authority of the HTTP listener, read as they are at the moment. */
import { constants, X509Certificate } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { createSecureContext, type TlsOptions } from "node:tls";
import { authErrors } from "../auth/errors.ts";
import { messageOf } from "../common/index.ts";

export interface HttpTlsFiles {
  /** PEM; the authorities between it and the root behind it. */
  readonly certFile: string;
  readonly keyFile: string;
  /** With it a client needs a certificate of one of these authorities. */
  readonly caFile: string | undefined;
}

export interface HttpTls {
  readonly options: TlsOptions;
  /** When the certificate expires, milliseconds since 1970. */
  readonly expires: number;
}

async function read(path: string, what: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw authErrors.tlsSettings(`cannot read the ${what} of the metrics endpoint, "${path}": ${messageOf(error)}`, { path }, error);
  }
}

/** As libpq: a key that others can read is no secret; only root's may be readable by a group (like Debian's ssl-cert). */
async function readKey(path: string): Promise<Buffer> {
  const key = await read(path, "private key");
  const { uid, mode } = await stat(path);
  if ((mode & (uid === 0 ? 0o037 : 0o077)) === 0) return key;
  throw authErrors.tlsSettings(`the private key of the metrics endpoint, "${path}", can be read by others: chmod 0600`, { path });
}

/** Throws TLS_SETTINGS when a file cannot be used, or they do not belong together. There is no way back to clear text. */
export async function loadHttpTls({ certFile, keyFile, caFile }: HttpTlsFiles): Promise<HttpTls> {
  const [cert, key] = [await read(certFile, "certificate"), await readKey(keyFile)];
  const ca = caFile === undefined ? undefined : await read(caFile, "certificate authority");
  const options: TlsOptions = {
    cert,
    key,
    minVersion: "TLSv1.2",
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    ...(ca === undefined ? {} : { ca, requestCert: true, rejectUnauthorized: true }),
  };
  try {
    // An authority file without a certificate would be an empty list, and every client a stranger without a reason.
    if (ca !== undefined) new X509Certificate(ca);
    createSecureContext(options);
    return { options, expires: Date.parse(new X509Certificate(cert).validTo) };
  } catch (error) {
    const files = [certFile, keyFile, caFile].filter((path) => path !== undefined).join(", ");
    throw authErrors.tlsSettings(`the TLS files of the metrics endpoint (${files}) cannot be used together: ${messageOf(error)}`, {}, error);
  }
}
