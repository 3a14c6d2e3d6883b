/**
 * The contract of a compressor: plain chunks to complete frames of a public format and back.
 *
 * A stored file is the concatenation of independent frames (zstd frames, gzip members, LZ4 frames, bzip2
 * streams), so the public tools decode it, every core works on one file, and memory is bounded by the chunk.
 */

export const compressionMethods = ["none", "gzip", "zstd", "lz4", "bzip2"] as const;
export type CompressionMethod = (typeof compressionMethods)[number];

/** What a compressed file's name ends with; pgmoneta's suffixes. */
export const compressionSuffix: Readonly<Record<CompressionMethod, string>> = {
  none: "",
  gzip: ".gz",
  zstd: ".zstd",
  lz4: ".lz4",
  bzip2: ".bz2",
};

/** Plain bytes in every frame of a file but the last. */
export const CHUNK_SIZE = 1024 * 1024;
/** bzip2 sorts blocks of at most 900 kB: a larger chunk would only begin a second block. */
export const BZIP2_CHUNK_SIZE = 900_000;

/** Plain bytes a frame of this method, in bytes. */
export function chunkSizeOf(method: CompressionMethod): number {
  return method === "bzip2" ? BZIP2_CHUNK_SIZE : CHUNK_SIZE;
}

/** Range and default of `compression_level`; null where the library has no levels. */
export interface LevelRange {
  readonly min: number;
  readonly max: number;
  readonly standard: number;
}

/** lz4-napi has no levels and `none` needs none: a level given for them is without effect. */
export const levelRanges: Readonly<Record<CompressionMethod, LevelRange | null>> = {
  none: null,
  gzip: { min: 1, max: 9, standard: 6 },
  zstd: { min: -5, max: 22, standard: 3 },
  lz4: null,
  bzip2: { min: 1, max: 9, standard: 9 },
};

/** The level of a method that is nearest to the one wanted; undefined where there are none. */
export function nearestLevel(method: CompressionMethod, wanted: number): number | undefined {
  const range = levelRanges[method];
  return range === null ? undefined : Math.min(range.max, Math.max(range.min, wanted));
}

export interface Compressor {
  readonly method: CompressionMethod;
  /** Largest plain chunk that `compress` is given, in bytes. */
  readonly chunkSize: number;
  /** Bytes that its threads and its library take, beside the chunks and frames in hand; what the others take does not count. */
  readonly ownMemory?: number;
  /** `decompress` works on the thread that calls: asking for several chunks at once gains nothing and keeps them all in memory. */
  readonly decodesInPlace?: boolean;
  /**
   * One complete frame with these plain bytes (none: the same bytes, not a copy). The input must not change
   * until the promise settles.
   * @throws COMPRESSION_FAILED
   */
  compress(plain: Uint8Array): Promise<Uint8Array>;
  /**
   * The plain bytes of exactly one frame. The input must not change until the promise settles.
   * @throws COMPRESSED_DATA_DAMAGED when the frame is cut, changed, followed by anything, or does not hold
   * exactly `plainLength` bytes; nothing larger than `plainLength` is ever allocated for the result
   */
  decompress(frame: Uint8Array, plainLength: number): Promise<Uint8Array>;
  /**
   * Nobody reads this result of `compress` any more: its memory may hold a later one. Not calling it costs memory
   * until a garbage collection, nothing else. Only for results that are not the input itself.
   */
  recycle?(frame: Uint8Array): void;
  /** Ends worker threads, where there are any. */
  close(): Promise<void>;
}
