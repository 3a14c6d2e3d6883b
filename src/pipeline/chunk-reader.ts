/** Single chunks of a stored file, in any order: for whoever has the others already. Each is checked by itself. */
import { openCompressor } from "../compression/index.ts";
import { CONTAINER_HEADER_LENGTH, createOpener, type KeyRing, type Opener } from "../encryption/index.ts";
import { crc32c } from "./crc32c.ts";
import { namedDamage } from "./damage.ts";
import type { ChunkEntry } from "./file-measures.ts";
import { requireChecksum, requirePlausibleIndex, unpackChunk } from "./indexed-reader.ts";
import type { RandomReader } from "./random-reader.ts";
import type { StoredFormat } from "./stored-file.ts";

export interface ChunkReaderOptions {
  readonly source: RandomReader;
  readonly format: StoredFormat;
  /** Needed for encrypted files only. */
  readonly keys?: KeyRing | undefined;
  readonly chunks: readonly ChunkEntry[];
  /** Bytes before the first chunk. */
  readonly headerSize: number;
}

export interface ChunkReader {
  /**
   * The plain bytes of one chunk, by its number from 0; several may be asked for at a time. Throws STORED_FILE_DAMAGED
   * naming the file.
   */
  read(number: number): Promise<Buffer>;
  /** To be called when nothing is being read any more; the source stays open. */
  close(): Promise<void>;
}

/** Reads the header of an encrypted file. Throws STORED_FILE_DAMAGED, and ENCRYPTION_KEY_UNKNOWN. */
export async function openChunkReader(options: ChunkReaderOptions): Promise<ChunkReader> {
  const { source, format, chunks } = options;
  const headerSize = format.encrypted ? CONTAINER_HEADER_LENGTH : 0;
  requirePlausibleIndex(options, headerSize);
  const offsets = new Float64Array(chunks.length);
  let offset = headerSize;
  for (const [number, { stored }] of chunks.entries()) {
    offsets[number] = offset;
    offset += stored;
  }
  let opener: Opener | undefined;
  try {
    if (format.encrypted) opener = createOpener(await source.read(0, headerSize), options.keys ?? (() => undefined));
  } catch (error) {
    throw namedDamage(source.name, error);
  }
  const compressor = await openCompressor(format.compression);
  return {
    async read(number) {
      try {
        const stored = await source.read(offsets[number] ?? 0, chunks[number]?.stored ?? 0);
        const plain = await unpackChunk(stored, number, options, compressor, opener);
        requireChecksum(crc32c(plain), number, options);
        return Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength);
      } catch (error) {
        throw namedDamage(source.name, error);
      }
    },
    close: () => compressor.close(),
  };
}
