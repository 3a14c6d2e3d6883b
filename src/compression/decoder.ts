/**
 * The contract of a decoder: any legal stream of a format to plain bytes, without an index, in bounded memory.
 * Input that is cut, followed by anything foreign, or refused by the format's own checks is an error, never a
 * short result. (A zstd frame or a chunk without any checksum can hold a change that no decoder can see: where a
 * digest is known, compare it.)
 */
import { decodeBzip2 } from "./bzip2-decoder.ts";
import type { CompressionMethod } from "./compressor.ts";
import { decodeGzip } from "./gzip-decoder.ts";
import { decodeLz4 } from "./lz4-decoder.ts";
import { decodeZstd } from "./zstd-decoder.ts";

export interface StreamDecoder {
  readonly method: CompressionMethod;
  /**
   * Plain pieces, each at most a few megabytes and owned by the receiver.
   * @param source stored pieces that nobody changes after they were handed over
   * @throws COMPRESSED_DATA_DAMAGED, DECOMPRESSION_TOOL_MISSING, COMPRESSION_LIBRARY_MISSING
   */
  decode(source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>;
}

const decoders: Readonly<Record<CompressionMethod, StreamDecoder["decode"]>> = {
  none: (source) => source,
  gzip: decodeGzip,
  zstd: decodeZstd,
  lz4: decodeLz4,
  bzip2: decodeBzip2,
};

/** A decoder of one method; it has no state and may be used for several streams. */
export function createDecoder(method: CompressionMethod): StreamDecoder {
  return { method, decode: decoders[method] };
}
