/**
 * Whose stored files are not to be relied on. A file that did not change is one file with a name in several backups: what a
 * verification found in one of them it found in all, and who stored the file first is the same in all.
 */
import type { BackupInfo } from "./backup-info.ts";
import type { Verifications } from "./verifications.ts";

/** Labels of the backups that stored the files of this one: its own, and those with which it shares. */
export const ownersOf = ({ label, own }: BackupInfo): readonly string[] => [label, ...(own?.shared ?? []).map(({ owner }) => owner)];

/**
 * The owners of all files that a backup has which was found bad, or of which a file could not be read; a backup that is gone
 * leaves its doubt behind. Nothing that one of them stored may be taken over by a new backup, from whichever backup.
 */
export function doubtedOwners(backups: readonly BackupInfo[], { backups: verified, doubts }: Pick<Verifications, "backups" | "doubts">): ReadonlySet<string> {
  const bad = backups.filter(({ label, valid }) => !valid || verified.get(label)?.outcome === "bad");
  return new Set([...bad.flatMap(ownersOf), ...[...doubts.values()].flatMap(({ owners }) => owners)]);
}
