/**
 * Walks the headers of Zstandard frames (RFC 8878 section 3) without decompressing: tells where a frame ends
 * and how many plain bytes it can hold, so that input is cut exactly and no hostile header allocates memory.
 */
import { compressionErrors } from "./errors.ts";

/** The byte at an offset of the input seen so far; only asked for offsets below the length given beside it. */
export type ByteAt = (offset: number) => number;

/** How far the blocks of a frame were walked, so that no block is looked at twice: a frame may have millions. */
export interface WalkedBlocks {
  /** Offset of the next block. */
  readonly position: number;
  /** Plain bytes that those before it can hold. */
  readonly plainBound: number;
}

/** What the walker knows of the frame that begins at offset 0. */
export type FrameMeasure =
  /** More input is needed: at least this many bytes from the start of the frame. */
  | { readonly kind: "need"; readonly bytes: number; readonly reached?: WalkedBlocks }
  /** A whole frame lies in the first `length` bytes; it holds at most `plainBound`, exactly `plainSize` if stated. */
  | {
      readonly kind: "frame";
      readonly length: number;
      readonly plainSize: number | undefined;
      readonly plainBound: number;
    }
  /** User data that decoders skip. */
  | { readonly kind: "skippable"; readonly length: number }
  /** A frame beyond the limit: must be decoded as a stream. */
  | { readonly kind: "large" };

export interface FrameHeader {
  readonly headerLength: number;
  readonly plainSize: number | undefined;
  /** Largest plain size of one block. */
  readonly blockMax: number;
  readonly windowSize: number;
  readonly checksum: boolean;
}

const MAGIC = 0xfd2fb528;
const BLOCK_LIMIT = 128 * 1024;
/** The public tool's own limit (`zstd -d` refuses larger windows unless told otherwise). */
export const ZSTD_WINDOW_LIMIT = 128 * 1024 * 1024;
/** Magic, descriptor, window, dictionary id, content size at their longest. */
const LONGEST_HEADER = 18;

/** Little-endian unsigned integer of up to 8 bytes; exact up to 2^53. */
export function littleEndian(at: ByteAt, offset: number, bytes: number): number {
  let value = 0;
  for (let index = bytes - 1; index >= 0; index--) value = value * 256 + at(offset + index);
  return value;
}

/** True for the sixteen magic numbers of skippable frames, which zstd and LZ4 share. */
export function isSkippableMagic(magic: number): boolean {
  return magic >= 0x184d2a50 && magic <= 0x184d2a5f;
}

/** The header of the frame at offset 0, or the number of bytes needed to read it. */
export function readZstdHeader(at: ByteAt, available: number): FrameHeader | { readonly need: number } {
  if (available < 5) return { need: 5 };
  const descriptor = at(4);
  const sizeFlag = descriptor >> 6;
  const singleSegment = (descriptor & 0x20) !== 0;
  if ((descriptor & 0x08) !== 0) throw compressionErrors.damaged("reserved bit set in a zstd frame header");
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const sizeBytes = sizeFlag === 0 ? (singleSegment ? 1 : 0) : 1 << sizeFlag;
  const headerLength = 5 + (singleSegment ? 0 : 1) + dictionaryBytes + sizeBytes;
  if (available < headerLength) return { need: headerLength };
  let position = 5;
  let windowSize = 0;
  if (!singleSegment) {
    const window = at(position++);
    const base = 2 ** (10 + (window >> 3));
    windowSize = base + (base / 8) * (window & 7);
  }
  if (littleEndian(at, position, dictionaryBytes) !== 0) {
    throw compressionErrors.damaged("zstd frame needs a dictionary, which no backup uses");
  }
  position += dictionaryBytes;
  const stated = sizeBytes === 0 ? undefined : littleEndian(at, position, sizeBytes) + (sizeBytes === 2 ? 256 : 0);
  if (singleSegment) windowSize = stated ?? 0;
  return {
    headerLength,
    plainSize: stated,
    windowSize,
    blockMax: Math.min(windowSize, BLOCK_LIMIT),
    checksum: (descriptor & 4) !== 0,
  };
}

/** One block header: where the block ends and what it can hold. */
export interface BlockMeasure {
  readonly end: number;
  readonly plainBound: number;
  readonly last: boolean;
}

/** The block whose 3-byte header lies at `offset`. */
export function readZstdBlock(at: ByteAt, offset: number, header: FrameHeader): BlockMeasure {
  const word = littleEndian(at, offset, 3);
  const size = word >> 3;
  const type = (word >> 1) & 3;
  if (type === 3) throw compressionErrors.damaged("reserved block type in a zstd frame");
  if (size > header.blockMax && type !== 1) throw compressionErrors.damaged("zstd block larger than its frame allows");
  if (size > BLOCK_LIMIT) throw compressionErrors.damaged("zstd block larger than 128 KiB");
  return {
    end: offset + 3 + (type === 1 ? 1 : size),
    plainBound: type === 2 ? header.blockMax : size,
    last: (word & 1) === 1,
  };
}

/**
 * Measures the frame at offset 0 of `available` bytes.
 * @param limit stored or plain size, in bytes, beyond which the frame is called large
 * @param reached what the same frame was answered with when more of it was needed
 * @throws COMPRESSED_DATA_DAMAGED when it is not a zstd frame
 */
export function measureZstdFrame(at: ByteAt, available: number, limit: number, reached?: WalkedBlocks): FrameMeasure {
  if (available < 4) return { kind: "need", bytes: 4 };
  const magic = littleEndian(at, 0, 4);
  if (isSkippableMagic(magic)) {
    return available < 8 ? { kind: "need", bytes: 8 } : { kind: "skippable", length: 8 + littleEndian(at, 4, 4) };
  }
  if (magic !== MAGIC) throw compressionErrors.damaged("not a zstd frame");
  const header = readZstdHeader(at, available);
  if ("need" in header) return { kind: "need", bytes: header.need };
  if (header.plainSize !== undefined && header.plainSize > limit) return { kind: "large" };
  let { position, plainBound } = reached ?? { position: header.headerLength, plainBound: 0 };
  for (;;) {
    if (available < position + 3) return { kind: "need", bytes: position + 3, reached: { position, plainBound } };
    const block = readZstdBlock(at, position, header);
    if (block.last && available < block.end + (header.checksum ? 4 : 0)) {
      return { kind: "need", bytes: block.end + (header.checksum ? 4 : 0), reached: { position, plainBound } };
    }
    plainBound += block.plainBound;
    position = block.end;
    if (block.last) break;
    if (position > limit || plainBound > limit) return { kind: "large" };
  }
  const length = position + (header.checksum ? 4 : 0);
  return {
    kind: "frame",
    length,
    plainSize: header.plainSize,
    plainBound: Math.min(plainBound, header.plainSize ?? plainBound),
  };
}

/**
 * The same frame with its content size stated in the header. The library writes none, but pgmoneta refuses
 * messages without it, and readers can then allocate and check exactly. Frames that state it are returned as is.
 */
export function stateContentSize(frame: Uint8Array, plainLength: number): Uint8Array {
  const header = readZstdHeader((offset) => frame[offset] ?? 0, Math.min(frame.length, LONGEST_HEADER));
  if ("need" in header) throw compressionErrors.failed("zstd returned less than a frame header");
  if (header.plainSize !== undefined) return frame;
  const stated = Buffer.allocUnsafe(frame.length + 4);
  stated.set(frame.subarray(0, 5), 0);
  // Content size flag 2: four bytes, behind the window descriptor (RFC 8878 section 3.1.1.1).
  stated[4] = ((frame[4] ?? 0) & 0x3f) | 0x80;
  stated.set(frame.subarray(5, header.headerLength), 5);
  stated.writeUInt32LE(plainLength, header.headerLength);
  stated.set(frame.subarray(header.headerLength), header.headerLength + 4);
  return stated;
}
