/**
 * bzip2 streams of any size, block by block: the blocks of a stream are cut out at their marks, made streams of
 * their own (as `bzip2recover` does) and decoded by the worker threads, several at a time. The checksum of
 * each block is verified by the library, that of the stream here.
 */
import { type Bzip2Pool, acquireBzip2Pool } from "./bzip2-pool.ts";
import { BZ_OUTBUFF_FULL } from "./bzip2-engine.ts";
import { BZIP2_HEADER, findMark, FOOTER_BITS, MARK_BITS, markAt, readBits, streamOfBlock } from "./bzip2-stream.ts";
import { createByteReader } from "./byte-reader.ts";
import { compressionErrors } from "./errors.ts";
import { decodeInOrder, type FrameJob } from "./ordered-frames.ts";

const STEP = 256 * 1024;
/** A block of 900 kB grows by a few per cent at worst when it is compressed. */
const BLOCK_LIMIT = 1_200_000;
/** Plain bytes of a block, as a rule; and at most, when runs of 255 equal bytes were written in five. */
const USUAL_PLAIN = 1024 * 1024;
const LARGEST_PLAIN = 46 * 1024 * 1024;
const LIMIT = 4 * 1024 * 1024;

/** Bits of a source from a moving start, as many as are asked for. */
interface BitWindow {
  readonly bytes: Buffer;
  /** Bit position of what was not consumed yet. */
  readonly start: number;
  /** Reads on; false at the end of the source. */
  more(): Promise<boolean>;
  /** Makes `bits` bits from the start available. */
  need(bits: number): Promise<void>;
  consume(bits: number): void;
}

function createBitWindow(source: AsyncIterable<Uint8Array>): BitWindow & { close(): Promise<void> } {
  const reader = createByteReader(source);
  let bytes: Buffer = Buffer.alloc(0);
  let start = 0;
  const more = async (): Promise<boolean> => {
    await reader.fill(STEP);
    if (reader.available === 0) return false;
    bytes = Buffer.concat([bytes.subarray(start >> 3), reader.take(reader.available)]);
    start &= 7;
    return true;
  };
  return {
    get bytes() {
      return bytes;
    },
    get start() {
      return start;
    },
    more,
    async need(bits) {
      while (bytes.length * 8 - start < bits) {
        if (!(await more())) throw compressionErrors.damaged("bzip2 data ends within a stream");
      }
    },
    consume(bits) {
      start += bits;
    },
    close: () => reader.close(),
  };
}

async function decodeBlock(pool: Bzip2Pool, stream: Buffer): Promise<Uint8Array> {
  try {
    return await pool.decompress(stream, USUAL_PLAIN);
  } catch (error) {
    if (!compressionErrors.damaged.is(error) || error.details["status"] !== BZ_OUTBUFF_FULL) throw error;
    return pool.decompress(stream, LARGEST_PLAIN);
  }
}

/** Length in bits of the block that begins at the window's start. */
async function blockLength(window: BitWindow): Promise<number> {
  let searched = MARK_BITS;
  for (;;) {
    const next = findMark(window.bytes, window.start + searched);
    if (next >= 0) return next - window.start;
    const seen = window.bytes.length * 8 - window.start;
    if (seen > BLOCK_LIMIT * 8) throw compressionErrors.damaged("bzip2 block without an end");
    searched = Math.max(MARK_BITS, seen - MARK_BITS);
    if (!(await window.more())) throw compressionErrors.damaged("bzip2 data ends within a block");
  }
}

async function* walkBlocks(window: BitWindow, pool: Bzip2Pool): AsyncGenerator<{ job: FrameJob; weight: number }> {
  let streams = 0;
  for (;;) {
    if (window.bytes.length * 8 === window.start && !(await window.more())) break;
    await window.need(BZIP2_HEADER * 8);
    const digit = readBits(window.bytes, window.start + 24, 8);
    if (readBits(window.bytes, window.start, 24) !== 0x425a68 || digit < 0x31 || digit > 0x39) {
      throw compressionErrors.damaged(
        streams === 0 ? "not a bzip2 stream" : "foreign bytes behind the end of bzip2 data",
      );
    }
    streams++;
    window.consume(BZIP2_HEADER * 8);
    let combined = 0;
    for (;;) {
      await window.need(FOOTER_BITS);
      const mark = markAt(window.bytes, window.start);
      const checksum = readBits(window.bytes, window.start + MARK_BITS, 32) | 0;
      if (mark === "end") {
        if (checksum !== combined) throw compressionErrors.damaged("checksum of a bzip2 stream does not match");
        break;
      }
      if (mark === undefined) throw compressionErrors.damaged("neither a block nor the end of a bzip2 stream");
      combined = ((combined << 1) | (combined >>> 31)) ^ checksum;
      const length = await blockLength(window);
      const stream = streamOfBlock(window.bytes, window.start, window.start + length, digit);
      window.consume(length);
      yield { job: () => decodeBlock(pool, stream), weight: USUAL_PLAIN };
    }
    window.consume(FOOTER_BITS);
    const padding = (8 - (window.start & 7)) & 7;
    if (readBits(window.bytes, window.start, padding) !== 0)
      throw compressionErrors.damaged("bzip2 stream is padded with ones");
    window.consume(padding);
  }
  if (streams === 0) throw compressionErrors.damaged("no bzip2 stream where one is due");
}

/** Plain bytes of any legal sequence of bzip2 streams. */
export async function* decodeBzip2(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const pool = acquireBzip2Pool();
  const window = createBitWindow(source);
  try {
    yield* decodeInOrder(walkBlocks(window, pool), LIMIT);
  } finally {
    await window.close();
    await pool.release();
  }
}
