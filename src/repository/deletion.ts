/** Deleting a backup: out of view first, then the bytes; who else needs it is asked before. */
import type { Removal, Storage } from "../storage/index.ts";
import type { BackupInfo } from "./backup-info.ts";
import { repositoryErrors } from "./errors.ts";
import { serverLayout } from "./layout.ts";

/** Labels of the incremental backups that continue `label`, directly or through others. */
export function descendantsOf(label: string, backups: readonly BackupInfo[]): string[] {
  const found = new Set<string>([label]);
  for (let before = 0; before < found.size;) {
    before = found.size;
    for (const info of backups) if (info.parent !== undefined && found.has(info.parent)) found.add(info.label);
  }
  found.delete(label);
  return [...found];
}

/**
 * Takes a backup out of view, durably; from here on it does not exist for anybody. Returns the path to give to
 * `removeHiddenBackup`. Throws BACKUP_NOT_FOUND.
 */
export async function hideBackup(storage: Storage, server: string, label: string): Promise<string> {
  const path = serverLayout(server).backup(label);
  if ((await storage.stat(path)) === undefined) {
    throw repositoryErrors.backupNotFound(`server ${server} has no backup ${label}`, { server, label });
  }
  return storage.hideTree(path);
}

/** Deletes what `hideBackup` hid. Can be stopped and repeated; what a crash leaves is a leftover of the next start. */
export function removeHiddenBackup(storage: Storage, hidden: string): Promise<Removal> {
  return storage.removeTree(hidden);
}
