/**
 * bzip2 on one thread. libbz2 1.0.8 as the WebAssembly module inside `bzip2-wasm` (about three quarters of native
 * speed), instantiated here without that package's wrapper, which writes to `globalThis`, keeps a stale view of
 * grown memory and leaks; else compressjs, thirty times slower. Both block their thread: workers only.
 */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { messageOf } from "../common/index.ts";
import { compressionErrors } from "./errors.ts";

export interface Bzip2Engine {
  readonly name: "bzip2-wasm" | "compressjs";
  /** One complete stream. `level` 1 to 9 is the block size in 100 kB. */
  compress(plain: Uint8Array, level: number): Uint8Array;
  /** The first stream of the input, whatever follows it; never more than `maxPlain` bytes. */
  decompress(stream: Uint8Array, maxPlain: number): Uint8Array;
}

/** Exports of the module in use; pointers and lengths are numbers. */
interface Bzip2Exports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  malloc(size: number): number;
  free(pointer: number): void;
  emscripten_stack_init(): void;
  __wasm_call_ctors(): void;
  BZ2_bzBuffToBuffCompress(
    to: number,
    toLength: number,
    from: number,
    length: number,
    level: number,
    v: number,
    work: number,
  ): number;
  BZ2_bzBuffToBuffDecompress(
    to: number,
    toLength: number,
    from: number,
    length: number,
    small: number,
    v: number,
  ): number;
}

/** The part of the WebAssembly interface that the types of Node 20 leave out. */
interface WebAssemblyInterface {
  instantiate(code: Uint8Array, imports: unknown): Promise<{ readonly instance: { readonly exports: unknown } }>;
}

const PAGE = 65536;
/** Status of libbz2, also in the details of the error: the result does not fit into what was allowed. */
export const BZ_OUTBUFF_FULL = -8;
const reasons: Readonly<Record<string, string>> = {
  "-3": "not enough memory",
  "-4": "data does not match its checksum",
  "-5": "not a bzip2 stream",
  "-7": "stream ends too early",
  "-8": "more plain bytes than are due",
};

/** libbz2 in WebAssembly. @throws COMPRESSION_LIBRARY_MISSING */
export async function loadWasmEngine(): Promise<Bzip2Engine> {
  let code: Buffer;
  try {
    code = await readFile(createRequire(import.meta.url).resolve("bzip2-wasm/bzip2-1.0.8/bzip2.wasm"));
  } catch (error) {
    throw compressionErrors.libraryMissing("bzip2 needs the package bzip2-wasm, which is not installed", {}, error);
  }
  let bz2: Bzip2Exports | undefined = undefined;
  const bytes = (): Uint8Array => new Uint8Array((bz2 as unknown as Bzip2Exports).memory.buffer);
  const ignored = (): number => 0;
  const imports = {
    env: {
      exit: (status: number): never => {
        throw compressionErrors.failed(`bzip2 ended itself with status ${status}`);
      },
      emscripten_memcpy_big: (to: number, from: number, length: number): void =>
        void bytes().copyWithin(to, from, from + length),
      emscripten_resize_heap: (size: number): number => {
        const memory = (bz2 as unknown as Bzip2Exports).memory;
        // Growing throws at the limit of the address space; malloc then answers "no memory", which is reported.
        try {
          memory.grow(Math.ceil((size - memory.buffer.byteLength) / PAGE));
          return 1;
        } catch {
          return 0;
        }
      },
    },
    wasi_snapshot_preview1: { fd_close: ignored, fd_write: ignored, fd_seek: ignored },
  };
  const { WebAssembly } = globalThis as unknown as { WebAssembly: WebAssemblyInterface };
  const engine = (await WebAssembly.instantiate(code, imports)).instance.exports as Bzip2Exports;
  bz2 = engine;
  engine.emscripten_stack_init();
  engine.__wasm_call_ctors();

  // Input, output and the output's length live in one region that only grows: no malloc and free per chunk.
  let region = 0;
  let regionSize = 0;
  const reserve = (size: number): number => {
    if (size > regionSize) {
      if (region !== 0) engine.free(region);
      regionSize = 0;
      region = engine.malloc(size);
      if (region === 0) throw compressionErrors.failed("bzip2 has not enough memory");
      regionSize = size;
    }
    return region;
  };
  const run = (
    input: Uint8Array,
    capacity: number,
    call: (to: number, toLength: number, from: number) => number,
  ): Uint8Array => {
    const lengthAt = reserve(8 + input.length + capacity);
    const from = lengthAt + 8;
    const to = from + input.length;
    bytes().set(input, from);
    new DataView(engine.memory.buffer).setUint32(lengthAt, capacity, true);
    const status = call(to, lengthAt, from);
    if (status !== 0) throw compressionErrors.damaged(`bzip2: ${reasons[status] ?? `error ${status}`}`, { status });
    const length = new DataView(engine.memory.buffer).getUint32(lengthAt, true);
    return bytes().slice(to, to + length);
  };
  return {
    name: "bzip2-wasm",
    compress: (plain, level) =>
      // libbz2's own bound: one per cent and 600 bytes more than the input.
      run(plain, plain.length + Math.ceil(plain.length / 100) + 600, (to, toLength, from) =>
        engine.BZ2_bzBuffToBuffCompress(to, toLength, from, plain.length, level, 0, 30),
      ),
    decompress: (stream, maxPlain) =>
      run(stream, Math.max(1, maxPlain), (to, toLength, from) =>
        engine.BZ2_bzBuffToBuffDecompress(to, toLength, from, stream.length, 0, 0),
      ),
  };
}

/** What of compressjs is in use. */
interface CompressJs {
  readonly Bzip2: {
    compressFile(input: Uint8Array, output: undefined, level: number): ArrayLike<number>;
    decompressFile(input: Uint8Array): ArrayLike<number>;
  };
}

/** bzip2 in JavaScript (GPL, optional, loaded only when nothing faster is there). @throws COMPRESSION_LIBRARY_MISSING */
export function loadJavaScriptEngine(): Bzip2Engine {
  let library: CompressJs;
  try {
    library = createRequire(import.meta.url)("compressjs") as CompressJs;
  } catch (error) {
    throw compressionErrors.libraryMissing(
      "bzip2 needs one of the packages bzip2-wasm and compressjs, none loads",
      {},
      error,
    );
  }
  return {
    name: "compressjs",
    compress: (plain, level) => Uint8Array.from(library.Bzip2.compressFile(plain, undefined, level)),
    decompress(stream, maxPlain) {
      let plain: Uint8Array;
      try {
        plain = Uint8Array.from(library.Bzip2.decompressFile(stream));
      } catch (error) {
        throw compressionErrors.damaged(`bzip2: ${messageOf(error)}`, {}, error);
      }
      if (plain.length > maxPlain)
        throw compressionErrors.damaged("bzip2: more plain bytes than are due", { status: BZ_OUTBUFF_FULL });
      return plain;
    },
  };
}

/** The fastest engine that is installed. */
export async function loadBzip2Engine(): Promise<Bzip2Engine> {
  try {
    return await loadWasmEngine();
  } catch (error) {
    if (!compressionErrors.libraryMissing.is(error)) throw error;
    // Not a failure: compressjs is the documented second choice, and reports for both when it is missing too.
    return loadJavaScriptEngine();
  }
}
