/** Certificate, key and authority of the HTTP listener, read as they are at the moment. There is no way back to clear text. */
import type { TlsOptions } from "node:tls";
import { loadTlsServer, type TlsServerSettings } from "../auth/index.ts";

export type HttpTlsFiles = TlsServerSettings;

export interface HttpTls {
  readonly options: TlsOptions;
  /** When the certificate expires, milliseconds since 1970. */
  readonly expires: number;
}

/** Throws TLS_SETTINGS when a file cannot be used, or they do not belong together. */
export async function loadHttpTls(files: HttpTlsFiles): Promise<HttpTls> {
  const { options, clientCertificates, validUntil } = await loadTlsServer(files);
  return { options: { ...options, requestCert: clientCertificates, rejectUnauthorized: clientCertificates }, expires: validUntil };
}
