/** Opens compressors by name and proves, once a process, that each library does what it promises. */
import { acquireBzip2Pool } from "./bzip2-pool.ts";
import { createBzip2Compressor } from "./bzip2.ts";
import { type CompressionMethod, type Compressor, levelRanges } from "./compressor.ts";
import { compressionErrors } from "./errors.ts";
import { createGzipCompressor } from "./gzip.ts";
import { acquireLz4Pool } from "./lz4-pool.ts";
import { createLz4Compressor, loadLz4 } from "./lz4.ts";
import { createNoneCompressor } from "./none.ts";
import { createZstdCompressor } from "./zstd.ts";

/** The level to use: the given one, or the method's standard. @throws COMPRESSION_LEVEL_INVALID */
export function levelOf(method: CompressionMethod, level: number | undefined): number {
  const range = levelRanges[method];
  if (range === null) return 0;
  const chosen = level ?? range.standard;
  if (!Number.isInteger(chosen) || chosen < range.min || chosen > range.max) {
    throw compressionErrors.levelInvalid(
      `compression level ${chosen} is outside the ${range.min} to ${range.max} of ${method}`,
      {
        method,
        level: chosen,
      },
    );
  }
  return chosen;
}

async function create(method: CompressionMethod, level: number): Promise<Compressor> {
  switch (method) {
    case "none":
      return createNoneCompressor();
    case "gzip":
      return createGzipCompressor(level);
    case "zstd":
      return createZstdCompressor(level);
    case "lz4":
      return createLz4Compressor(await loadLz4(), acquireLz4Pool());
    case "bzip2":
      return createBzip2Compressor(level, acquireBzip2Pool());
  }
}

/** Text-like bytes without a library's help: compressible, but not trivially, so that levels differ. */
function sampleBytes(): Buffer {
  const sample = Buffer.alloc(24 * 1024);
  let state = 0x2545f491;
  for (let index = 0; index < sample.length; index++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    const word = (state >>> 16) % 97;
    sample[index] = word < 60 && index >= 97 ? (sample[index - 97 + (word >> 5)] ?? 0) : 97 + (word % 26);
  }
  return sample;
}

/** What a compressor must do before any backup relies on it. @throws COMPRESSION_SELF_TEST_FAILED */
export async function proveCompressor(compressor: Compressor, others: readonly Compressor[] = []): Promise<void> {
  const refuse = (reason: string, cause?: unknown): never => {
    throw compressionErrors.selfTestFailed(`${compressor.method} ${reason}`, { method: compressor.method }, cause);
  };
  const sample = sampleBytes();
  const frame = await compressor.compress(sample);
  let plain: Uint8Array;
  try {
    plain = await compressor.decompress(frame, sample.length);
  } catch (error) {
    return refuse("does not read back what it wrote", error);
  }
  if (!sample.equals(plain)) refuse("reads back other bytes than it wrote");
  let accepted = true;
  try {
    await compressor.decompress(frame.subarray(0, frame.length - 1), sample.length);
  } catch {
    // The refusal is what is wanted.
    accepted = false;
  }
  if (accepted) refuse("accepts a frame without its last byte");
  for (const other of others) {
    if (Buffer.from(await other.compress(sample)).equals(frame)) refuse("ignores the compression level");
  }
}

const proofs = new Map<CompressionMethod, Promise<void>>();

/** Levels far apart must give different bytes: one version of a library drops the level without a word. */
async function prove(method: CompressionMethod): Promise<void> {
  const range = levelRanges[method];
  const compressor = await create(method, range?.standard ?? 0);
  const other = range === null || method === "bzip2" ? undefined : await create(method, range.min);
  try {
    await proveCompressor(compressor, other === undefined ? [] : [other]);
  } finally {
    await compressor.close();
    await other?.close();
  }
}

/**
 * A compressor for one method and level (undefined: the method's standard).
 * @throws COMPRESSION_LEVEL_INVALID, COMPRESSION_LIBRARY_MISSING, COMPRESSION_SELF_TEST_FAILED
 */
export async function openCompressor(method: CompressionMethod, level?: number): Promise<Compressor> {
  const compressor = await create(method, levelOf(method, level));
  let proof = proofs.get(method);
  if (proof === undefined) {
    proof = prove(method);
    proofs.set(method, proof);
    // A failure is not kept: the package may be installed while the daemon runs.
    proof.catch(() => proofs.delete(method));
  }
  try {
    await proof;
  } catch (error) {
    await compressor.close();
    throw error;
  }
  return compressor;
}
