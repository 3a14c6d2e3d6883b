/** What a job can be asked to do, and what it answers. */
import {
  count,
  flag,
  json,
  list,
  nullable,
  object,
  optional,
  text,
  variants,
  type Check,
  type JsonValue,
} from "./check.ts";

export interface BackupRequest {
  readonly command: "backup";
  /** Label of the parent of an incremental backup. */
  readonly parent: string | null;
}
export interface RestoreRequest {
  readonly command: "restore";
  /** A label, or oldest, newest, latest. */
  readonly backup: string;
  readonly position: string | null;
  readonly directory: string;
  readonly dryRun: boolean;
  readonly copyWal: boolean;
  /** Tablespaces by name or OID, and where they shall lie. */
  readonly tablespaceMap: readonly TablespacePlace[];
  /** Where all others shall lie; null: beside the cluster. */
  readonly tablespaceMapAll: string | null;
}
export interface TablespacePlace {
  readonly tablespace: string;
  readonly directory: string;
}
/** Restores a backup into one tar file. */
export interface ArchiveRequest {
  readonly command: "archive";
  /** A label, or oldest, newest, latest. */
  readonly backup: string;
  readonly position: string | null;
  readonly directory: string;
}
export interface DeleteRequest {
  readonly command: "delete";
  readonly backup: string;
  readonly force: boolean;
}
/** Archives finished WAL segments until there is nothing to do for a minute. */
export interface ArchiveWalRequest {
  readonly command: "archive-wal";
}
/** Brings the second copy of the WAL up to date until there is nothing to do for a minute. */
export interface ShipWalRequest {
  readonly command: "ship-wal";
  /** `wal_shipping`. */
  readonly directory: string;
}
/** Brings the copies of `hot_standby` to a backup. */
export interface HotStandbyRequest {
  readonly command: "hot-standby";
  /** A label, or oldest, newest, latest. */
  readonly backup: string;
  readonly copies: readonly HotStandbyCopy[];
}
export interface HotStandbyCopy {
  /** The copy is `<directory>/<server>`. */
  readonly directory: string;
  /** Directory whose files are laid over it. */
  readonly overrides: string | null;
  readonly tablespaceMap: readonly TablespacePlace[];
}
/** Removes what crashed jobs left behind. */
export interface CleanRequest {
  readonly command: "clean";
  /** Where drills of the server have their scratch space. */
  readonly workspace?: string;
}
/** Restores a backup into the workspace, starts it there and looks at it. */
export interface DrillRequest {
  readonly command: "drill";
  readonly backup: string;
  readonly position: string | null;
  readonly workspace: string;
  /** Where PostgreSQL's programs lie, for majors that are not to be looked for. */
  readonly programs: readonly { readonly major: number; readonly directory: string }[];
  /** SQL that the operator wants run, in `database`. */
  readonly sqlFile: string | null;
  readonly database: string;
  /** `shared_preload_libraries` of the drilled server. */
  readonly preloadLibraries: string;
}
/** Reads a backup back without restoring it. */
export interface VerifyRequest {
  readonly command: "verify";
  readonly backup: string;
  /** The answer names every file, not only what was found. */
  readonly all: boolean;
  /** Of one that the daemon began by itself; null for that of an operator. */
  readonly schedule: VerifySchedule | null;
}
export interface VerifySchedule {
  /** Stored bytes a second; 0 is no limit. */
  readonly rateBytes: number;
  /** What was proven after this moment counts, milliseconds since 1970. */
  readonly since: number;
}
/** A policy as it travels; what is not set is null. */
export type RetentionPolicySettings =
  | {
      readonly kind: "calendar";
      readonly days: number;
      readonly weeks: number | null;
      readonly months: number | null;
      readonly years: number | null;
    }
  | { readonly kind: "window"; readonly seconds: number }
  | { readonly kind: "count"; readonly copies: number };
/** Removes the backups and the WAL that the policy does not keep. */
export interface RetentionRequest {
  readonly command: "retention";
  readonly policy: RetentionPolicySettings;
  readonly minimum: number;
  /** What other jobs work with or wait for when it begins. */
  readonly inUse: RepositoryUse;
  /** The timeline that the server is on; null is not known. */
  readonly timeline: number | null;
}
/** What must not be taken away at the moment. */
export interface RepositoryUse {
  /** A job has not chosen yet: it may come to want anything. */
  readonly all: boolean;
  /** Labels of backups, which keep their WAL. */
  readonly backups: readonly string[];
  /** WAL that is needed besides that of the backups. */
  readonly wal: readonly WalUse[];
}
/** WAL of a timeline, and of those that go on from it, from a position on. */
export interface WalUse {
  readonly timeline: number;
  /** In PostgreSQL's form. */
  readonly from: string;
}
/** Makes the cluster that answers at the server's address the present one; see `acceptLineage`. */
export interface LineageRequest {
  readonly command: "lineage";
  /** System identifier of the cluster that is expected there; null: whatever is there. */
  readonly expected: string | null;
}
/** Says what `retention` would remove. */
export interface RetentionPlanRequest extends Omit<RetentionRequest, "command"> {
  readonly command: "retention-plan";
}
export type JobRequest =
  | BackupRequest
  | ArchiveRequest
  | RestoreRequest
  | DeleteRequest
  | ArchiveWalRequest
  | ShipWalRequest
  | HotStandbyRequest
  | CleanRequest
  | DrillRequest
  | VerifyRequest
  | RetentionRequest
  | LineageRequest
  | RetentionPlanRequest;

/** Outcome of a job that did what it was asked for. */
export interface JobResult {
  /** The backup it was about. */
  readonly label: string | null;
  /** Sentences the operator should read: warnings, choices that were made. */
  readonly notes: readonly string[];
  /** Further facts of the command, for example the plan of a dry run. */
  readonly facts: { readonly [key: string]: JsonValue };
}

const retentionPolicy: Check<RetentionPolicySettings> = variants<"kind", RetentionPolicySettings>("kind", {
  calendar: object<RetentionPolicySettings & { kind: "calendar" }>({
    kind: () => "calendar",
    days: count,
    weeks: nullable(count),
    months: nullable(count),
    years: nullable(count),
  }),
  window: object<RetentionPolicySettings & { kind: "window" }>({ kind: () => "window", seconds: count }),
  count: object<RetentionPolicySettings & { kind: "count" }>({ kind: () => "count", copies: count }),
});

export const walUse = object<WalUse>({ timeline: count, from: text });
const repositoryUse = object<RepositoryUse>({ all: flag, backups: list(text), wal: list(walUse) });

const tablespacePlace = object<TablespacePlace>({ tablespace: text, directory: text });

export const jobRequest: Check<JobRequest> = variants<"command", JobRequest>("command", {
  backup: object<BackupRequest>({ command: () => "backup", parent: nullable(text) }),
  restore: object<RestoreRequest>({
    command: () => "restore",
    backup: text,
    position: nullable(text),
    directory: text,
    dryRun: flag,
    copyWal: flag,
    tablespaceMap: list(tablespacePlace),
    tablespaceMapAll: nullable(text),
  }),
  archive: object<ArchiveRequest>({ command: () => "archive", backup: text, position: nullable(text), directory: text }),
  delete: object<DeleteRequest>({ command: () => "delete", backup: text, force: flag }),
  "archive-wal": object<ArchiveWalRequest>({ command: () => "archive-wal" }),
  "ship-wal": object<ShipWalRequest>({ command: () => "ship-wal", directory: text }),
  "hot-standby": object<HotStandbyRequest>({
    command: () => "hot-standby",
    backup: text,
    copies: list(object<HotStandbyCopy>({ directory: text, overrides: nullable(text), tablespaceMap: list(tablespacePlace) })),
  }),
  clean: object<CleanRequest>({ command: () => "clean", workspace: optional(text) }),
  drill: object<DrillRequest>({
    command: () => "drill",
    backup: text,
    position: nullable(text),
    workspace: text,
    programs: list(object<DrillRequest["programs"][number]>({ major: count, directory: text })),
    sqlFile: nullable(text),
    database: text,
    preloadLibraries: text,
  }),
  verify: object<VerifyRequest>({
    command: () => "verify",
    backup: text,
    all: flag,
    schedule: nullable(object<VerifySchedule>({ rateBytes: count, since: count })),
  }),
  retention: object<RetentionRequest>({
    command: () => "retention",
    policy: retentionPolicy,
    minimum: count,
    inUse: repositoryUse,
    timeline: nullable(count),
  }),
  lineage: object<LineageRequest>({ command: () => "lineage", expected: nullable(text) }),
  "retention-plan": object<RetentionPlanRequest>({
    command: () => "retention-plan",
    policy: retentionPolicy,
    minimum: count,
    inUse: repositoryUse,
    timeline: nullable(count),
  }),
});

export const jobResult: Check<JobResult> = object<JobResult>({
  label: nullable(text),
  notes: list(text),
  facts: (value, path) => {
    const checked = json(value, path);
    return typeof checked === "object" && checked !== null && !Array.isArray(checked)
      ? (checked as JobResult["facts"])
      : {};
  },
});
