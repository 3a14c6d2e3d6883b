/**
 * Which backups are of the same cluster: only among those has "newer" a meaning. After pg_upgrade or a new initdb
 * timelines and positions begin again, and the oldest backup of all can have the highest ones.
 */
import type { BackupInfo } from "../repository/index.ts";
import { startTimeOf } from "../repository/index.ts";

export interface Clusters {
  /** By label, a text that is the same for all backups of one cluster. */
  readonly byLabel: ReadonlyMap<string, string>;
  /** Labels that alone show that another cluster began with them: without them the one before would not be known. */
  readonly borders: ReadonlySet<string>;
}

/**
 * Ours record the system identifier. pgmoneta's do not: among them another major, or a position that does not advance
 * from one label to the next, is taken for another cluster, which keeps more and never less.
 */
export function clustersOf(backups: readonly BackupInfo[]): Clusters {
  const byLabel = new Map<string, string>();
  const borders = new Set<string>();
  let before: BackupInfo | undefined;
  for (const info of [...backups].sort((a, b) => (a.label < b.label ? -1 : 1))) {
    if (info.own !== undefined) {
      byLabel.set(info.label, info.own.systemIdentifier);
      continue;
    }
    if (before !== undefined && isOther(before, info)) borders.add(info.label);
    byLabel.set(info.label, lastForeign(borders));
    before = info;
  }
  return { byLabel, borders };
}

/** The text of the cluster that pgmoneta's last backups are of. */
export const lastForeign = (borders: ReadonlySet<string>): string => `pgmoneta ${borders.size}`;

function isOther(before: BackupInfo, info: BackupInfo): boolean {
  const back = before.startTimeline > info.startTimeline || before.startLsn >= info.startLsn;
  return before.majorVersion !== info.majorVersion || back;
}

/** Backups of one cluster by timeline and position, oldest first, whoever took them. */
export function inClusterOrder(backups: readonly BackupInfo[]): BackupInfo[] {
  const compare = <T extends bigint | number | string>(a: T, b: T): number => (a < b ? -1 : a > b ? 1 : 0);
  return [...backups].sort(
    (a, b) =>
      compare(a.startTimeline, b.startTimeline) ||
      compare(a.startLsn, b.startLsn) ||
      compare(a.endLsn, b.endLsn) ||
      compare(startTimeOf(a), startTimeOf(b)) ||
      compare(a.label, b.label),
  );
}
