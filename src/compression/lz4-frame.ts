/**
 * Walks LZ4 frames (LZ4 Frame Format 1.6.3) without decompressing. The library decodes only the first frame of
 * several, ignores what follows it, and accepts a frame without its end mark: only whole single frames may
 * reach it, and this walker decides what is one.
 */
import { compressionErrors } from "./errors.ts";
import { xxhash32 } from "./xxhash32.ts";
import { type ByteAt, type FrameMeasure, isSkippableMagic, littleEndian, type WalkedBlocks } from "./zstd-frame.ts";

const MAGIC = 0x184d2204;
const LEGACY_MAGIC = 0x184c2102;

export interface Lz4Header {
  readonly headerLength: number;
  readonly plainSize: number | undefined;
  /** Largest plain size of one block. */
  readonly blockMax: number;
  /** False when a block may refer to the 64 KiB before it. */
  readonly independent: boolean;
  readonly blockChecksum: boolean;
  readonly contentChecksum: boolean;
}

/** The header of the frame at offset 0, checksum verified, or the number of bytes needed to read it. */
export function readLz4Header(at: ByteAt, available: number): Lz4Header | { readonly need: number } {
  if (available < 7) return { need: 7 };
  const flags = at(4);
  const blockDescriptor = at(5);
  if (flags >> 6 !== 1 || (flags & 2) !== 0)
    throw compressionErrors.damaged("unknown version or flag in an LZ4 frame header");
  const blockCode = (blockDescriptor >> 4) & 7;
  if (blockCode < 4 || (blockDescriptor & 0x8f) !== 0)
    throw compressionErrors.damaged("invalid block size in an LZ4 frame header");
  const hasSize = (flags & 8) !== 0;
  const dictionary = (flags & 1) !== 0;
  const headerLength = 7 + (hasSize ? 8 : 0) + (dictionary ? 4 : 0);
  if (available < headerLength) return { need: headerLength };
  const descriptor = Uint8Array.from({ length: headerLength - 5 }, (_, index) => at(4 + index));
  if (((xxhash32(descriptor) >>> 8) & 0xff) !== at(headerLength - 1)) {
    throw compressionErrors.damaged("checksum of an LZ4 frame header does not match");
  }
  if (dictionary) throw compressionErrors.damaged("LZ4 frame needs a dictionary, which no backup uses");
  return {
    headerLength,
    plainSize: hasSize ? littleEndian(at, 6, 8) : undefined,
    blockMax: 1 << (8 + 2 * blockCode),
    independent: (flags & 0x20) !== 0,
    blockChecksum: (flags & 0x10) !== 0,
    contentChecksum: (flags & 4) !== 0,
  };
}

/** The block whose 4-byte header lies at `offset`; undefined at the end mark. `size` is its payload in bytes. */
export function readLz4Block(
  at: ByteAt,
  offset: number,
  header: Lz4Header,
): { size: number; stored: boolean } | undefined {
  const word = littleEndian(at, offset, 4);
  if (word === 0) return undefined;
  const size = word % 0x80000000;
  if (size > header.blockMax || size === 0) throw compressionErrors.damaged("LZ4 block larger than its frame allows");
  return { size, stored: word >= 0x80000000 };
}

/**
 * Measures the frame at offset 0 of `available` bytes.
 * @param limit stored or plain size, in bytes, beyond which the frame is called large
 * @param reached what the same frame was answered with when more of it was needed
 * @throws COMPRESSED_DATA_DAMAGED when it is not an LZ4 frame
 */
export function measureLz4Frame(at: ByteAt, available: number, limit: number, reached?: WalkedBlocks): FrameMeasure {
  if (available < 4) return { kind: "need", bytes: 4 };
  const magic = littleEndian(at, 0, 4);
  if (isSkippableMagic(magic)) {
    return available < 8 ? { kind: "need", bytes: 8 } : { kind: "skippable", length: 8 + littleEndian(at, 4, 4) };
  }
  if (magic === LEGACY_MAGIC) throw compressionErrors.damaged("LZ4 legacy format, not an LZ4 frame");
  if (magic !== MAGIC) throw compressionErrors.damaged("not an LZ4 frame");
  const header = readLz4Header(at, available);
  if ("need" in header) return { kind: "need", bytes: header.need };
  if (header.plainSize !== undefined && header.plainSize > limit) return { kind: "large" };
  let { position, plainBound } = reached ?? { position: header.headerLength, plainBound: 0 };
  const trailer = header.contentChecksum ? 4 : 0;
  for (;;) {
    const needed = (bytes: number): FrameMeasure => ({ kind: "need", bytes, reached: { position, plainBound } });
    if (available < position + 4) return needed(position + 4);
    const block = readLz4Block(at, position, header);
    if (block === undefined && available < position + 4 + trailer) return needed(position + 4 + trailer);
    position += 4;
    if (block === undefined) break;
    plainBound += block.stored ? block.size : header.blockMax;
    position += block.size + (header.blockChecksum ? 4 : 0);
    if (position > limit || plainBound > limit) return { kind: "large" };
  }
  return {
    kind: "frame",
    length: position + trailer,
    plainSize: header.plainSize,
    plainBound: Math.min(plainBound, header.plainSize ?? plainBound),
  };
}
