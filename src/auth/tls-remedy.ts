/**
 * What puts right a TLS connection that did not come about, with the host and the file that are meant: the reason alone, as OpenSSL
 * has it, leaves open whose certificate it is about.
 */
import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { messageOf } from "../common/index.ts";
import type { TlsSettings } from "./tls-settings.ts";

/** Whom we wanted to speak to. */
export interface TlsPeer {
  /** As it was configured. */
  readonly host: string;
  readonly program: "PostgreSQL" | "the daemon";
  readonly tls: TlsSettings;
}

/** Where each program has its files. */
const keysOf = {
  PostgreSQL: { own: "ssl_cert_file, ssl_key_file", authority: "ssl_ca_file" },
  "the daemon": { own: "tls_cert_file, tls_key_file", authority: "tls_ca_file" },
} as const;

/** Node's names for a chain that leads to no authority of ours (OpenSSL, `X509_V_ERR_…`). */
const strangers: ReadonlySet<string> = new Set([
  "CERT_SIGNATURE_FAILURE",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "INVALID_CA",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

/** Alerts by which the other side says that it does not take our certificate (RFC 8446, section 6.2). */
const refusesOurs = /^ERR_SSL_.*ALERT_.*(CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)/;

/** Why TLS failed, in one line: OpenSSL's own message has thread, source file and line in it, and ends with the end of a line. */
export function tlsReason(cause: unknown): string {
  const { reason } = (cause ?? {}) as { readonly reason?: unknown };
  // A certificate that is not for the host has a reason of Node's, and its message says more.
  const openssl = cause instanceof Error && cause.message.includes(":SSL routines:");
  return openssl && typeof reason === "string" && reason !== "" ? reason : messageOf(cause).trim();
}

/** `; to put it right: …`, to be put behind a message; empty where nothing is known. `cause` is what Node threw. Never rejects. */
export async function tlsRemedy(cause: unknown, peer: TlsPeer): Promise<string> {
  const { code } = (cause ?? {}) as { readonly code?: unknown };
  const remedy = await remedyFor(typeof code === "string" ? code : "", peer);
  return remedy === undefined ? "" : `; to put it right: ${remedy}`;
}

async function remedyFor(code: string, peer: TlsPeer): Promise<string | undefined> {
  const { host, program, tls } = peer;
  const { caFile = "the file of the authority", certFile, crlFile = "the file of lists" } = tls;
  const keys = keysOf[program];
  const renew = `give ${program} a new one (${keys.own}) and have it reload`;
  if (code === "CERT_HAS_EXPIRED") {
    const ended = await outOfDate(caFile);
    return ended === undefined ? `the certificate that ${host} shows is meant: ${renew}` : `${ended}: put the new certificate of the authority into that file`;
  }
  if (code === "CERT_NOT_YET_VALID") return `set the clock of this machine right, or, if it is, the certificate that ${host} shows begins too late: ${renew}`;
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return `give ${program} a certificate for ${host}, or name the host as its certificate does`;
  if (code === "CERT_REVOKED") return `${crlFile} has the certificate that ${host} shows: ${renew}`;
  // With a list every certificate of a chain needs one: a strange authority shows as one that has none.
  if (code.includes("CRL")) return `put lists that hold today, one of each authority of ${host}, into ${crlFile}, and see that ${caFile} has its authority`;
  if (strangers.has(code)) return `if ${host} is who is meant, put the authority of its certificate into ${caFile}`;
  if (!refusesOurs.test(code)) return undefined;
  if (certFile === undefined) return "name a certificate that is shown: tls_cert_file and tls_key_file";
  return (await ownTrouble(tls)) ?? `put a certificate into ${certFile} whose authority ${program} knows (${keys.authority})`;
}

/** What is wrong with the certificate that we show, as far as that can be seen from here; undefined when nothing is. Never rejects. */
export async function ownTrouble({ certFile }: TlsSettings): Promise<string | undefined> {
  const found = certFile === undefined ? undefined : await outOfDate(certFile);
  return found === undefined ? undefined : `${found}: put a new one into that file, and its key beside it`;
}

/** `/etc/moneta/ca.crt expired on 2026-11-30`; undefined while all certificates of the file hold, or when it has none. */
async function outOfDate(path: string): Promise<string | undefined> {
  const now = Date.now();
  const day = (text: string): string => new Date(text).toISOString().slice(0, 10);
  try {
    const blocks = (await readFile(path, "utf8")).match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g) ?? [];
    for (const { validFrom, validTo } of blocks.map((block) => new X509Certificate(block))) {
      if (Date.parse(validTo) <= now) return `${path} expired on ${day(validTo)}`;
      if (Date.parse(validFrom) > now) return `${path} is valid only from ${day(validFrom)} on`;
    }
  } catch {
    // It was readable a moment ago. Whoever cannot read it any more hears of it at the next attempt.
  }
  return undefined;
}
