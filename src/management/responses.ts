/**
 * Our facts as pgmoneta's response documents: its keys, types and nesting. Keys that pgmoneta does not have are
 * marked as ours; its own are never renamed and never change their type. `ServerVersion` is added with the outcome.
 */
import { decimal } from "./json.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import { lsnHalves } from "./document.ts";
import { progressPhases } from "./summaries.ts";
import type {
  ArchiveSummary,
  BackupDetails,
  BackupSummary,
  JobSummary,
  RepositorySummary,
  RestoreSummary,
  ServerDetails,
  ServerIdentity,
  ServerSummary,
  StreamSummary,
  Warnings,
} from "./summaries.ts";

const identity = (of: ServerIdentity): JsonObject => ({
  Server: of.server,
  MajorVersion: of.majorVersion,
  MinorVersion: of.minorVersion,
});

/** Drops what is unknown, so that an absent key and not an invented value says so. */
function known(fields: Readonly<Record<string, JsonValue | undefined>>): JsonObject {
  return Object.fromEntries(
    Object.entries(fields).filter((field): field is [string, JsonValue] => field[1] !== undefined),
  );
}

const isoTime = (ms: number | undefined): string | undefined =>
  ms === undefined ? undefined : new Date(ms).toISOString();

function halves(name: string, lsn: bigint | undefined): JsonObject {
  if (lsn === undefined) return {};
  const { high, low } = lsnHalves(lsn);
  return { [`${name}HiLSN`]: high, [`${name}LoLSN`]: low };
}

/** What every command says about a backup, with pgmoneta's keys. */
const backupCore = (backup: BackupSummary): JsonObject => ({
  Backup: backup.label,
  BackupSize: backup.backupSize,
  RestoreSize: backup.restoreSize,
  BiggestFileSize: backup.biggestFileSize,
  Compression: backup.compression,
  Encryption: backup.encryption,
});

const lineage = (backup: BackupSummary): JsonObject => ({
  Incremental: backup.parent !== null,
  IncrementalParent: backup.parent,
});

/** Ours, in lists and details: what a person wants to know about a backup and pgmoneta does not say. */
const backupExtras = (backup: BackupSummary): JsonObject => ({
  ...halves("Start", backup.startLsn),
  ...halves("End", backup.endLsn),
  ...known({
    StartTime: isoTime(backup.startTime),
    EndTime: isoTime(backup.endTime),
    StartTimeline: backup.timeline,
    BadPages: backup.badPages,
    OwnSize: backup.ownBytes,
    SharedSize: backup.sharedBytes,
    FreedSize: backup.freedBytes,
    Problem: backup.problem,
    ProvenAt: isoTime(backup.provenAt),
    DrillFailure: backup.drillFailure,
    VerifiedAt: isoTime(backup.verifiedAt),
    Verification: backup.verification,
  }),
});

/** `ping`. Ours: MonetaVersion. */
export function pingResponse(version: string): JsonObject {
  return { MonetaVersion: version };
}

/** `backup`, when it is valid. Ours: Elapsed, BadPages, times and positions, Warnings. */
export function backupResponse(
  server: ServerIdentity,
  backup: BackupSummary,
  elapsedMs: number,
  warnings: Warnings = [],
): JsonObject {
  return {
    ...identity(server),
    ...backupCore(backup),
    ...lineage(backup),
    ...backupExtras(backup),
    Valid: backup.valid ? 1 : 0,
    Elapsed: decimal(elapsedMs / 1000),
    Warnings: warnings,
  };
}

/**
 * `list-backup`. `WAL` is the WAL kept from each backup's start on (pgmoneta writes the key twice and the wrong
 * one wins); `Delta`, which it loses that way, is there again.
 */
export function listBackupResponse(
  server: ServerIdentity,
  backups: readonly BackupSummary[],
  sort: "asc" | "desc" = "asc",
): JsonObject {
  const ordered = sort === "desc" ? [...backups].reverse() : backups;
  return {
    ...identity(server),
    NumberOfBackups: backups.length,
    Backups: ordered.map((backup) => ({
      ...backupCore(backup),
      ...lineage(backup),
      ...backupExtras(backup),
      Server: backup.server,
      Keep: backup.keep,
      Valid: backup.valid ? 1 : 0,
      Comments: backup.comments,
      WAL: backup.walBytes,
      Delta: backup.deltaBytes,
    })),
  };
}

/** `info`: here `WAL` is the name of the first segment. Ours: times, parent, SystemIdentifier, HashAlgorithm, WALSize. */
export function infoResponse(backup: BackupDetails): JsonObject {
  return {
    ...identity(backup),
    ...backupCore(backup),
    ...lineage(backup),
    ...backupExtras(backup),
    ...halves("Checkpoint", backup.checkpointLsn),
    ...known({ SystemIdentifier: backup.systemIdentifier, HashAlgorithm: backup.hashAlgorithm }),
    Keep: backup.keep,
    Valid: backup.valid ? 1 : 0,
    Comments: backup.comments,
    Elapsed: decimal(backup.elapsedMs / 1000),
    StartTimeline: backup.startTimeline,
    EndTimeline: backup.endTimeline,
    NumberOfTablespaces: backup.tablespaces.length,
    Tablespaces: backup.tablespaces.map((tablespace) =>
      known({ TablespaceName: tablespace.name, TablespaceOid: tablespace.oid, TablespacePath: tablespace.path }),
    ),
    WAL: backup.firstSegment,
    WALSize: backup.walBytes,
  };
}

/** `restore`. Ours: Directory, Target, Plan, DryRun, Warnings. */
export function restoreResponse(server: ServerIdentity, restore: RestoreSummary): JsonObject {
  return {
    ...identity(server),
    ...backupCore(restore.backup),
    ...lineage(restore.backup),
    Comments: restore.backup.comments,
    Directory: restore.directory,
    Target: restore.target,
    Plan: restore.plan,
    DryRun: restore.dryRun,
    Warnings: restore.warnings,
  };
}

/** `delete`: the label that is gone. */
export function deleteResponse(server: ServerIdentity, label: string): JsonObject {
  return { ...identity(server), Backup: label };
}

/** `archive`. Ours: Backup (null with pgmoneta), Size, RestoreSize, Target, Warnings. */
export function archiveResponse(server: ServerIdentity, archive: ArchiveSummary): JsonObject {
  return {
    ...identity(server),
    Backup: archive.label,
    FileName: archive.file,
    Size: archive.size,
    RestoreSize: archive.bytes,
    Target: archive.target,
    Warnings: archive.warnings,
  };
}

/** `compress`, `decompress`, `encrypt`, `decrypt`. Ours: SourceSize, DestinationSize. */
export function conversionResponse(converted: {
  readonly destination: string;
  readonly sourceSize: number;
  readonly size: number;
}): JsonObject {
  return { DestinationFile: converted.destination, SourceSize: converted.sourceSize, DestinationSize: converted.size };
}

/** `mode`: whether the server is in service now. */
export function modeResponse(server: ServerIdentity, online: boolean): JsonObject {
  return { ...identity(server), Online: online };
}

/** `key rotate` (ours): the id of the data key that is in use now, and of the one before; null when there was none. */
export function keyRotateResponse(server: ServerIdentity, id: string, previous: string | undefined): JsonObject {
  return { ...identity(server), Key: id, PreviousKey: previous ?? null };
}

/** `cancel` (ours): the jobs that were told to end. */
export function cancelResponse(
  server: ServerIdentity,
  jobs: readonly { readonly id: string; readonly command: string }[],
): JsonObject {
  return { ...identity(server), Cancelled: jobs.map((job) => ({ Job: job.id, Command: job.command })) };
}

/** `cancel` of a file (ours): the conversions that were told to end. */
export function filesCancelResponse(jobs: readonly { readonly id: string; readonly command: string; readonly file: string }[]): JsonObject {
  return { Cancelled: jobs.map(({ id, command, file }) => ({ Job: id, Command: command, SourceFile: file })) };
}

/** Whole seconds and their text, the form of pgmoneta's durations. */
const seconds = (ms: number): JsonObject => {
  const whole = Math.max(0, Math.round(ms / 1000));
  return { string_value: `${whole}s`, value: whole };
};

/** Whole per cent, rounded down, never above 100. */
export function percentage(done: number | bigint, total: number | bigint): number {
  if (BigInt(total) <= 0n) return 0;
  return Math.min(100, Number((BigInt(done) * 100n) / BigInt(total)));
}

/** The total of a base backup that streams is the server's estimate, and the cluster may have grown since: 100 only when it has come whole. */
const percentageOf = ({ phase, doneBytes, totalBytes }: JobSummary): number =>
  Math.min(phase === "base backup" ? 99 : 100, percentage(doneBytes, totalBytes));

/** Ours: what pgmoneta does not say about a job. */
const jobExtras = (job: JobSummary): JsonObject =>
  known({
    Job: job.id,
    Command: job.command,
    State: job.state,
    Phase: job.phase,
    BytesPerSecond: Math.round(job.bytesPerSecond),
    Label: job.label,
    Reason: job.reason,
    Place: job.place,
    SourceFile: job.file,
  });

/** An entry of Jobs; the first of them is also the body of a `progress` answer. */
export const jobProgress = (job: JobSummary): JsonObject => ({
  ProgressState: progressPhases[job.phase],
  Done: job.doneBytes,
  Total: job.totalBytes,
  Elapsed: Math.floor(job.elapsedMs / 1000),
  Percentage: percentageOf(job),
  Remaining: seconds(job.remainingMs ?? 0),
  ...(job.remainingMs === undefined ? {} : { RemainingKnown: true }),
  ...jobExtras(job),
});

/**
 * `progress`: the first job is the one that runs; all of them travel in Jobs (ours). Nothing to report is
 * ProgressState 0 with Job null, so that a client can tell an idle server from a job at its start.
 */
export function progressResponse(server: ServerIdentity, jobs: readonly JobSummary[]): JsonObject {
  return { ...identity(server), ...filesProgressResponse(jobs) };
}

/** `progress` without a server (ours): the same of the files that are being converted. */
export function filesProgressResponse(jobs: readonly JobSummary[]): JsonObject {
  const first = jobs[0];
  const idle = { ProgressState: 0, Done: 0, Total: 0, Elapsed: 0, Percentage: 0, Remaining: seconds(0), Job: null };
  return { ...(first === undefined ? idle : jobProgress(first)), Jobs: jobs.map(jobProgress) };
}

const streamExtras = (stream: StreamSummary): JsonObject => ({
  ...halves("Flushed", stream.flushedLsn),
  ...halves("Current", stream.serverLsn),
  ...known({
    StreamState: stream.state,
    Slot: stream.slot,
    Timeline: stream.timeline,
    LagBytes: stream.lagBytes,
    LagMilliseconds: stream.lagMs === undefined ? undefined : Math.round(stream.lagMs),
    Gaps: stream.gaps,
  }),
});

const serverEntry = (server: ServerSummary): JsonObject => ({
  ...identity(server),
  ActiveArchive: server.active.archive,
  ActiveBackup: server.active.backup,
  ActiveDelete: server.active.delete,
  ActiveRestore: server.active.restore,
  ActiveRetention: server.active.retention,
  WaitingJobs: server.waiting,
  Checksums: server.checksums,
  HotStandbySize: server.hotStandbySize,
  NumberOfBackups: server.numberOfBackups,
  Online: server.online,
  Primary: server.primary,
  RetentionDays: server.retention.days,
  RetentionMonths: server.retention.months,
  RetentionWeeks: server.retention.weeks,
  RetentionYears: server.retention.years,
  ...known({ Retention: server.retentionPolicy, Lineage: server.lineage, FormerLineages: server.formerLineages }),
  ServerSize: server.serverSize,
  Workers: server.workers,
  WorkspaceFreeSpace: server.workspaceFreeSpace,
  ...streamExtras(server.stream),
  ...(server.proven === undefined
    ? {}
    : {
        ProvenMoment: new Date(server.proven.moment).toISOString(),
        ProvenAt: new Date(server.proven.at).toISOString(),
        ProvenBackup: server.proven.label,
      }),
  Problems: server.problems.map(({ code, message, hint, statement }) => ({
    Code: code,
    Message: message,
    Hint: hint,
    ...known({ Statement: statement }),
  })),
});

const repositoryFields = (repository: RepositorySummary, servers: number): JsonObject => ({
  FreeSpace: repository.freeSpace,
  TotalSpace: repository.totalSpace,
  UsedSpace: repository.usedSpace,
  Workers: repository.workers,
  NumberOfServers: servers,
  MonetaVersion: repository.version,
  ...known({ FullInMilliseconds: repository.fullInMs === undefined ? undefined : Math.round(repository.fullInMs) }),
});

/** `status`. Ours: version, versions of the servers, the state of their streams, problems. */
export function statusResponse(repository: RepositorySummary, servers: readonly ServerSummary[]): JsonObject {
  return { ...repositoryFields(repository, servers.length), Servers: servers.map(serverEntry) };
}

/** `status details`. Ours besides those of `status`: Jobs, and what lists say about each backup. */
export function statusDetailsResponse(
  repository: RepositorySummary,
  servers: readonly ServerDetails[],
  fips: boolean,
): JsonObject {
  return {
    ...repositoryFields(repository, servers.length),
    PgmonetaFips: fips,
    Servers: servers.map((server) => ({
      ...serverEntry(server),
      WalStreaming: server.stream.state === "streaming",
      Fips: server.fips,
      Jobs: server.jobs.map(jobProgress),
      Backups: server.backups.map((backup) => ({
        ...backupCore(backup),
        ...backupExtras(backup),
        Keep: backup.keep,
        Valid: backup.valid ? 1 : 0,
        Comments: backup.comments,
        WAL: backup.walBytes,
        Delta: backup.deltaBytes,
      })),
    })),
  };
}
