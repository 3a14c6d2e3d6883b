/**
 * Is what arrived one backup of one cluster? The label, the control file, the manifest and the positions that the
 * server named each tell a part of the same story; recovery starts from the first two.
 */
import { formatLsn, parseBackupLabel, parseControlFile, type BackupLabel, type WalRange } from "../postgres/index.ts";
import type { BaseBackupResult } from "../replication/index.ts";
import { backupErrors } from "./errors.ts";

export interface Origin {
  readonly label: BackupLabel;
  /** All WAL that recovery of the backup needs, oldest first, without a hole. */
  readonly walRanges: readonly WalRange[];
}

export interface Testimony {
  /** Of the server that was asked. */
  readonly systemIdentifier: string;
  readonly result: BaseBackupResult;
  readonly label: Buffer;
  readonly control: Buffer;
  readonly manifest: { readonly systemIdentifier?: string; readonly walRanges: readonly WalRange[] };
}

/**
 * Throws BACKUP_MISMATCH, BACKUP_TIMELINE_CHANGED, or CONTROL_FILE_DAMAGED and BACKUP_LABEL_DAMAGED for files that no
 * server could start from (13 to 15 can send a control file that was written while they read it).
 */
export function checkOrigin({ systemIdentifier, result, label: labelBytes, control, manifest }: Testimony): Origin {
  const label = parseBackupLabel(labelBytes);
  const { start } = result;
  if (label.startLsn !== start.lsn || label.timeline !== start.timeline) {
    throw backupErrors.mismatch(
      `backup_label begins at ${formatLsn(label.startLsn)} of timeline ${label.timeline}, but the server said ${formatLsn(start.lsn)} of timeline ${start.timeline}`,
    );
  }
  requireSame("global/pg_control", parseControlFile(control).systemIdentifier, systemIdentifier);
  if (manifest.systemIdentifier !== undefined) requireSame("backup_manifest", manifest.systemIdentifier, systemIdentifier);
  return { label, walRanges: chainOf(manifest.walRanges, result) };
}

function requireSame(file: string, found: string, expected: string): void {
  if (found === expected) return;
  throw backupErrors.mismatch(`"${file}" is of cluster ${found}, but the server said that it is ${expected}`, { file, found, expected });
}

/**
 * The ranges of the manifest from start to stop: one, or on a standby that followed its primary through a promotion
 * several, each beginning where the timeline before it ended.
 */
function chainOf(ranges: readonly WalRange[], { start, stop }: BaseBackupResult): WalRange[] {
  const ordered = [...ranges].sort((a, b) => a.timeline - b.timeline);
  let timeline = 0;
  let position = start.lsn;
  let whole = ordered[0]?.timeline === start.timeline && ordered.at(-1)?.timeline === stop.timeline;
  for (const range of ordered) {
    whole &&= range.start === position && range.timeline > timeline;
    position = range.end;
    timeline = range.timeline;
  }
  if (whole && position === stop.lsn) return ordered;
  if (start.timeline !== stop.timeline) {
    throw backupErrors.timelineChanged(`the backup began on timeline ${start.timeline} and ended on ${stop.timeline}`, {
      start: start.timeline,
      stop: stop.timeline,
    });
  }
  const named = ordered.map((range) => `${formatLsn(range.start)} to ${formatLsn(range.end)} of timeline ${range.timeline}`).join(", ");
  throw backupErrors.mismatch(
    `the manifest names the WAL ${named}, but the backup reaches from ${formatLsn(start.lsn)} to ${formatLsn(stop.lsn)} of timeline ${start.timeline}`,
  );
}
