/** Elements of DER (X.690), as far as certificates and lists of revoked ones are looked into. */

export interface DerElement {
  readonly tag: number;
  /** Of the content, in the buffer that was looked at. */
  readonly start: number;
  readonly end: number;
}

/** The element that begins at `offset`; undefined when there is no whole one. */
export function derElement(der: Buffer, offset: number): DerElement | undefined {
  const tag = der[offset];
  const first = der[offset + 1];
  if (tag === undefined || first === undefined) return undefined;
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  const start = offset + 2 + lengthBytes;
  if (lengthBytes > 4 || start > der.length) return undefined;
  const length = lengthBytes === 0 ? first : der.readUIntBE(offset + 2, lengthBytes);
  return start + length > der.length ? undefined : { tag, start, end: start + length };
}
