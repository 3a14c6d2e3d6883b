/** LZ4 frames with content checksum by `lz4-napi`, which has no levels. */
import { createGarbageCounter, messageOf } from "../common/index.ts";
import { chunkSizeOf, type Compressor } from "./compressor.ts";
import { compressionErrors } from "./errors.ts";
import { measureLz4Frame } from "./lz4-frame.ts";
import type { Lz4Pool } from "./lz4-pool.ts";

/** The calls of lz4-napi in use. */
export interface Lz4Library {
  compressFrame(data: Uint8Array, options: { contentChecksum: boolean }): Promise<Buffer>;
  compressFrameSync(data: Buffer, options: { contentChecksum: boolean }): Buffer;
  decompressFrameSync(data: Buffer): Buffer;
  /** Raw block behind its size as 4 bytes little-endian. */
  compress(data: Uint8Array): Promise<Buffer>;
  uncompress(data: Uint8Array, dictionary?: Uint8Array): Promise<Buffer>;
}

/** What was loaded once: looking a package up takes longer than decoding a small file. A failure is not kept. */
let loaded: Lz4Library | undefined;

/** Loads lz4-napi on first use: a command that compresses nothing does not pay for it. */
export async function loadLz4(): Promise<Lz4Library> {
  if (loaded !== undefined) return loaded;
  try {
    const library: Lz4Library = await import("lz4-napi");
    loaded = library;
    return library;
  } catch (error) {
    throw compressionErrors.libraryMissing("lz4 needs the package lz4-napi, which does not load", {}, error);
  }
}

/** Less than this is compressed on the libuv pool: the way to a worker thread would cost more than the work. */
const SMALL = 64 * 1024;

/**
 * Plain bytes that may lie about before their memory is asked for. Collecting only the young generation more often made it
 * worse: what was in use then outlived it.
 */
const decoded = createGarbageCounter(8 * 1024 * 1024);

/**
 * The plain bytes of one frame. By the thread that calls, for a millisecond at most: what threads of the pool decode is freed
 * by another thread than the one that took it, and the library's allocator keeps such memory (a restore took 388 MB).
 * @throws COMPRESSED_DATA_DAMAGED
 */
export function decodeLz4Frame(library: Lz4Library, frame: Uint8Array): Buffer {
  try {
    const plain = library.decompressFrameSync(Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength));
    decoded(plain.length);
    return plain;
  } catch (error) {
    throw compressionErrors.damaged(`lz4 refuses a frame: ${messageOf(error)}`, {}, error);
  }
}

/** Two threads with an interpreter each, and what the library's allocator keeps for both (measured: 30 to 40 MB). */
const OWN_MEMORY = 32 * 1024 * 1024;

/** LZ4 frames. Closing gives the pool back. */
export function createLz4Compressor(library: Lz4Library, pool: Lz4Pool): Compressor {
  return {
    method: "lz4",
    chunkSize: chunkSizeOf("lz4"),
    ownMemory: OWN_MEMORY,
    decodesInPlace: true,
    async compress(plain) {
      if (plain.length >= SMALL) return pool.compress(plain);
      try {
        return await library.compressFrame(plain, { contentChecksum: true });
      } catch (error) {
        throw compressionErrors.failed(`lz4 failed: ${messageOf(error)}`, {}, error);
      }
    },
    async decompress(frame, plainLength) {
      const measure = measureLz4Frame((offset) => frame[offset] ?? 0, frame.length, Number.MAX_SAFE_INTEGER);
      if (measure.kind !== "frame" || measure.length !== frame.length) {
        throw compressionErrors.damaged("LZ4 frame does not end where it must");
      }
      if (measure.plainBound < plainLength || (measure.plainSize ?? plainLength) !== plainLength) {
        throw compressionErrors.damaged(`LZ4 frame cannot hold the ${plainLength} bytes that are due`);
      }
      const plain = decodeLz4Frame(library, frame);
      if (plain.length !== plainLength) {
        throw compressionErrors.damaged(`LZ4 frame holds ${plain.length} bytes where ${plainLength} are due`);
      }
      return plain;
    },
    recycle: (frame) => pool.recycle(frame),
    close: () => pool.release(),
  };
}
