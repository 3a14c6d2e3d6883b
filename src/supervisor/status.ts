/** Facts for `status`, `status details`, `progress` and everything that names a backup: all from memory. */
import { getFips } from "node:crypto";
import type { MainOptions } from "../config/index.ts";
import {
  measureWal,
  progressPhases,
  summariseEntry,
  type BackupSummary,
  type BackupWal,
  type JobSummary,
  type ProblemSummary,
  type ProgressPhase,
  type RepositorySummary,
  type ServerDetails,
  type ServerIdentity,
  type ServerSummary,
  type StreamSummary,
} from "../management/index.ts";
import { drillsOf, lineageOf, newestProven, type BackupInfo, type CatalogEntry } from "../repository/index.ts";
import { formatPolicy } from "../retention/index.ts";
import type { JobState, ServerState } from "../state/index.ts";
import { alarmsInOrder, alarmsOf } from "./alarms.ts";
import type { Job } from "./job.ts";
import { jobTraits } from "./job-table.ts";
import { paceOf } from "./pace.ts";
import type { SupervisedServer } from "./server.ts";
import { retentionPolicyOf } from "./settings.ts";
import type { SpaceMonitor } from "./space.ts";

export interface StatusSources {
  /** At the moment. */
  readonly main: () => MainOptions;
  readonly version: string;
  readonly now: () => number;
  readonly entries: (server: string) => readonly CatalogEntry[];
  readonly activeJobs: (server: string) => readonly Job[];
  readonly blockers: (job: Job) => readonly Job[];
  readonly placeInLine: (job: Job) => number | undefined;
  readonly jobState: (job: Job) => JobState | undefined;
  readonly space: SpaceMonitor;
  /** What the verifications that the daemon begins by itself have to say of a server. */
  readonly verification?: (server: string) => readonly ProblemSummary[];
}

/** PostgreSQL's version number in its two parts (since 10: major × 10000 + minor). */
export function identityOf(server: SupervisedServer, state: ServerState = server.state()): ServerIdentity {
  return {
    server: server.name,
    majorVersion: Math.trunc(state.serverVersion / 10_000),
    minorVersion: state.serverVersion % 10_000,
  };
}

/** WAL that each backup keeps, from what is known to be stored. */
export function walOfBackups(
  server: SupervisedServer,
  entries: readonly CatalogEntry[],
): ReadonlyMap<string, BackupWal> {
  const { former } = server.lineages;
  const infos = entries.flatMap(({ info }) => info ?? []);
  const ofFormer = (info: BackupInfo): string | undefined => (former.has(lineageOf(info)) ? lineageOf(info) : undefined);
  const present = measureWal(infos.filter((info) => ofFormer(info) === undefined), server.wal.stretches);
  const others = [...former].flatMap(([id, { stretches }]) => [...measureWal(infos.filter((info) => ofFormer(info) === id), stretches)]);
  return new Map([...present, ...others]);
}

export function backupSummaries(server: SupervisedServer, entries: readonly CatalogEntry[]): BackupSummary[] {
  const wal = walOfBackups(server, entries);
  return entries.map((entry) => ({
    ...summariseEntry(server.name, entry, wal.get(entry.label)),
    ...drillsOf(entry.label, server.drills),
  }));
}

/** The newest moment that was proven. */
function provenOf({ drills }: SupervisedServer): Pick<ServerSummary, "proven"> {
  const best = newestProven(drills);
  if (best?.moment === undefined || best.moment === null) return {};
  return { proven: { moment: best.moment, at: best.ended, label: best.label ?? "" } };
}

/** How far the WAL of a server is, and in what state its receiver. */
export function streamOf(server: SupervisedServer, state: ServerState): StreamSummary {
  const known = state.timeline > 0;
  const lag = state.serverEndLsn > state.flushLsn ? state.serverEndLsn - state.flushLsn : 0n;
  const { child } = server.receiver;
  return {
    state: child.state !== "running" ? child.state : server.follow !== undefined && server.follow.since === undefined ? "following" : state.receiver,
    slot: server.options.walSlot,
    gaps: state.gaps,
    ...(known
      ? { timeline: state.timeline, flushedLsn: state.flushLsn, serverLsn: state.serverEndLsn, lagBytes: lag }
      : {}),
  };
}

/** What is wrong with a server, in the order of its weight. */
export function problemsOf(server: SupervisedServer, state: ServerState, sources: StatusSources): ProblemSummary[] {
  return alarmsInOrder(alarmsOf(server, sources, state));
}

/** Negative stands for "not set", as pgmoneta has it. */
const unset = -1;

/** A window in whole days, as far as pgmoneta's fields can say it; `policy` says what they cannot. */
function retentionOf({ options }: SupervisedServer): Pick<ServerSummary, "retention" | "retentionPolicy"> {
  const choice = options.retention;
  const { weeks, months, years } = choice.kind === "calendar" ? choice : {};
  const days =
    choice.kind === "calendar"
      ? choice.days
      : choice.kind === "window"
        ? Math.ceil(choice.seconds / 86_400)
        : undefined;
  return {
    retention: { days: days ?? unset, weeks: weeks ?? unset, months: months ?? unset, years: years ?? unset },
    retentionPolicy: formatPolicy(retentionPolicyOf(options)),
  };
}

export function serverSummary(server: SupervisedServer, sources: StatusSources): ServerSummary {
  const state = server.state();
  const jobs = sources.activeJobs(server.name);
  const active = jobs.filter((job) => job.state !== "waiting");
  const waiting = jobs.filter((job) => job.state === "waiting" && jobTraits[job.command].visible).length;
  const runs = (command: string): boolean => active.some((job) => job.command === command);
  const { workers, workspace } = server.options;
  return {
    ...identityOf(server, state),
    online: server.online,
    primary: !state.inRecovery,
    checksums: state.checksums,
    workers,
    numberOfBackups: sources.entries(server.name).length,
    serverSize: state.backupBytes + state.walBytes,
    workspaceFreeSpace: sources.space.of(workspace).free,
    hotStandbySize: server.hotStandby?.size ?? 0,
    ...retentionOf(server),
    active: {
      archive: runs("archive"),
      backup: runs("backup"),
      delete: runs("delete"),
      restore: runs("restore"),
      retention: runs("retention"),
    },
    ...(server.lineages.present === undefined ? {} : { lineage: server.lineages.present, formerLineages: server.lineages.former.size }),
    waiting,
    stream: streamOf(server, state),
    ...provenOf(server),
    problems: problemsOf(server, state, sources),
  };
}

export function serverDetails(server: SupervisedServer, sources: StatusSources): ServerDetails {
  return {
    ...serverSummary(server, sources),
    backups: backupSummaries(server, sources.entries(server.name)),
    jobs: jobSummaries(server.name, sources),
    fips: false,
  };
}

export function repositorySummary(servers: readonly SupervisedServer[], sources: StatusSources): RepositorySummary {
  const { free, total } = sources.space.of(sources.main().baseDir);
  const fullInMs = sources.space.fullInMs(sources.main().baseDir);
  const used = servers.reduce((sum, server) => sum + server.state().backupBytes + server.state().walBytes, 0);
  return {
    usedSpace: used,
    freeSpace: free,
    totalSpace: total,
    ...(fullInMs === undefined ? {} : { fullInMs }),
    workers: sources.main().workers,
    version: sources.version,
  };
}

export function fipsMode(): boolean {
  return getFips() === 1;
}

/** What a phase that pgmoneta has no number for counts as. */
const usualPhase: Readonly<Record<string, ProgressPhase>> = {
  backup: "base backup",
  restore: "restore",
  delete: "delete",
  verify: "verify",
  drill: "verify",
  "hot-standby": "restore",
};

/** What a backup waits for in a phase in which nothing is to be seen of it. */
const waitsIn: Readonly<Record<string, string>> = {
  checkpoint: "waits for the server's checkpoint",
  "restart point": "waits for a restart point of the standby",
  "copy WAL": "waits for the WAL up to its end",
};

function reasonOf(job: Job, phase: string, waitsFor: Job | undefined): string | undefined {
  if (waitsFor !== undefined) return `waits for job ${waitsFor.id} (${waitsFor.command})`;
  return job.command === "backup" && job.state === "running" && Object.hasOwn(waitsIn, phase) ? waitsIn[phase] : undefined;
}

function phaseOf(job: Job, phase: string): ProgressPhase {
  if (job.state === "waiting") return "none";
  return Object.hasOwn(progressPhases, phase) ? (phase as ProgressPhase) : (usualPhase[job.command] ?? "none");
}

export function jobSummary(job: Job, sources: StatusSources): JobSummary {
  const state = sources.jobState(job);
  const done = state?.bytesDone ?? 0;
  const total = state?.bytesTotal ?? 0;
  const elapsedMs = Math.max(0, sources.now() - (job.started ?? job.submitted));
  const countedMs = (state?.countedFrom ?? 0) === 0 ? elapsedMs : Math.max(0, sources.now() - (state?.countedFrom ?? 0));
  const waitsFor = sources.blockers(job)[0];
  const place = sources.placeInLine(job);
  const reason = reasonOf(job, state?.phase ?? "", waitsFor);
  return {
    id: String(job.id),
    server: job.server,
    command: job.command,
    state: job.state === "waiting" ? "waiting" : job.state === "cancelling" ? "cancelling" : "running",
    phase: phaseOf(job, state?.phase ?? ""),
    doneBytes: done,
    totalBytes: total,
    elapsedMs,
    ...paceOf(done, total, countedMs),
    ...(reason === undefined ? {} : { reason }),
    ...(place === undefined ? {} : { place }),
  };
}

/** Jobs of a server that an operator asked for and that have no outcome yet, running ones first. */
export function jobSummaries(server: string, sources: StatusSources, command?: string): JobSummary[] {
  return sources
    .activeJobs(server)
    .filter((job) => jobTraits[job.command].visible && (command === undefined || job.command === command))
    .map((job) => jobSummary(job, sources));
}
