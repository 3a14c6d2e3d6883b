/** What a restore is going to do, as plain data: for a dry run, for the log, for the answer to the operator. */

export interface PlannedTablespace {
  readonly oid: number;
  /** Where it lay on the source. */
  readonly source: string;
  /** Where it will lie; within the data directory for a tablespace in place. */
  readonly directory: string;
}

/** Positions are PostgreSQL's texts, times ISO 8601 in UTC, sizes bytes. */
export interface RestorePlan {
  readonly server: string;
  readonly backup: {
    readonly label: string;
    readonly type: "full" | "incremental";
    readonly version: string;
    readonly startLsn: string;
    readonly endLsn: string;
    readonly endTime: string;
    readonly timeline: number;
  };
  /** Why this backup and no other; null when it was asked for by its label. */
  readonly choice: string | null;
  /** The new data directory. */
  readonly directory: string;
  readonly tablespaces: readonly PlannedTablespace[];
  readonly files: number;
  readonly bytes: number;
  readonly freeBytes: number;
  /** At the rate at which the backup was taken; null when that is not known. */
  readonly estimatedSeconds: number | null;
  readonly wal: {
    readonly from: string;
    /** First position that is not available. */
    readonly to: string;
    readonly firstSegment: string;
    readonly lastSegment: string;
    readonly segments: number;
    /** The last one is being received. */
    readonly unfinished: boolean;
    readonly copied: boolean;
    /** Bytes that `pg_wal` takes when it is copied, otherwise 0. */
    readonly bytes: number;
  };
  /** Where recovery stops, in a sentence. */
  readonly target: string;
  readonly role: "primary" | "replica";
  /** What the server does at the target. */
  readonly action: "pause" | "promote" | "shutdown" | "follow";
  /** From the timeline of the backup to the one that recovery ends on. */
  readonly timelines: readonly { readonly timeline: number; readonly until: string | null }[];
  /** The recovery settings as they will be written; a setting that is blanked has an empty value. */
  readonly settings: readonly (readonly [name: string, value: string])[];
  /** Why it cannot be done; empty when it can. */
  readonly problems: readonly string[];
  /** What the operator should know and need not act on. */
  readonly notes: readonly string[];
}
