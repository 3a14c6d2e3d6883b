/** From what the supervisor knows to the facts of the metrics: memory only, and nobody is waited for. */
import { getFips } from "node:crypto";
import type { MainOptions, RetentionChoice } from "../config/index.ts";
import type { DaemonFacts, JobFacts, NewestBackupFacts, PlaceFacts, RetentionFacts, ServerFacts, WindowFacts } from "../metrics/index.ts";
import { compressionCode, newestProven, startTimeOf, type CatalogEntry } from "../repository/index.ts";
import type { CommandCounts } from "./command-counts.ts";
import { jobTraits } from "./job-table.ts";
import type { CountingSink } from "./line-counts.ts";
import type { ProcessMonitor } from "./process-facts.ts";
import { endOf, recoveryWindow } from "./recovery-window.ts";
import type { SupervisedServer } from "./server.ts";
import { jobSummary, problemsOf, type StatusSources } from "./status.ts";
import type { TreeSizes } from "./tree-sizes.ts";

export interface MetricsSources {
  readonly servers: readonly SupervisedServer[];
  readonly status: StatusSources;
  readonly lines: Pick<CountingSink, "lines" | "linesSinceReset" | "errors">;
  readonly commands: Pick<CommandCounts, "commands" | "operations">;
  readonly processes: Pick<ProcessMonitor, "facts">;
  readonly trees: TreeSizes;
  readonly started: number;
  readonly certificates: () => DaemonFacts["certificates"];
  readonly scrapes: () => DaemonFacts["scrapes"];
}

export function daemonFacts(sources: MetricsSources): DaemonFacts {
  const { servers, status, lines, commands, processes, started } = sources;
  const main = status.main();
  const used = servers.reduce((sum, server) => {
    const { backupBytes, walBytes } = server.state();
    return sum + backupBytes + walBytes;
  }, 0);
  return {
    now: status.now(),
    version: status.version,
    nodeVersion: process.versions.node,
    started,
    fips: getFips() === 1,
    compression: configuredCompression(main),
    retention: retentionFacts(main.retention),
    lines: lines.lines,
    linesSinceReset: lines.linesSinceReset,
    errors: lines.errors,
    commands: commands.commands(),
    repository: {
      used,
      ...status.space.of(main.baseDir),
      fullInMs: status.space.fullInMs(main.baseDir),
      bytesPerHour: status.space.bytesPerHour(main.baseDir),
    },
    processes: processes.facts,
    certificates: sources.certificates(),
    scrapes: sources.scrapes(),
    servers: servers.map((server) => serverFacts(server, sources)),
  };
}

function configuredCompression({ compression: { method, where } }: MainOptions): number {
  return compressionCode({ compression: method, compressedBy: where });
}

/** As pgmoneta has it: zeros where the policy says nothing. */
function retentionFacts(choice: RetentionChoice): RetentionFacts {
  if (choice.kind === "calendar") {
    const { days = 0, weeks = 0, months = 0, years = 0 } = choice;
    return { days, weeks, months, years };
  }
  return { days: choice.kind === "window" ? Math.ceil(choice.seconds / 86_400) : 0, weeks: 0, months: 0, years: 0 };
}

function serverFacts(server: SupervisedServer, sources: MetricsSources): ServerFacts {
  const { status, commands, trees } = sources;
  const { name, online, options, drills, timelines, extensions, jobCounts } = server;
  const { space } = status;
  const state = server.state();
  const entries = status.entries(name);
  const problems = problemsOf(server, state, status).map(({ code }) => code);
  const proven = newestProven(drills)?.moment;
  const newest = newestBackup(entries);
  return {
    name,
    online,
    following: server.follow !== undefined && server.follow.since === undefined,
    valid: online && state.serverVersion > 0 && server.problem === undefined && state.error === "",
    workers: options.workers,
    retention: retentionFacts(options.retention),
    state,
    entries,
    newest,
    drill: drills.at(-1),
    provenMoment: proven ?? undefined,
    problems,
    jobs: status.activeJobs(name).map((job): JobFacts => {
      const { phase, doneBytes, totalBytes, elapsedMs } = jobSummary(job, status);
      const { visible } = jobTraits[job.command];
      return { command: job.command, waiting: job.state === "waiting", visible, phase: phase === "none" ? "" : phase, done: Number(doneBytes), total: Number(totalBytes), elapsedMs };
    }),
    ended: jobCounts.ended(),
    operations: commands.operations(name),
    walShipping: options.walShipping === undefined ? undefined : { used: trees.of(options.walShipping), ...space.of(options.walShipping) },
    workspace: { used: trees.of(options.workspace), ...space.of(options.workspace) },
    hotStandby: standbyFacts(server, sources),
    timelines,
    extensions,
    window: windowFacts(server, entries, newest),
    lastArchived: server.lastArchived,
    unarchived: server.unarchived,
    stages: {
      ...jobCounts.stages(),
      wal_received: state.receivedBytes,
      wal_archived: state.archivedSegments * state.walSegmentSize,
      wal_stored: state.archivedBytes,
    },
    removed: jobCounts.removed(),
  };
}

function newestBackup(entries: readonly CatalogEntry[]): NewestBackupFacts | undefined {
  const info = entries.findLast(({ state }) => state === "valid")?.info;
  if (info === undefined) return undefined;
  const { label, elapsed, restoredBytes, storedBytes } = info;
  return { label, began: startTimeOf(info), ended: endOf(info), elapsed, restoredBytes, storedBytes };
}

/** The directories that a server has besides those of the repository. */
export function standbyDirectories({ options }: Pick<SupervisedServer, "options">): readonly string[] {
  return options.hotStandby ?? [];
}

function standbyFacts(server: SupervisedServer, { status: { space } }: MetricsSources): PlaceFacts | undefined {
  if (server.hotStandby === undefined) return undefined;
  const rooms = standbyDirectories(server).map((directory) => space.of(directory));
  return {
    used: server.hotStandby.size,
    free: rooms.reduce((sum, { free }) => sum + free, 0),
    total: rooms.reduce((sum, { total }) => sum + total, 0),
  };
}

function windowFacts(server: SupervisedServer, entries: readonly CatalogEntry[], newest: NewestBackupFacts | undefined): WindowFacts {
  const { from } = recoveryWindow(server, entries);
  if (from === undefined) return { start: undefined, end: undefined };
  const start = endOf(from);
  // What the server had when a backup began is in it, whatever is known of the stream.
  const end = Math.max(server.state().coveredTime, newest?.began ?? 0);
  return { start, end: end < start ? undefined : end };
}
