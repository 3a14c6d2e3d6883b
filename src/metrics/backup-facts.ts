/** What the families of a single backup need of it, as plain values: equal values make equal samples. */
import { formatLsn } from "../postgres/index.ts";
import type { CatalogEntry, StageTimings } from "../repository/index.ts";

export interface BackupFacts {
  readonly label: string;
  readonly valid: boolean;
  /** Undefined where the metadata is damaged. */
  readonly known: KnownBackup | undefined;
}

export interface KnownBackup {
  readonly keep: boolean;
  readonly major: number;
  readonly minor: number;
  readonly storedBytes: number;
  readonly restoredBytes: number;
  /** The restored bytes of the valid backup before it. */
  readonly before: number;
  readonly elapsed: StageTimings;
  readonly startTimeline: number;
  readonly endTimeline: number;
  readonly startLsn: string;
  readonly checkpointLsn: string;
  readonly endLsn: string;
}

/**
 * The newest `limit` backups of a server, oldest first; 0 is no limit. Damaged ones, of which nobody knows how old they
 * are, come last and count among them.
 */
export function backupFacts(entries: readonly CatalogEntry[], limit: number): BackupFacts[] {
  const facts: BackupFacts[] = [];
  let before = 0;
  for (const { label, state, info } of entries) {
    const valid = state === "valid";
    if (info === undefined) {
      facts.push({ label, valid, known: undefined });
      continue;
    }
    facts.push({
      label,
      valid,
      known: {
        keep: info.keep,
        major: info.majorVersion,
        minor: info.minorVersion,
        storedBytes: info.storedBytes,
        restoredBytes: info.restoredBytes,
        before,
        elapsed: info.elapsed,
        startTimeline: info.startTimeline,
        endTimeline: info.endTimeline,
        startLsn: formatLsn(info.startLsn),
        checkpointLsn: formatLsn(info.checkpointLsn),
        endLsn: formatLsn(info.endLsn),
      },
    });
    if (valid) before = info.restoredBytes;
  }
  return limit === 0 ? facts : facts.slice(-limit);
}

function sameTimings(one: StageTimings, other: StageTimings): boolean {
  const names = Object.keys(one) as (keyof StageTimings)[];
  return names.every((name) => one[name] === other[name]);
}

/** Whether two looks at a backup found the same. */
export function sameBackup(one: BackupFacts, other: BackupFacts): boolean {
  if (one.label !== other.label || one.valid !== other.valid) return false;
  const [a, b] = [one.known, other.known];
  if (a === undefined || b === undefined) return a === b;
  const names = Object.keys(a) as (keyof KnownBackup)[];
  return names.every((name) => name === "elapsed" || a[name] === b[name]) && sameTimings(a.elapsed, b.elapsed);
}
