/** The outcome of a run as plain values: each backup with its reason, and the WAL by ranges. */
import { formatLsn } from "../postgres/index.ts";
import { measureSharing, type BackupInfo } from "../repository/index.ts";
import type { RetentionPlan } from "./plan.ts";
import type { RetentionOutcome } from "./retention.ts";
import type { WalSurvey } from "./wal-survey.ts";

export interface DescribedBackup {
  readonly label: string;
  readonly keep: boolean;
  readonly reason: string;
  readonly rules: readonly string[];
  readonly storedBytes: number;
}

/** Files of a timeline that go, or went; positions in PostgreSQL's form. */
export interface DescribedWal {
  /** System identifier of the earlier cluster that it is of; null for the present one. */
  readonly lineage: string | null;
  readonly timeline: number;
  readonly from: string;
  readonly to: string;
  readonly files: number;
  readonly bytes: number;
}

export function describeRetention({ plan, wal }: Pick<RetentionOutcome, "plan" | "wal">): {
  readonly decisions: DescribedBackup[];
  readonly wal: DescribedWal[];
  /** Of the backups that go, without what stays because another one has it too; of pgmoneta's at most. Bytes. */
  readonly freedBytes: number;
  /** Backups of pgmoneta stay, which take over what they have of those that go. */
  readonly freedAtMost: boolean;
} {
  const decisions = plan.map(({ label, keep, reason, rules, entry }) => ({
    label,
    keep,
    reason,
    rules,
    storedBytes: entry.info?.storedBytes ?? 0,
  }));
  const ranges = wal.flatMap((survey) => describeRanges(survey));
  const foreign = (keep: boolean): boolean => plan.some((one) => one.keep === keep && one.entry.info !== undefined && one.entry.info.own === undefined);
  return { decisions, wal: ranges, freedBytes: bytesFreed(plan), freedAtMost: foreign(false) && foreign(true) };
}

/** A file with several names is freed with the last of them: what all backups take together less what those that stay take. */
function bytesFreed(plan: RetentionPlan): number {
  const onDisk = (backups: readonly BackupInfo[]): number =>
    [...measureSharing(backups).values()].reduce((sum, { ownBytes }) => sum + ownBytes, 0);
  const all = plan.flatMap(({ entry }) => entry.info ?? []);
  const staying = plan.flatMap(({ entry, keep }) => (keep ? (entry.info ?? []) : []));
  return Math.max(0, onDisk(all) - onDisk(staying));
}

function describeRanges({ files: all, layout, ranges }: WalSurvey): DescribedWal[] {
  return ranges.flatMap(({ timeline, from, to }) => {
    const files = all.filter((file) => file.timeline === timeline && file.start >= from && file.start < to);
    const first = files[0];
    if (first === undefined) return [];
    const bytes = files.reduce((sum, { size }) => sum + size, 0);
    return [{ lineage: layout.lineage ?? null, timeline, from: formatLsn(first.start), to: formatLsn(to), files: files.length, bytes }];
  });
}
