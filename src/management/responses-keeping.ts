/** What stays and what goes, as documents: pgmoneta's `retain` and `expunge`, and `retention`, which is ours. */
import type { JsonObject } from "./json.ts";
import type { BackupSummary, Bytes, ServerIdentity, Warnings } from "./summaries.ts";

const identity = (of: ServerIdentity): JsonObject => ({
  Server: of.server,
  MajorVersion: of.majorVersion,
  MinorVersion: of.minorVersion,
});

/** `retain` and `expunge`: the labels that were changed, that of the request first. */
export function keepResponse(
  server: ServerIdentity,
  backup: Pick<BackupSummary, "keep" | "valid" | "comments">,
  labels: readonly string[],
  cascade: boolean,
): JsonObject {
  return {
    ...identity(server),
    Backups: labels,
    Cascade: cascade,
    Comments: backup.comments,
    Keep: backup.keep,
    Valid: backup.valid ? 1 : 0,
  };
}

/** One backup in the eyes of the retention. */
export interface RetentionDecision {
  readonly label: string;
  readonly keep: boolean;
  readonly reason: string;
  readonly rules: readonly string[];
  readonly storedBytes: Bytes;
}

/** WAL that goes: positions of a timeline, in PostgreSQL's form. */
export interface RetentionWal {
  /** System identifier of the earlier cluster that it is of; null for the present one. */
  readonly lineage: string | null;
  readonly timeline: number;
  readonly from: string;
  readonly to: string;
  readonly files: number;
  readonly bytes: Bytes;
}

export interface RetentionSummary {
  /** As the configuration has it. */
  readonly policy: string;
  readonly minimum: number;
  readonly dryRun: boolean;
  readonly decisions: readonly RetentionDecision[];
  readonly wal: readonly RetentionWal[];
  /** Of the backups that go: what nothing else has. */
  readonly freedBytes: Bytes;
  /** Less may be freed, because backups of pgmoneta that stay take files over. */
  readonly freedAtMost: boolean;
  readonly warnings: Warnings;
}

/** `retention` (ours). `Action` is what happened to the backup, or with a dry run would happen. */
export function retentionResponse(server: ServerIdentity, retention: RetentionSummary): JsonObject {
  const { decisions, dryRun, freedAtMost, freedBytes, minimum, policy, wal, warnings } = retention;
  const taken = "backups of pgmoneta that stay take over what they have of those that go: FreedSize says how much is freed at most";
  return {
    ...identity(server),
    Policy: policy,
    Minimum: minimum,
    DryRun: dryRun,
    NumberOfDeleted: decisions.filter(({ keep }) => !keep).length,
    FreedSize: freedBytes,
    Backups: decisions.map(({ label, keep, reason, rules, storedBytes }) => ({
      Backup: label,
      Action: keep ? "keep" : "delete",
      Reason: reason,
      Rules: rules,
      BackupSize: storedBytes,
    })),
    WAL: wal.map(({ lineage, timeline, from, to, files, bytes }) => ({
      Lineage: lineage,
      Timeline: timeline,
      From: from,
      To: to,
      Files: files,
      Bytes: bytes,
    })),
    Warnings: freedAtMost ? [...warnings, taken] : warnings,
  };
}
