import { authErrors } from "./errors.ts";

/** One `x=value` part of a SCRAM message. */
export interface ScramAttribute {
  readonly name: string;
  readonly value: string;
}

/** Longest SCRAM message taken from the other side; real ones have some 200 bytes. */
const maximumLength = 8192;

/**
 * Splits a SCRAM message into its attributes, in their order (RFC 5802 section 5.1: the order is fixed).
 * @param from which message this is, for the error text
 */
export function parseAttributes(message: string, from: string): ScramAttribute[] {
  if (message.length > maximumLength) throw authErrors.protocol(`${from} has ${message.length} characters`);
  return message.split(",").map((part) => {
    if (!/^[A-Za-z]=/.test(part)) throw authErrors.protocol(`${from} is not a list of attributes`);
    return { name: part.slice(0, 1), value: part.slice(2) };
  });
}

/** Base64 as RFC 4648 writes it; Node alone would skip over foreign characters in silence. */
export function decodeBase64(text: string, what: string): Buffer {
  const bytes = Buffer.from(text, "base64");
  if (text === "" || bytes.toString("base64") !== text) throw authErrors.protocol(`${what} is not base64`);
  return bytes;
}

/** A nonce part: printable ASCII without a comma. */
export function isNonce(text: string): boolean {
  return /^[\x21-\x2b\x2d-\x7e]+$/.test(text);
}

/** User names write `,` and `=` as `=2C` and `=3D`. */
export function escapeName(name: string): string {
  return name.replaceAll("=", "=3D").replaceAll(",", "=2C");
}

/** Inverse of `escapeName`; any other use of `=` is an error. */
export function unescapeName(text: string): string {
  if (/=(?!2C|3D)/.test(text)) throw authErrors.protocol("user name is escaped wrongly");
  return text.replaceAll("=2C", ",").replaceAll("=3D", "=");
}
