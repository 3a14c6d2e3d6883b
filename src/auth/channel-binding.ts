import { createHash } from "node:crypto";
import { derElement } from "./der.ts";

/** Signature algorithms and the hash that belongs to them; MD5 and SHA-1 are replaced by SHA-256 (RFC 5929 section 4.1). */
const hashOfSignature: Readonly<Record<string, string>> = {
  "1.2.840.113549.1.1.4": "sha256",
  "1.2.840.113549.1.1.5": "sha256",
  "1.2.840.113549.1.1.11": "sha256",
  "1.2.840.113549.1.1.12": "sha384",
  "1.2.840.113549.1.1.13": "sha512",
  "1.2.840.113549.1.1.14": "sha224",
  "1.2.840.10045.4.1": "sha256",
  "1.2.840.10045.4.3.1": "sha224",
  "1.2.840.10045.4.3.2": "sha256",
  "1.2.840.10045.4.3.3": "sha384",
  "1.2.840.10045.4.3.4": "sha512",
};

/**
 * The `tls-server-end-point` channel binding (RFC 5929 section 4): the hash of the server's certificate.
 * @param certificate DER of the server's own certificate
 * @returns undefined when the signature names no single hash (Ed25519, RSASSA-PSS): then no binding is possible
 */
export function tlsServerEndPoint(certificate: Buffer): Buffer | undefined {
  const oid = signatureAlgorithm(certificate);
  const hash = oid === undefined ? undefined : hashOfSignature[oid];
  return hash === undefined ? undefined : createHash(hash).update(certificate).digest();
}

/** Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm SEQUENCE { OID, … }, signature } (RFC 5280 section 4.1). */
function signatureAlgorithm(der: Buffer): string | undefined {
  const certificate = derElement(der, 0);
  if (certificate?.tag !== 0x30) return undefined;
  const body = derElement(der, certificate.start);
  if (body === undefined) return undefined;
  const algorithm = derElement(der, body.end);
  if (algorithm?.tag !== 0x30) return undefined;
  const oid = derElement(der, algorithm.start);
  return oid?.tag === 0x06 ? decodeOid(der.subarray(oid.start, oid.end)) : undefined;
}

function decodeOid(bytes: Buffer): string {
  const arcs: number[] = [];
  let value = 0;
  for (const byte of bytes) {
    value = value * 128 + (byte & 0x7f);
    if ((byte & 0x80) !== 0) continue;
    // The first number packs two arcs: 40 × first + second.
    if (arcs.length === 0) arcs.push(Math.min(2, Math.floor(value / 40)), value - 40 * Math.min(2, Math.floor(value / 40)));
    else arcs.push(value);
    value = 0;
  }
  return arcs.join(".");
}
