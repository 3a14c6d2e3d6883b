/** TLS of a listener of ours: certificate, key, and who may connect. */
import { constants, X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import { messageOf } from "../common/index.ts";
import { tlsServerEndPoint } from "./channel-binding.ts";
import { authErrors } from "./errors.ts";
import { readPem, refuseOpenKey } from "./tls-files.ts";

export interface TlsServerSettings {
  /** PEM file of our certificate, those of the authorities between it and the root behind it. */
  readonly certFile: string;
  readonly keyFile: string;
  /** PEM file of the authorities whose clients may connect; with it a client needs a certificate of one of them. */
  readonly caFile?: string | undefined;
  /** PEM file of the lists of revoked certificates, one of each authority; a client of an authority without a list that holds is refused. */
  readonly crlFile?: string | undefined;
}

/** What a listener needs to speak TLS; made anew whenever the files are to be read again. */
export interface TlsServerMaterial {
  /** For `createServer` of node:tls or node:https; they were tried, and belong together. */
  readonly options: SecureContextOptions;
  /** True when a client without a certificate of the named authorities is to be refused. */
  readonly clientCertificates: boolean;
  /** Data of `tls-server-end-point`; undefined when the certificate allows no binding (RFC 5929 section 4.1). */
  readonly channelBinding: Buffer | undefined;
  /** Milliseconds since 1970 at which our certificate ends. */
  readonly validUntil: number;
}

/** Forward secrecy and authenticated encryption only; TLS 1.3 is taken whenever the client has it. */
const ciphers = [
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "TLS_AES_128_GCM_SHA256",
  "ECDHE+AESGCM",
  "ECDHE+CHACHA20",
].join(":");

/** Reads the files. Throws `TLS_SETTINGS` when one of them cannot be used, or they do not belong together. */
export async function loadTlsServer({ certFile, keyFile, caFile, crlFile }: TlsServerSettings): Promise<TlsServerMaterial> {
  const [cert, key, ca, crl] = await Promise.all([
    readPem(certFile, "certificate"),
    readPem(keyFile, "private key"),
    readPem(caFile, "certificate authority"),
    readPem(crlFile, "list of revoked certificates"),
  ]);
  await refuseOpenKey(keyFile, "private key");
  try {
    const own = new X509Certificate(cert ?? "");
    // An authority file without a certificate would be an empty list, and every client a stranger without a reason.
    if (ca !== undefined) new X509Certificate(ca);
    const options: SecureContextOptions = {
      minVersion: "TLSv1.2",
      ciphers,
      honorCipherOrder: true,
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(ca === undefined ? {} : { ca }),
      ...(crl === undefined ? {} : { crl }),
    };
    createSecureContext(options);
    return {
      options,
      clientCertificates: ca !== undefined,
      channelBinding: tlsServerEndPoint(own.raw),
      validUntil: Date.parse(own.validTo),
    };
  } catch (error) {
    const files = [certFile, keyFile, caFile, crlFile].filter((path) => path !== undefined).join(", ");
    throw authErrors.tlsSettings(`TLS files ${files} cannot be used together: ${messageOf(error)}`, {}, error);
  }
}
