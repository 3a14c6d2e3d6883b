/** Writing `backup.chunks` while the backup runs. */
import type { ChunkEntry } from "../pipeline/index.ts";
import type { ByteSink } from "../storage/index.ts";
import type { ChunkIndexEntry, ChunkIndexHeader, ChunkIndexTotals, IndexedFile } from "./chunk-index.ts";
import { addToTotals, chunkIndexFormat, chunkIndexVersion, chunksPerLine, noTotals } from "./chunk-index.ts";
import type { LineFileMeasures } from "./line-writer.ts";
import { createLineWriter } from "./line-writer.ts";

export interface ChunkIndexWriter {
  /** Adds an entry; a promise means that it is time to wait. */
  add(entry: ChunkIndexEntry): Promise<void> | undefined;
  /** Writes the closing line and closes the sink. */
  finish(): Promise<LineFileMeasures & ChunkIndexTotals>;
  abort(): Promise<void>;
}

/** Chunks from `start` on, as many as a line takes: [stored, plain, crc32c]. */
function packed(chunks: readonly ChunkEntry[], start: number): number[][] {
  return chunks.slice(start, start + chunksPerLine).map(({ stored, plain, crc32c }) => [stored, plain, crc32c]);
}

function fileLine(file: IndexedFile): string {
  const { kind, path, mode, size, suffix, digest, crc32c, storedSize, storedDigest, headerSize, chunks, owner } = file;
  const facts = { kind, path, mode, size, suffix, digest, crc32c, storedSize, storedDigest, headerSize };
  const more = chunks.length > chunksPerLine ? { chunkCount: chunks.length } : {};
  return JSON.stringify({ ...facts, owner, ...more, chunks: packed(chunks, 0) });
}

/** Starts an index into `sink` with its header line. */
export function createChunkIndexWriter(sink: ByteSink, header: ChunkIndexHeader): ChunkIndexWriter {
  const lines = createLineWriter(sink, header.hash);
  let totals = noTotals;
  const { label, hash, compression, encryption } = header;
  const first = { format: chunkIndexFormat, version: chunkIndexVersion, label, hash, compression, encryption };
  void lines.add(JSON.stringify(first));

  function addContinuations(file: IndexedFile): Promise<void> | undefined {
    let wait: Promise<void> | undefined;
    for (let start = chunksPerLine; start < file.chunks.length; start += chunksPerLine) {
      wait = lines.add(JSON.stringify({ chunks: packed(file.chunks, start) })) ?? wait;
    }
    return wait;
  }

  return {
    add: (entry) => {
      totals = addToTotals(totals, entry);
      if (entry.kind !== "file") return lines.add(JSON.stringify(entry));
      const wait = lines.add(fileLine(entry));
      return addContinuations(entry) ?? wait;
    },
    finish: async () => {
      void lines.add(JSON.stringify({ end: totals, crc32c: lines.checksum() }));
      return { ...(await lines.finish()), ...totals };
    },
    abort: () => lines.abort(),
  };
}
