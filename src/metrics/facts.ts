/**
 * Everything that the metrics are made of, as plain values from memory. The supervisor fills this in at each scrape
 * and waits for nothing while it does. Times are milliseconds since 1970, durations milliseconds, sizes bytes, unless
 * a name says otherwise; what is undefined is not known, and has no sample.
 */
import type { LogLevel } from "../log/index.ts";
import type { CatalogEntry, DrillRecord, StageTimings } from "../repository/index.ts";
import type { ServerState } from "../state/index.ts";

/** Zeros where the retention says nothing, as pgmoneta has it. */
export interface RetentionFacts {
  readonly days: number;
  readonly weeks: number;
  readonly months: number;
  readonly years: number;
}

/** A file system at a path; zeros before the first look. */
export interface RoomFacts {
  readonly free: number;
  readonly total: number;
}

/** A directory of its own: what lies in it, and the room there. */
export interface PlaceFacts extends RoomFacts {
  readonly used: number;
}

/** A timeline that the repository knows. */
export interface TimelineFacts {
  readonly timeline: number;
  /** 0 for the first one. */
  readonly parent: number;
  /** Where it left its parent; 0 for the first one. */
  readonly switchLsn: bigint;
}

export interface ExtensionFacts {
  readonly name: string;
  readonly version: string;
  readonly comment: string;
}

/** A job that runs or waits. */
export interface JobFacts {
  readonly command: string;
  readonly waiting: boolean;
  /** False for the daemon's own housekeeping. */
  readonly visible: boolean;
  /** What it is doing, in words. */
  readonly phase: string;
  readonly done: number;
  /** 0: not known. */
  readonly total: number;
  readonly elapsedMs: number;
}

export const jobOutcomes = ["succeeded", "failed", "cancelled", "died"] as const;
export type JobOutcomeWord = (typeof jobOutcomes)[number];

/** The jobs of one command that ended since the daemon started. */
export interface EndedJobsFacts {
  readonly command: string;
  readonly counts: Readonly<Record<JobOutcomeWord, number>>;
  readonly last: { readonly outcome: JobOutcomeWord; readonly ended: number; readonly durationMs: number } | undefined;
}

/** Commands that operators sent for a server since the daemon started. */
export interface OperationFacts {
  readonly count: number;
  readonly failed: number;
  readonly last: number | undefined;
  readonly lastFailed: number | undefined;
}

/** Moments to which the server can be restored; without a start there is none. */
export interface WindowFacts {
  readonly start: number | undefined;
  readonly end: number | undefined;
}

/** The newest valid backup. */
export interface NewestBackupFacts {
  readonly label: string;
  readonly began: number;
  readonly ended: number;
  /** Seconds, as `backup.info` has them. */
  readonly elapsed: StageTimings;
  readonly restoredBytes: number;
  readonly storedBytes: number;
}

export interface ServerFacts {
  readonly name: string;
  readonly online: boolean;
  /** It follows another server that is well, and only keeps its slot. */
  readonly following: boolean;
  /** Nothing holds it up. */
  readonly valid: boolean;
  readonly workers: number;
  readonly retention: RetentionFacts;
  readonly state: ServerState;
  /** Backups, oldest first, damaged ones last. */
  readonly entries: readonly CatalogEntry[];
  readonly newest: NewestBackupFacts | undefined;
  /** The last drill. */
  readonly drill: DrillRecord | undefined;
  /** The newest moment that a drill proved. */
  readonly provenMoment: number | undefined;
  /** Codes of what `status` says is wrong, each as often as it is said. */
  readonly problems: readonly string[];
  readonly jobs: readonly JobFacts[];
  readonly ended: readonly EndedJobsFacts[];
  readonly operations: OperationFacts;
  /** Undefined without `wal_shipping`. */
  readonly walShipping: PlaceFacts | undefined;
  readonly workspace: PlaceFacts;
  /** Undefined without `hot_standby`; rooms summed over the directories. */
  readonly hotStandby: PlaceFacts | undefined;
  readonly timelines: readonly TimelineFacts[];
  /** Undefined while the server could not be asked. */
  readonly extensions: readonly ExtensionFacts[] | undefined;
  readonly window: WindowFacts;
  /** When the newest finished segment got its final form. */
  readonly lastArchived: number | undefined;
  /** Finished segments that wait for that. */
  readonly unarchived: number;
  /** Bytes that went through each stage since the daemon started. */
  readonly stages: Readonly<Record<string, number>>;
  readonly removed: { readonly backups: number; readonly walFiles: number; readonly walBytes: number };
}

/** One process of the daemon. */
export interface ProcessFacts {
  /** supervisor, receiver, job, converter (of a single file) or prober (of a check). */
  readonly kind: string;
  /** Of its server; empty for what belongs to none. */
  readonly server: string;
  /** What a job or a converter does; empty for the others. */
  readonly command: string;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  readonly threads: number;
  readonly openFiles: number | undefined;
  /** Milliseconds since 1970. */
  readonly started: number;
  /** Bytes that it had read from and written to storage. */
  readonly readBytes: number | undefined;
  readonly writtenBytes: number | undefined;
}

/** How many lines of each severity were logged. */
export type LineCounts = Readonly<Record<LogLevel, number>>;

export interface DaemonFacts {
  readonly now: number;
  readonly version: string;
  readonly nodeVersion: string;
  readonly started: number;
  readonly fips: boolean;
  /** pgmoneta's number of the configured compression. */
  readonly compression: number;
  readonly retention: RetentionFacts;
  /** Since the start. */
  readonly lines: LineCounts;
  /** Since the start or the last `clear prometheus`. */
  readonly linesSinceReset: LineCounts;
  /** Lines of severity WARN and above by the code of their error. */
  readonly errors: ReadonlyMap<string, number>;
  /** Commands of operators. */
  readonly commands: readonly { readonly command: string; readonly succeeded: number; readonly failed: number }[];
  readonly repository: PlaceFacts & {
    /** When its file system is full at the present rate, from now; undefined while nothing points to it. */
    readonly fullInMs: number | undefined;
    /** What disappears of the free space, bytes an hour; undefined while too little was seen. */
    readonly bytesPerHour: number | undefined;
  };
  readonly processes: readonly ProcessFacts[];
  readonly certificates: readonly { readonly use: string; readonly expires: number }[];
  readonly scrapes: { readonly count: number; readonly seconds: number; readonly refused: number };
  readonly servers: readonly ServerFacts[];
}
