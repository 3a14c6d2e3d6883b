import { createHash } from "node:crypto";

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
  const certificate = element(der, 0);
  if (certificate?.tag !== 0x30) return undefined;
  const body = element(der, certificate.start);
  if (body === undefined) return undefined;
  const algorithm = element(der, body.end);
  if (algorithm?.tag !== 0x30) return undefined;
  const oid = element(der, algorithm.start);
  return oid?.tag === 0x06 ? decodeOid(der.subarray(oid.start, oid.end)) : undefined;
}

interface DerElement {
  readonly tag: number;
  readonly start: number;
  readonly end: number;
}

function element(der: Buffer, offset: number): DerElement | undefined {
  const tag = der[offset];
  const first = der[offset + 1];
  if (tag === undefined || first === undefined) return undefined;
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  const start = offset + 2 + lengthBytes;
  if (lengthBytes > 4 || start > der.length) return undefined;
  const length = lengthBytes === 0 ? first : der.readUIntBE(offset + 2, lengthBytes);
  return start + length > der.length ? undefined : { tag, start, end: start + length };
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
