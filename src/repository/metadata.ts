/** The files that describe a backup, checked against the digests in its `backup.info` before they are believed. */
import type { Storage } from "../storage/index.ts";
import type { BackupInfo } from "./backup-info.ts";
import type { ChunkIndexHandlers } from "./chunk-index-reader.ts";
import { readChunkIndex } from "./chunk-index-reader.ts";
import type { ChunkIndexEntry, ChunkIndexTotals } from "./chunk-index.ts";
import { repositoryErrors } from "./errors.ts";
import { readForeignBackup } from "./foreign-backup.ts";
import { hashStoredFile } from "./hash-algorithm.ts";
import { serverLayout } from "./layout.ts";

/**
 * Reads each metadata file that `backup.info` has a digest of and compares. `only` limits this to some of them.
 * Throws BACKUP_DAMAGED naming the first that is missing or was changed. pgmoneta's backups have no such digests.
 */
export async function verifyMetadata(
  storage: Storage,
  server: string,
  info: BackupInfo,
  only?: readonly string[],
): Promise<void> {
  if (info.own === undefined) return;
  const layout = serverLayout(server);
  for (const [file, digest] of Object.entries(info.own.digests)) {
    if (only !== undefined && !only.includes(file)) continue;
    const path = layout.backupFile(info.label, file);
    const details = { server, label: info.label, path };
    if ((await storage.stat(path)) === undefined) throw repositoryErrors.backupDamaged(`"${path}" is missing`, details);
    const found = await hashStoredFile(storage, path, info.own.hash);
    if (found !== digest)
      throw repositoryErrors.backupDamaged(`"${path}" does not match its digest in backup.info`, details);
  }
}

/** Reads the entries of a backup, ours by its chunk index, pgmoneta's by its tree and manifest. Throws BACKUP_DAMAGED. */
export async function readBackupEntries(
  storage: Storage,
  server: string,
  info: BackupInfo,
  handlers: { readonly onEntry: (entry: ChunkIndexEntry) => void | Promise<void> },
): Promise<ChunkIndexTotals> {
  if (info.own === undefined) return readForeignBackup(storage, server, info, handlers.onEntry);
  return readBackupChunks(storage, server, info, handlers);
}

/**
 * Reads the chunk index of a backup after its digest has been checked. Throws BACKUP_DAMAGED for a backup without one.
 */
export async function readBackupChunks(
  storage: Storage,
  server: string,
  info: BackupInfo,
  handlers: ChunkIndexHandlers,
): Promise<ChunkIndexTotals> {
  const name = info.own?.chunkIndex;
  if (name === undefined || info.own?.digests[name] === undefined) {
    throw repositoryErrors.backupDamaged(`backup ${info.label} of ${server} has no chunk index`, {
      server,
      label: info.label,
    });
  }
  await verifyMetadata(storage, server, info, [name]);
  const reader = await storage.openFile(serverLayout(server).backupFile(info.label, name));
  try {
    return await readChunkIndex(reader, {
      ...handlers,
      onHeader: (header) => {
        if (header.label !== info.label) {
          throw repositoryErrors.backupDamaged(`"${reader.name}" is the chunk index of backup ${header.label}`, {
            server,
            label: info.label,
          });
        }
        handlers.onHeader?.(header);
      },
    });
  } finally {
    await reader.close();
  }
}
