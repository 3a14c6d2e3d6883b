/** zstd streams: frame by frame in memory, a large foreign frame by Node's own decoder or the `zstd` command. */
import type { Transform } from "node:stream";
import * as zlib from "node:zlib";
import { messageOf } from "../common/index.ts";
import { type ByteReader, createByteReader } from "./byte-reader.ts";
import { decodeByCommand } from "./command-decoder.ts";
import { compressionErrors } from "./errors.ts";
import { FRAME_LIMIT, type FrameFormat, walkFrames } from "./frame-walk.ts";
import { decodeInOrder } from "./ordered-frames.ts";
import { decodeByStream } from "./stream-decoder.ts";
import { builtInZstd, packagedZstd } from "./zstd.ts";
import { measureZstdFrame, readZstdBlock, readZstdHeader, ZSTD_WINDOW_LIMIT } from "./zstd-frame.ts";

/** The bytes of exactly the frame at the reader's position, block by block. */
async function* bytesOfFrame(reader: ByteReader): AsyncGenerator<Buffer> {
  const need = async (count: number): Promise<void> => {
    if (!(await reader.fill(count))) throw compressionErrors.damaged("zstd data ends within a frame");
  };
  let header = readZstdHeader(reader.byteAt, reader.available);
  while ("need" in header) {
    await need(header.need);
    header = readZstdHeader(reader.byteAt, reader.available);
  }
  if (header.windowSize > ZSTD_WINDOW_LIMIT) {
    throw compressionErrors.decoderMissing(
      `zstd frame with a window of ${header.windowSize} bytes needs more memory than the ${ZSTD_WINDOW_LIMIT} bytes that are allowed`,
    );
  }
  yield reader.take(header.headerLength);
  for (let last = false; !last;) {
    await need(3);
    const block = readZstdBlock(reader.byteAt, 0, header);
    await need(block.end);
    yield reader.take(block.end);
    last = block.last;
  }
  if (header.checksum) {
    await need(4);
    yield reader.take(4);
  }
}

function decodeLarge(reader: ByteReader): AsyncIterable<Uint8Array> {
  const modern = zlib as unknown as { readonly createZstdDecompress?: (options: { chunkSize: number }) => Transform };
  const { createZstdDecompress } = modern;
  return createZstdDecompress === undefined
    ? decodeByCommand("zstd", ["-dcq", "--no-sparse"], bytesOfFrame(reader))
    : decodeByStream("zstd", () => createZstdDecompress({ chunkSize: 256 * 1024 }), bytesOfFrame(reader));
}

const createFormat = (): FrameFormat => {
  const library = builtInZstd() ?? packagedZstd();
  return {
    name: "zstd",
    measure: measureZstdFrame,
    async decodeFrame(frame, measure) {
      let plain: Uint8Array;
      try {
        plain = await library.decompress(frame, measure.plainBound);
      } catch (error) {
        throw compressionErrors.damaged(`zstd refuses a frame: ${messageOf(error)}`, {}, error);
      }
      if (plain.length > measure.plainBound || (measure.plainSize ?? plain.length) !== plain.length) {
        throw compressionErrors.damaged("zstd frame holds another length than it states");
      }
      return plain;
    },
    decodeLarge,
  };
};

/** Plain bytes of any legal sequence of zstd frames. */
export async function* decodeZstd(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = createByteReader(source);
  try {
    yield* decodeInOrder(walkFrames(reader, createFormat()), FRAME_LIMIT);
  } finally {
    await reader.close();
  }
}
