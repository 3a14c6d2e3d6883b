/** Stored files in memory: sinks that watch the pipeline, and readers of what was stored. */
import type { ByteSink, FileMeasures, HashAlgorithm, PipelineSpec, RandomReader } from "../../../src/pipeline/index.ts";
import { createPipeline, suffixOf } from "../../../src/pipeline/index.ts";
import { createDataKey } from "../../../src/encryption/index.ts";

export const dataKey = createDataKey();
export const keys = (id: string): typeof dataKey | undefined => (id === dataKey.id ? dataKey : undefined);

export interface MemorySink extends ByteSink {
  readonly stored: () => Buffer;
  readonly state: () => "open" | "closed" | "aborted";
}

/** Copies each chunk only when its write is about to end: a chunk that was reused too early would show. */
export function memorySink(gate: () => Promise<void> = async () => undefined): MemorySink {
  const pieces: Buffer[] = [];
  let state: "open" | "closed" | "aborted" = "open";
  let writing = false;
  return {
    async write(chunk) {
      if (writing || state !== "open") throw new Error(`write while ${writing ? "writing" : state}`);
      writing = true;
      await gate();
      pieces.push(Buffer.from(chunk));
      writing = false;
    },
    async close() {
      if (writing || state !== "open") throw new Error(`close while ${writing ? "writing" : state}`);
      await gate();
      state = "closed";
    },
    async abort() {
      if (writing || state !== "open") throw new Error(`abort while ${writing ? "writing" : state}`);
      state = "aborted";
    },
    stored: () => Buffer.concat(pieces),
    state: () => state,
  };
}

/** A reader of bytes in memory that refuses use after its end. */
export function memoryReader(bytes: Buffer, name: string): RandomReader {
  return {
    size: bytes.length,
    name,
    read: async (offset, length) => Buffer.from(bytes.subarray(offset, offset + length)),
    close: async () => undefined,
  };
}

export interface StoredSample {
  readonly bytes: Buffer;
  readonly name: string;
  readonly measures: FileMeasures;
}

/** One file through a pipeline of its own, written in pieces of `pieceSize`. */
export async function storeSample(
  plain: Buffer,
  spec: PipelineSpec,
  hash: HashAlgorithm = "sha256",
  pieceSize = 32_768,
  thread = false,
): Promise<StoredSample> {
  const pipeline = await createPipeline({ spec, dataKey, hash, memoryBytes: 16 << 20, concurrency: 3, thread });
  try {
    const sink = memorySink();
    const file = pipeline.openFile(sink);
    // One reused buffer, as a socket's reader has: what the pipeline keeps it must have copied.
    const piece = Buffer.alloc(pieceSize);
    for (let offset = 0; offset < plain.length; offset += pieceSize) {
      const length = plain.copy(piece, 0, offset, Math.min(plain.length, offset + pieceSize));
      await file.write(piece.subarray(0, length));
      piece.fill(0xee);
    }
    const measures = await file.finish();
    return { bytes: sink.stored(), name: `base/5/1259${suffixOf(spec)}`, measures };
  } finally {
    await pipeline.close();
  }
}
