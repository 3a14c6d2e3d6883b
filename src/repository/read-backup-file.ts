/** One file of a backup, read by its entry in the chunk index, with everything checked that is known of it. */
import type { KeyRing } from "../encryption/index.ts";
import {
  readStoredFile,
  specFromName,
  type ExpectedMeasures,
  type ReadStoredFileOptions,
  type StoredFormat,
} from "../pipeline/index.ts";
import type { Storage } from "../storage/index.ts";
import type { BackupInfo } from "./backup-info.ts";
import type { IndexedFile } from "./chunk-index.ts";
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

/** Reads one file of a backup with everything checked that is known of it. Throws STORED_FILE_DAMAGED naming it. */
export async function readBackupFile(
  source: BackupSource,
  file: IndexedFile,
  concurrency: number,
  onChunk: (piece: Buffer, offset: number) => Promise<void>,
): Promise<void> {
  const { storage, server, info, signal } = source;
  const { path, format, expected } = storedFileFacts(server, info, file);
  const keys = format.encrypted ? await source.keys() : undefined;
  const reader = await storage.openFile(path);
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

/** pgmoneta's encrypted files do not name their cipher: `backup.info` does, of those that this very backup wrote. */
function foreignMode(
  { encryption }: BackupInfo,
  { owner }: IndexedFile,
): Pick<ReadStoredFileOptions, "likelyMode" | "messageMode"> {
  if (encryption === "none") return {};
  return owner === undefined ? { messageMode: encryption } : { likelyMode: encryption };
}
