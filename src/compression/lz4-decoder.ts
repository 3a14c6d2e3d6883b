/**
 * LZ4 streams: frame by frame in memory, a large foreign frame block by block with its checksums verified; and the form
 * that pgmoneta gives its files.
 */
import { messageOf } from "../common/index.ts";
import { type ByteReader, createByteReader } from "./byte-reader.ts";
import { compressionErrors } from "./errors.ts";
import { FRAME_LIMIT, type FrameFormat, walkFrames } from "./frame-walk.ts";
import { decodeLz4Frame, loadLz4, type Lz4Library } from "./lz4.ts";
import { measureLz4Frame, readLz4Block, readLz4Header } from "./lz4-frame.ts";
import { decodeInOrder } from "./ordered-frames.ts";
import { beginsLinkedBlocks, decodeLinkedBlocks } from "./lz4-linked.ts";
import { createXxhash32, xxhash32 } from "./xxhash32.ts";
import { littleEndian } from "./zstd-frame.ts";

/** How far back a block of a frame with linked blocks may refer. */
const HISTORY = 64 * 1024;

/** The frame at the reader's position; every block is decoded by itself, with its history as dictionary. */
async function* decodeLarge(reader: ByteReader, library: Lz4Library): AsyncGenerator<Uint8Array> {
  const need = async (count: number): Promise<void> => {
    if (!(await reader.fill(count))) throw compressionErrors.damaged("LZ4 data ends within a frame");
  };
  const word = async (): Promise<number> => {
    await need(4);
    const bytes = reader.take(4);
    return littleEndian((offset) => bytes[offset] ?? 0, 0, 4);
  };
  let header = readLz4Header(reader.byteAt, reader.available);
  while ("need" in header) {
    await need(header.need);
    header = readLz4Header(reader.byteAt, reader.available);
  }
  reader.take(header.headerLength);
  const content = createXxhash32();
  let history = Buffer.alloc(0);
  let total = 0;
  for (;;) {
    await need(4);
    const block = readLz4Block(reader.byteAt, 0, header);
    reader.take(4);
    if (block === undefined) break;
    await need(block.size);
    const stored = reader.take(block.size);
    if (header.blockChecksum && (await word()) !== xxhash32(stored))
      throw compressionErrors.damaged("checksum of an LZ4 block does not match");
    const plain = block.stored
      ? stored
      : await decodeBlock(library, stored, header.blockMax, header.independent ? undefined : history);
    total += plain.length;
    if (header.contentChecksum) content.update(plain);
    if (!header.independent) {
      // A copy: the block's own memory goes to the receiver.
      history =
        plain.length >= HISTORY
          ? Buffer.from(plain.subarray(-HISTORY))
          : Buffer.concat([history, plain]).subarray(-HISTORY);
    }
    yield plain;
  }
  if (header.contentChecksum && (await word()) !== content.digest())
    throw compressionErrors.damaged("checksum of an LZ4 frame does not match");
  if ((header.plainSize ?? total) !== total)
    throw compressionErrors.damaged("LZ4 frame holds another length than it states");
}

async function decodeBlock(
  library: Lz4Library,
  block: Buffer,
  plainMax: number,
  history: Buffer | undefined,
): Promise<Buffer> {
  // The library wants the plain size in front; given the largest, it answers with what there really is.
  const sized = Buffer.allocUnsafe(4 + block.length);
  sized.writeUInt32LE(plainMax, 0);
  block.copy(sized, 4);
  try {
    return history === undefined || history.length === 0
      ? await library.uncompress(sized)
      : await library.uncompress(sized, history);
  } catch (error) {
    throw compressionErrors.damaged(`lz4 refuses a block: ${messageOf(error)}`, {}, error);
  }
}

function createFormat(library: Lz4Library): FrameFormat {
  return {
    name: "LZ4",
    measure: measureLz4Frame,
    async decodeFrame(frame, measure) {
      const plain = decodeLz4Frame(library, frame);
      if (plain.length > measure.plainBound || (measure.plainSize ?? plain.length) !== plain.length) {
        throw compressionErrors.damaged("LZ4 frame holds another length than it states");
      }
      return plain;
    },
    decodeLarge: (reader) => decodeLarge(reader, library),
  };
}

/** Plain bytes of any legal sequence of LZ4 frames, or of pgmoneta's blocks, whose lengths are no magic numbers. */
export async function* decodeLz4(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = createByteReader(source);
  try {
    if ((await reader.fill(4)) && beginsLinkedBlocks(littleEndian(reader.byteAt, 0, 4))) yield* decodeLinkedBlocks(reader);
    else yield* decodeInOrder(walkFrames(reader, createFormat(await loadLz4())), FRAME_LIMIT);
  } finally {
    await reader.close();
  }
}
