/** What the backups of a server take of the disk, when files that did not change are one file with several names. */
import type { BackupInfo } from "./backup-info.ts";

export interface BackupSharing {
  /** Bytes that count for this backup: those it stored, and those of backups that are gone and that it has for the first time. */
  readonly ownBytes: number;
  /** Bytes of its files that count for an earlier backup which is still there. */
  readonly sharedBytes: number;
  /** Bytes that become free when this backup alone is deleted: its own without those that a later one shares. */
  readonly freedBytes: number;
}

/**
 * The figures of each backup by its label, so that the own bytes of all of them add up to what lies on the disk. `backups`
 * is ordered from the oldest. A file goes from one backup to the next and is never taken up again once it has changed, so
 * that the bytes of an owner which a backup shares are among those that the backup before it shares.
 */
export function measureSharing(backups: readonly BackupInfo[]): ReadonlyMap<string, BackupSharing> {
  const present = new Map(backups.map((info, index) => [info.label, index]));
  const measured = new Map<string, BackupSharing>();
  /** For each owner that is gone, the oldest backup that has files of it: they count there. */
  const heirs = new Map<string, number>();
  const countsAt = (owner: string): number | undefined => present.get(owner) ?? heirs.get(owner);
  /** Of each owner the bytes that the next later backup shares. */
  const sharedLater = new Map<string, number>();
  const later: ReadonlyMap<string, number>[] = [];
  for (let index = backups.length - 1; index >= 0; index -= 1) {
    later[index] = new Map(sharedLater);
    for (const { owner, bytes } of backups[index]?.own?.shared ?? []) sharedLater.set(owner, bytes);
  }
  for (const [index, info] of backups.entries()) {
    let ownBytes = info.storedBytes;
    let sharedBytes = 0;
    let keptByOthers = later[index]?.get(info.label) ?? 0;
    for (const { owner, bytes } of info.own?.shared ?? []) {
      const at = countsAt(owner);
      if (at !== undefined) sharedBytes += bytes;
      else {
        heirs.set(owner, index);
        ownBytes += bytes;
        keptByOthers += later[index]?.get(owner) ?? 0;
      }
    }
    measured.set(info.label, { ownBytes, sharedBytes, freedBytes: Math.max(0, ownBytes - keptByOthers) });
  }
  return measured;
}
