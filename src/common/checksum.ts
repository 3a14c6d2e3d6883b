/**
 * CRC-32 (IEEE 802.3) and CRC-32C (RFC 3720, appendix B.4). The native library costs a process 6.5 MB of memory of its
 * own as soon as it is loaded, so it is loaded with the first large piece: a supervisor and a receiver that have
 * nothing to check never pay for it.
 */
import { createRequire } from "node:module";
import type * as Library from "@node-rs/crc32";

type Native = Pick<typeof Library, "crc32" | "crc32c">;

let native: Native | undefined;
const library = (): Native => (native ??= createRequire(import.meta.url)("@node-rs/crc32") as Native);

const reversedPolynomial = 0x82f63b78;
const table = Int32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit += 1) value = (value & 1) === 0 ? value >>> 1 : (value >>> 1) ^ reversedPolynomial;
  return value;
});
/** Calling the native library takes longer than the work itself on pieces below this many bytes. */
const worthTheCall = 1024;

/** CRC-32C of the bytes from `start` to `end`, which follow those of `previous`. */
export function crc32cOfRange(bytes: Uint8Array, start: number, end: number, previous = 0): number {
  if (end - start >= worthTheCall) {
    return library().crc32c(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start), previous);
  }
  let crc = ~previous;
  for (let at = start; at < end; at += 1) crc = (crc >>> 8) ^ (table[(crc ^ (bytes[at] ?? 0)) & 0xff] ?? 0);
  return ~crc >>> 0;
}

/** CRC-32C of a piece (text as UTF-8) that follows those of `previous`. */
export function crc32c(piece: Uint8Array | string, previous = 0): number {
  const bytes = typeof piece === "string" ? Buffer.from(piece) : piece;
  return crc32cOfRange(bytes, 0, bytes.length, previous);
}

/** CRC-32 of a piece that follows those of `previous`. */
export function crc32(piece: Uint8Array, previous = 0): number {
  return library().crc32(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength), previous);
}
