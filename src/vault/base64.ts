/** Base64 read strictly: Node's own decoder skips what it does not know, so that damage would go unnoticed. */

/** The bytes of a base64 text (RFC 4648, padded, one line); undefined when the text is not exactly that. */
export function decodeBase64(text: string): Buffer | undefined {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? bytes : undefined;
}
