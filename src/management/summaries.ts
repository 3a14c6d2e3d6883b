/**
 * What the daemon must know to answer: plain facts, filled by the supervisor, turned into pgmoneta's documents by
 * `responses.ts`. Sizes are bytes, times milliseconds since 1970 UTC, durations milliseconds.
 */

export type Bytes = number | bigint;

/** Who an answer is about. Versions are 0 while the server has never been reached. */
export interface ServerIdentity {
  readonly server: string;
  readonly majorVersion: number;
  readonly minorVersion: number;
}

/** One backup as `backup`, `list-backup`, `restore` and `status details` show it. */
export interface BackupSummary {
  readonly server: string;
  readonly label: string;
  readonly valid: boolean;
  readonly keep: boolean;
  readonly backupSize: Bytes;
  readonly restoreSize: Bytes;
  readonly biggestFileSize: Bytes;
  /** As recorded in `backup.info`: low nibble 1 gzip, 2 zstd, 3 lz4, 4 bzip2; 0x10 client, 0x20 server. */
  readonly compression: number;
  /** As recorded: 0 none, 1 AES-256, 2 AES-192, 3 AES-128. */
  readonly encryption: number;
  /** `key|value` pairs joined by commas, null when there are none. */
  readonly comments: string | null;
  /** Label of the parent; null for a full backup. */
  readonly parent: string | null;
  /** WAL kept from the start of this backup to the end of the archive. */
  readonly walBytes: Bytes;
  /** WAL between the start of the backup before this one and the start of this one; 0 for the oldest. */
  readonly deltaBytes: Bytes;
  /** Ours, left out of the document when unknown. */
  readonly startTime?: number;
  readonly endTime?: number;
  readonly startLsn?: bigint;
  readonly endLsn?: bigint;
  readonly timeline?: number;
  /** Pages whose checksum was wrong when the backup was taken. */
  readonly badPages?: number;
  /** Bytes on the disk that count for it; see `BackupSharing` of the repository. */
  readonly ownBytes?: Bytes;
  /** Bytes of its files that are those of an earlier backup. */
  readonly sharedBytes?: Bytes;
  /** Bytes that its deletion alone would free. */
  readonly freedBytes?: Bytes;
  /** Why it is not valid. */
  readonly problem?: string;
  /** When a drill last proved it, milliseconds since 1970. */
  readonly provenAt?: number;
  /** Why its last drill failed. */
  readonly drillFailure?: string;
  /** When everything of it was last read back, and what came of it. */
  readonly verifiedAt?: number;
  readonly verification?: "good" | "remarks" | "bad";
}

/** Everything that `info` shows. */
export interface BackupDetails extends BackupSummary {
  readonly majorVersion: number;
  readonly minorVersion: number;
  /** First WAL segment that the backup needs. */
  readonly firstSegment: string;
  readonly elapsedMs: number;
  readonly startLsn: bigint;
  readonly endLsn: bigint;
  readonly checkpointLsn: bigint;
  readonly startTimeline: number;
  readonly endTimeline: number;
  readonly tablespaces: readonly { readonly name: string; readonly oid?: number; readonly path?: string }[];
  readonly systemIdentifier?: string;
  readonly hashAlgorithm?: string;
}

/** What the operator should know and need not act on at once. */
export type Warnings = readonly string[];

/** How a running or waiting job stands. */
export interface JobSummary {
  readonly id: string;
  readonly server: string;
  readonly command: string;
  readonly state: "waiting" | "running" | "cancelling";
  readonly phase: ProgressPhase;
  readonly doneBytes: Bytes;
  /** 0 while unknown. */
  readonly totalBytes: Bytes;
  readonly elapsedMs: number;
  readonly bytesPerSecond: number;
  /** Absent while nothing sensible can be said. */
  readonly remainingMs?: number;
  /** Label of the backup it makes or reads. */
  readonly label?: string;
  /** Why it waits. */
  readonly reason?: string;
  /** Which one it is among the jobs of its server that wait, from 1. */
  readonly place?: number;
  /** Absolute path of the file that it converts; such a job belongs to no server. */
  readonly file?: string;
}

/** pgmoneta's phase numbers (`ProgressState`). */
export const progressPhases = {
  none: 0,
  "base backup": 1,
  manifest: 2,
  digests: 3,
  linking: 4,
  compression: 5,
  encryption: 6,
  delete: 7,
  info: 8,
  verify: 9,
  restore: 10,
  "copy WAL": 11,
  "recovery settings": 12,
  "excluded files": 13,
  permissions: 14,
  cleanup: 15,
  "combine incremental": 16,
} as const;
export type ProgressPhase = keyof typeof progressPhases;

/** How the WAL of a server arrives. */
export interface StreamSummary {
  /** State of the receiver in a word: streaming, connecting, waiting, stopped, failed. */
  readonly state: string;
  readonly slot?: string;
  readonly timeline?: number;
  /** Last byte known to be on disk here. */
  readonly flushedLsn?: bigint;
  /** Last byte that the server has told of. */
  readonly serverLsn?: bigint;
  readonly lagBytes?: Bytes;
  readonly lagMs?: number;
  readonly gaps?: number;
}

/** What is wrong with a server right now. */
export interface ProblemSummary {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  /** What puts it right on the server, to be typed as it stands. */
  readonly statement?: string;
  /** Which of several such troubles it is, a backup for instance; not part of an answer. */
  readonly about?: string;
}

export interface ServerSummary extends ServerIdentity {
  readonly online: boolean;
  readonly primary: boolean;
  readonly checksums: boolean;
  readonly workers: number;
  readonly numberOfBackups: number;
  /** Bytes of everything stored for it. */
  readonly serverSize: Bytes;
  readonly workspaceFreeSpace: Bytes;
  readonly hotStandbySize: Bytes;
  /** Negative where the configuration says nothing. */
  readonly retention: {
    readonly days: number;
    readonly weeks: number;
    readonly months: number;
    readonly years: number;
  };
  /** Ours: the policy as the configuration has it. */
  readonly retentionPolicy?: string;
  readonly active: {
    readonly archive: boolean;
    readonly backup: boolean;
    readonly delete: boolean;
    readonly restore: boolean;
    readonly retention: boolean;
  };
  /** Ours: system identifier of the cluster whose WAL is received, and how many there were before it. */
  readonly lineage?: string;
  readonly formerLineages?: number;
  /** Jobs that wait for others. */
  readonly waiting: number;
  readonly stream: StreamSummary;
  /** The newest moment that a drill proved, and when; absent before the first. Milliseconds since 1970. */
  readonly proven?: { readonly moment: number; readonly at: number; readonly label: string };
  readonly problems: readonly ProblemSummary[];
}

/** A server in `status details`. */
export interface ServerDetails extends ServerSummary {
  readonly backups: readonly BackupSummary[];
  readonly jobs: readonly JobSummary[];
  readonly fips: boolean;
}

/** The repository as a whole. */
export interface RepositorySummary {
  readonly usedSpace: Bytes;
  readonly freeSpace: Bytes;
  readonly totalSpace: Bytes;
  /** When the file system of the repository is full at the present rate; absent while nothing points to it. */
  readonly fullInMs?: number;
  readonly workers: number;
  /** Version of Moneta. */
  readonly version: string;
}

/** What an archive became. */
export interface ArchiveSummary {
  readonly label: string;
  /** Absolute path. */
  readonly file: string;
  /** Bytes of the archive, and of what it holds. */
  readonly size: number;
  readonly bytes: number;
  /** Where recovery stops, in a sentence. */
  readonly target: string;
  readonly warnings: Warnings;
}

/** What a restore did, or would do. */
export interface RestoreSummary {
  readonly backup: BackupSummary;
  /** Where the cluster lies now. */
  readonly directory: string;
  /** Where recovery stops, in a sentence. */
  readonly target: string;
  /** The steps, in sentences: the plan of a dry run. */
  readonly plan: readonly string[];
  readonly dryRun: boolean;
  readonly warnings: Warnings;
}
