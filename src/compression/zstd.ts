/**
 * zstd: Node's own where it has it (22.15 and newer), else `@mongodb-js/zstd` 1.2.2 through its inner
 * `bindings` entry, because the public `compress` of that version drops the level.
 */
import { createRequire } from "node:module";
import { promisify } from "node:util";
import * as zlib from "node:zlib";
import { messageOf } from "../common/index.ts";
import { chunkSizeOf, type Compressor } from "./compressor.ts";
import { compressionErrors } from "./errors.ts";
import { measureZstdFrame, stateContentSize } from "./zstd-frame.ts";

/** The two calls that both libraries offer: one frame out of plain bytes, plain bytes out of whole frames. */
interface ZstdLibrary {
  readonly name: string;
  compress(plain: Uint8Array, level: number): Promise<Uint8Array>;
  decompress(frame: Uint8Array, plainLength: number): Promise<Uint8Array>;
}

interface ZstdBindings {
  compress(data: Buffer, level: number): Promise<Buffer>;
  decompress(data: Buffer): Promise<Buffer>;
}

interface ZstdOptions {
  params?: Record<number, number>;
  pledgedSrcSize?: number;
  chunkSize?: number;
  maxOutputLength?: number;
}
type ZstdCall = (data: Uint8Array, options: ZstdOptions, done: (error: Error | null, result: Buffer) => void) => void;

/** zlib as newer versions of Node have it; the types in use are those of Node 20. */
interface ZlibWithZstd {
  readonly zstdCompress?: ZstdCall;
  readonly zstdDecompress?: ZstdCall;
  readonly constants: Readonly<Record<string, number | undefined>>;
}

/** A view as a Buffer on the same memory. */
function asBuffer(view: Uint8Array): Buffer {
  return Buffer.isBuffer(view) ? view : Buffer.from(view.buffer, view.byteOffset, view.byteLength);
}

/** Node's zstd, or undefined where this Node has none. */
export function builtInZstd(): ZstdLibrary | undefined {
  const modern = zlib as unknown as ZlibWithZstd;
  const { zstdCompress, zstdDecompress } = modern;
  const levelKey = modern.constants["ZSTD_c_compressionLevel"];
  const checksumKey = modern.constants["ZSTD_c_checksumFlag"];
  if (
    zstdCompress === undefined ||
    zstdDecompress === undefined ||
    levelKey === undefined ||
    checksumKey === undefined
  ) {
    return undefined;
  }
  const compress = promisify(zstdCompress);
  const decompress = promisify(zstdDecompress);
  return {
    name: "zlib",
    // The output buffer is asked for at its bound: with zlib's standard 16 KiB every chunk would take dozens of turns.
    compress: (plain, level) =>
      compress(plain, {
        params: { [levelKey]: level, [checksumKey]: 1 },
        pledgedSrcSize: plain.length,
        chunkSize: Math.max(64, plain.length + (plain.length >> 8) + 512),
      }),
    decompress: (frame, plainLength) =>
      decompress(frame, { chunkSize: Math.max(64, plainLength + 1), maxOutputLength: Math.max(1, plainLength) }),
  };
}

/** Looking a package up takes longer than decoding a small file, and every file asks for it. */
let loaded: ZstdBindings | undefined;

/** The package's zstd. */
export function packagedZstd(): ZstdLibrary {
  let bindings: ZstdBindings;
  try {
    loaded ??= createRequire(import.meta.url)("@mongodb-js/zstd/bindings") as ZstdBindings;
    bindings = loaded;
  } catch (error) {
    throw compressionErrors.libraryMissing(
      "zstd needs the package @mongodb-js/zstd 1.2.2, which does not load",
      {},
      error,
    );
  }
  return {
    name: "@mongodb-js/zstd",
    compress: async (plain, level) => stateContentSize(await bindings.compress(asBuffer(plain), level), plain.length),
    decompress: (frame) => bindings.decompress(asBuffer(frame)),
  };
}

/** zstd at one level. The library is proven by the registry's self-test. */
export function createZstdCompressor(level: number, library = builtInZstd() ?? packagedZstd()): Compressor {
  return {
    method: "zstd",
    chunkSize: chunkSizeOf("zstd"),
    async compress(plain) {
      try {
        return await library.compress(plain, level);
      } catch (error) {
        throw compressionErrors.failed(`zstd failed: ${messageOf(error)}`, {}, error);
      }
    },
    async decompress(frame, plainLength) {
      const measure = measureZstdFrame((offset) => frame[offset] ?? 0, frame.length, Number.MAX_SAFE_INTEGER);
      if (measure.kind !== "frame" || measure.length !== frame.length) {
        throw compressionErrors.damaged("zstd frame does not end where it must");
      }
      // The library allots what the frame asks for, so a changed header must not get that far.
      if (measure.plainSize !== undefined && measure.plainSize !== plainLength) {
        throw compressionErrors.damaged(`zstd frame states ${measure.plainSize} bytes where ${plainLength} are due`);
      }
      if (measure.plainBound < plainLength) throw compressionErrors.damaged("zstd frame is too short for its content");
      let plain: Uint8Array;
      try {
        plain = await library.decompress(frame, plainLength);
      } catch (error) {
        throw compressionErrors.damaged(`zstd refuses the frame: ${messageOf(error)}`, {}, error);
      }
      if (plain.length !== plainLength) {
        throw compressionErrors.damaged(`zstd frame holds ${plain.length} bytes where ${plainLength} are due`);
      }
      return plain;
    },
    close: async () => undefined,
  };
}
