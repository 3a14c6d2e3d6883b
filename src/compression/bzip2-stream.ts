/**
 * Where bzip2 streams begin and end. The format has no lengths: blocks and the end of a stream are marked by
 * 48-bit numbers at any bit position. libbz2's one-shot call stops after the first stream and does not say where.
 */
import { compressionErrors } from "./errors.ts";

/** "BZh" with the block size as a digit. */
export const BZIP2_HEADER = 4;
/** End mark and the checksum of the stream, before padding to a byte. */
export const FOOTER_BITS = 80;
export const MARK_BITS = 48;
const END_HIGH = 0x177245;
const END_LOW = 0x385090;
const BLOCK_HIGH = 0x314159;
const BLOCK_LOW = 0x265359;

/** Up to 32 bits of `bytes` from bit `position`, most significant bit first. */
export function readBits(bytes: Uint8Array, position: number, count: number): number {
  let value = 0;
  let left = count;
  let offset = position;
  while (left > 0) {
    const inByte = 8 - (offset & 7);
    const take = Math.min(inByte, left);
    const bits = ((bytes[offset >> 3] ?? 0) >> (inByte - take)) & ((1 << take) - 1);
    value = value * 2 ** take + bits;
    offset += take;
    left -= take;
  }
  return value;
}

/** What begins at a bit position: the mark of a block, the mark of the end of a stream, or neither. */
export function markAt(bytes: Uint8Array, position: number): "block" | "end" | undefined {
  const high = readBits(bytes, position, 24);
  if (high === BLOCK_HIGH && readBits(bytes, position + 24, 24) === BLOCK_LOW) return "block";
  if (high === END_HIGH && readBits(bytes, position + 24, 24) === END_LOW) return "end";
  return undefined;
}

/** For each byte value the shifts at which it can be the second byte of a mark, as bits. */
const secondByteShifts = ((): Uint8Array => {
  const shifts = new Uint8Array(256);
  for (const high of [BLOCK_HIGH, END_HIGH]) {
    for (let shift = 0; shift < 8; shift++) {
      // Bits 8-shift to 15-shift of the mark fill the byte after the one where it begins.
      const value = (high >> (8 + shift)) & 0xff;
      shifts[value] = (shifts[value] ?? 0) | (1 << shift);
    }
  }
  return shifts;
})();

/** First bit position from `from` on at which a mark lies completely within `bytes`; -1 when none does. */
export function findMark(bytes: Uint8Array, from: number): number {
  const lastBit = bytes.length * 8 - MARK_BITS;
  for (let index = from >> 3; index + 1 < bytes.length; index++) {
    const shifts = secondByteShifts[bytes[index + 1] ?? 0] ?? 0;
    if (shifts === 0) continue;
    for (let shift = 0; shift < 8; shift++) {
      // Shift counts from the low end: the mark begins `8 - shift` bits before the second byte, for 0 with it.
      if ((shifts & (1 << shift)) === 0) continue;
      const position = index * 8 + shift;
      if (position >= from && position <= lastBit && markAt(bytes, position) !== undefined) return position;
    }
  }
  return -1;
}

/** The bits from `from` to `to`, moved to a byte border, the last byte filled up with zeros. */
export function sliceBits(bytes: Uint8Array, from: number, to: number): Buffer {
  const length = Math.ceil((to - from) / 8);
  const slice = Buffer.alloc(length);
  const shift = from & 7;
  const start = from >> 3;
  for (let index = 0; index < length; index++) {
    slice[index] = ((bytes[start + index] ?? 0) << shift) | ((bytes[start + index + 1] ?? 0) >> (8 - shift));
  }
  const tail = (to - from) & 7;
  if (tail !== 0) slice[length - 1] = (slice[length - 1] ?? 0) & (0xff << (8 - tail));
  return slice;
}

/** A stream of its own out of one block, which lies in the bits from `from` to `to` and begins with its mark. */
export function streamOfBlock(bytes: Uint8Array, from: number, to: number, digit: number): Buffer {
  const block = sliceBits(bytes, from, to);
  const used = to - from;
  // The checksum of a stream of one block is that of the block.
  const footer =
    [END_HIGH, END_LOW].map((bits) => bits.toString(2).padStart(24, "0")).join("") +
    readBits(bytes, from + MARK_BITS, 32)
      .toString(2)
      .padStart(32, "0");
  const stream = Buffer.alloc(BZIP2_HEADER + Math.ceil((used + FOOTER_BITS) / 8));
  stream.write("BZh", 0, "latin1");
  stream[3] = digit;
  block.copy(stream, BZIP2_HEADER);
  for (let index = 0; index < FOOTER_BITS; index++) {
    if (footer[index] !== "1") continue;
    const position = BZIP2_HEADER * 8 + used + index;
    stream[position >> 3] = (stream[position >> 3] ?? 0) | (0x80 >> (position & 7));
  }
  return stream;
}

/** True when a stream header with a mark behind it lies at this byte: eighty fixed bits, no accident. */
export function streamBeginsAt(bytes: Uint8Array, offset: number): boolean {
  const digit = bytes[offset + 3] ?? 0;
  return (
    bytes[offset] === 0x42 &&
    bytes[offset + 1] === 0x5a &&
    bytes[offset + 2] === 0x68 &&
    digit >= 0x31 &&
    digit <= 0x39 &&
    markAt(bytes, (offset + BZIP2_HEADER) * 8) !== undefined
  );
}

/**
 * Refuses bytes that are not one bzip2 stream from first to last: foreign start, no end mark at the very end,
 * or a further stream inside.
 * @throws COMPRESSED_DATA_DAMAGED
 */
export function requireSingleStream(bytes: Uint8Array): void {
  if (!streamBeginsAt(bytes, 0)) throw compressionErrors.damaged("not a bzip2 stream");
  const ends = [0, 1, 2, 3, 4, 5, 6, 7].some((padding) => {
    const position = bytes.length * 8 - padding - FOOTER_BITS;
    return (
      position >= BZIP2_HEADER * 8 &&
      markAt(bytes, position) === "end" &&
      readBits(bytes, bytes.length * 8 - padding, padding) === 0
    );
  });
  if (!ends) throw compressionErrors.damaged("bzip2 stream does not end where it must");
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let next = view.indexOf("BZh", 1, "latin1"); next > 0; next = view.indexOf("BZh", next + 1, "latin1")) {
    if (streamBeginsAt(bytes, next)) throw compressionErrors.damaged("a second bzip2 stream where one is due");
  }
}
