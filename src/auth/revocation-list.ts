/** When lists of revoked certificates were made and how long they hold: Node uses them, and does not tell. */
import { derElement, type DerElement } from "./der.ts";
import { authErrors } from "./errors.ts";

export interface RevocationList {
  /** Milliseconds since 1970. */
  readonly made: number;
  /** From then on nobody is trusted by it; undefined for a list that has no end. */
  readonly ends: number | undefined;
}

const sequence = 0x30;
const integer = 0x02;
const utcTime = 0x17;
const generalizedTime = 0x18;

/** The lists of a PEM file. Throws `TLS_SETTINGS` when it has none, or one that cannot be read. */
export function parseRevocationLists(pem: string): RevocationList[] {
  const blocks = [...pem.matchAll(/-----BEGIN X509 CRL-----([^]*?)-----END X509 CRL-----/g)];
  if (blocks.length === 0) throw authErrors.tlsSettings("there is no list of revoked certificates in it");
  return blocks.map(([, text = ""]) => parseList(Buffer.from(text, "base64")));
}

/** TBSCertList ::= SEQUENCE { version OPTIONAL, signature, issuer, thisUpdate, nextUpdate OPTIONAL, … } (RFC 5280, section 5.1). */
function parseList(der: Buffer): RevocationList {
  const list = derElement(der, 0);
  const body = list?.tag === sequence ? derElement(der, list.start) : undefined;
  let at = body?.tag === sequence ? body.start : der.length;
  const next = (): DerElement | undefined => {
    const found = derElement(der, at);
    at = found?.end ?? der.length;
    return found;
  };
  const first = next();
  const signature = first?.tag === integer ? next() : first;
  const issuer = next();
  const made = timeOf(der, next());
  if (signature === undefined || issuer === undefined || made === undefined) throw authErrors.tlsSettings("a list of revoked certificates in it is damaged");
  return { made, ends: timeOf(der, next()) };
}

/** `YYMMDDHHMMSSZ` for the years up to 2049, `YYYYMMDDHHMMSSZ` after them (RFC 5280, section 5.1.2.4). */
function timeOf(der: Buffer, element: DerElement | undefined): number | undefined {
  if (element === undefined || (element.tag !== utcTime && element.tag !== generalizedTime)) return undefined;
  const text = der.toString("latin1", element.start, element.end);
  const short = element.tag === utcTime;
  const [, years = "", ...rest] = (short ? /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/ : /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/).exec(text) ?? [];
  const [month = 0, day = 0, hour = 0, minute = 0, second = 0] = rest.map(Number);
  const year = short ? (Number(years) < 50 ? 2000 : 1900) + Number(years) : Number(years);
  return years === "" ? undefined : Date.UTC(year, month - 1, day, hour, minute, second);
}
