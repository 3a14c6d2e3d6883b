/** bzip2 streams, one a chunk of 900 kB, by worker threads. */
import type { Bzip2Pool } from "./bzip2-pool.ts";
import { requireSingleStream } from "./bzip2-stream.ts";
import { chunkSizeOf, type Compressor } from "./compressor.ts";
import { compressionErrors } from "./errors.ts";

/** Two threads with an interpreter and a block sorter each: estimated; with nothing set aside for them a job took 241 MB. */
const OWN_MEMORY = 32 * 1024 * 1024;

/** bzip2 with blocks of `level` times 100 kB. Closing gives the pool back. */
export function createBzip2Compressor(level: number, pool: Bzip2Pool): Compressor {
  return {
    method: "bzip2",
    chunkSize: chunkSizeOf("bzip2"),
    ownMemory: OWN_MEMORY,
    compress: (plain) => pool.compress(plain, level),
    async decompress(frame, plainLength) {
      requireSingleStream(frame);
      const plain = await pool.decompress(frame, plainLength);
      if (plain.length !== plainLength) {
        throw compressionErrors.damaged(`bzip2 stream holds ${plain.length} bytes where ${plainLength} are due`);
      }
      return plain;
    },
    close: () => pool.release(),
  };
}
