/** One file of a backup, read by its entry in the chunk index, with everything checked that is known of it. */
import type { KeyRing } from "../encryption/index.ts";
import {
  openChunkReader,
  readStoredFile,
  requireSize,
  specFromName,
  type ChunkReader,
  type ExpectedMeasures,
  type ReadStoredFileOptions,
  type StoredFormat,
} from "../pipeline/index.ts";
import { storageErrors, type RandomReader, type Storage } from "../storage/index.ts";
import type { BackupInfo } from "./backup-info.ts";
import type { IndexedFile } from "./chunk-index.ts";
import { combineFile, type ReadLayer } from "./combine-file.ts";
import { serverLayout } from "./layout.ts";

export type { KeyRing };

/** What is needed to read a file of a backup. */
export interface BackupSource {
  readonly storage: Storage;
  readonly server: string;
  readonly info: BackupInfo;
  readonly keys: () => Promise<KeyRing>;
  readonly signal?: AbortSignal | undefined;
}

/** Where the stored bytes of a file lie and what is known of them. */
export interface StoredFileFacts {
  /** In the repository. */
  readonly path: string;
  readonly format: StoredFormat;
  readonly expected: ExpectedMeasures;
}

/** The facts of a file of a backup of `server`. */
export function storedFileFacts(server: string, info: BackupInfo, file: IndexedFile): StoredFileFacts {
  const { compression: method, encrypted } = specFromName(`file${file.suffix}`);
  // pgmoneta's LZ4 has no end: of a file without bytes it writes nothing, where a frame would be damaged.
  const compression = file.location !== undefined && file.size === 0 && method === "lz4" ? "none" : method;
  return {
    // Also what an earlier backup wrote is in this one, as a hard link: that one may be gone.
    path: file.location ?? serverLayout(server).backupFile(info.label, file.path + file.suffix),
    format: { compression, encrypted },
    expected: {
      plainSize: file.size,
      plainDigest: file.digest || undefined,
      storedSize: file.storedSize,
      storedDigest: file.storedDigest || undefined,
    },
  };
}

type OnChunk = (piece: Buffer, offset: number) => Promise<void>;

/** Reads one file of a backup with everything checked that is known of it. Throws STORED_FILE_DAMAGED naming it. */
export async function readBackupFile(
  source: BackupSource,
  file: IndexedFile,
  concurrency: number,
  onChunk: OnChunk,
): Promise<void> {
  const { combined, content } = file;
  if (content !== undefined) return onChunk(content, 0);
  if (combined !== undefined) return combineFile(combined, file.size, readLayer(source), onChunk);
  return readOwnFile(source, file, concurrency, onChunk);
}

/** Reads what one backup of a chain has of a file. */
export function readLayer(source: BackupSource): ReadLayer {
  return ({ info, file }, onPiece) => readOwnFile({ ...source, info }, file, 1, onPiece);
}

async function readOwnFile(source: BackupSource, file: IndexedFile, concurrency: number, onChunk: OnChunk): Promise<void> {
  const { server, info, signal } = source;
  const { path, format, expected } = storedFileFacts(server, info, file);
  const keys = format.encrypted ? await source.keys() : undefined;
  const reader = await openStored(source, file, path);
  try {
    await readStoredFile(
      {
        source: reader,
        format,
        keys,
        ...(file.location === undefined
          ? { chunks: file.chunks, headerSize: file.headerSize }
          : foreignMode(info, file)),
        hash: info.own?.hash ?? "sha512",
        expected,
        concurrency,
        signal,
      },
      onChunk,
    );
  } finally {
    await reader.close();
  }
}

/**
 * Single chunks of one file of a backup: not of one that pgmoneta wrote, whose chunks nobody indexed. Each chunk is
 * checked by itself; whether all of them are the file, the digest of the whole says.
 */
export async function openBackupChunks(source: BackupSource, file: IndexedFile): Promise<ChunkReader> {
  const { path, format, expected } = storedFileFacts(source.server, source.info, file);
  const keys = format.encrypted ? await source.keys() : undefined;
  const stored = await source.storage.openFile(path);
  try {
    requireSize(stored, expected);
    const { chunks, headerSize } = file;
    const reader = await openChunkReader({ source: stored, format, keys, chunks, headerSize });
    return {
      read: (number) => reader.read(number),
      async close() {
        await reader.close();
        await stored.close();
      },
    };
  } catch (error) {
    await stored.close();
    throw error;
  }
}

/** What was a link into another backup is here once that one has gone: `takeOverLinks`. */
async function openStored({ storage, server, info }: BackupSource, file: IndexedFile, path: string): Promise<RandomReader> {
  const own = serverLayout(server).backupFile(info.label, file.path + file.suffix);
  try {
    return await storage.openFile(path);
  } catch (error) {
    if (path === own || file.location === undefined || !storageErrors.notFound.is(error)) throw error;
    return storage.openFile(own);
  }
}

/** pgmoneta's encrypted files do not name their cipher: `backup.info` does, of those that this very backup wrote. */
function foreignMode(
  { encryption }: BackupInfo,
  { owner }: IndexedFile,
): Pick<ReadStoredFileOptions, "likelyMode" | "messageMode"> {
  if (encryption === "none") return {};
  return owner === undefined ? { messageMode: encryption } : { likelyMode: encryption };
}
