/**
 * The order of backups: by lineage (system identifier), timeline and position in the WAL; never by name, because a
 * clock can be wrong and a position cannot.
 */
import type { BackupInfo } from "./backup-info.ts";
import { timeOfLabel } from "./label.ts";

/** When the backup began, milliseconds since 1970; for a backup of pgmoneta what its label says, read as UTC. */
export function startTimeOf(info: BackupInfo): number {
  return info.own?.startTime ?? timeOfLabel(info.label);
}

/** The cluster that a backup belongs to; the same text for all backups that pgmoneta took, which does not record it. */
export function lineageOf(info: BackupInfo): string {
  return info.own?.systemIdentifier ?? "";
}

function compare<T extends bigint | number | string>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** `backups` in their order, oldest first. Lineages follow one another by the start of their first backup. */
export function inOrder(backups: readonly BackupInfo[]): BackupInfo[] {
  const beginning = new Map<string, number>();
  for (const info of backups) {
    const lineage = lineageOf(info);
    beginning.set(lineage, Math.min(beginning.get(lineage) ?? Infinity, startTimeOf(info)));
  }
  return [...backups].sort(
    (a, b) =>
      compare(beginning.get(lineageOf(a)) ?? 0, beginning.get(lineageOf(b)) ?? 0) ||
      compare(lineageOf(a), lineageOf(b)) ||
      compare(a.startTimeline, b.startTimeline) ||
      compare(a.startLsn, b.startLsn) ||
      // Two backups of one standby can begin at the same restart point.
      compare(a.endLsn, b.endLsn) ||
      compare(startTimeOf(a), startTimeOf(b)) ||
      compare(a.label, b.label),
  );
}
