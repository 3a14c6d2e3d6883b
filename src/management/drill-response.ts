/** Answers of the commands about drills and schedules, which are ours alone. Times are ISO 8601 in UTC. */
import { decimal } from "./json.ts";
import type { JsonObject } from "./json.ts";
import type { ServerIdentity, Warnings } from "./summaries.ts";

/** What a drill proved. Durations are milliseconds. */
export interface DrillSummary {
  readonly label: string;
  readonly target: string;
  /** The last moment that the drilled server had, milliseconds since 1970. */
  readonly moment: number;
  readonly lsn: string | null;
  readonly restoreMs: number;
  readonly replayMs: number;
  readonly totalMs: number;
  readonly checks: readonly { readonly name: string; readonly outcome: string }[];
  /** Paths of the reports. */
  readonly page: string;
  readonly report: string;
  readonly warnings: Warnings;
}

const seconds = (ms: number) => decimal(ms / 1000);
const iso = (ms: number): string => new Date(ms).toISOString();

/** `drill`, when the backup is proven. */
export function drillResponse(server: ServerIdentity, drill: DrillSummary): JsonObject {
  return {
    Server: server.server,
    MajorVersion: server.majorVersion,
    MinorVersion: server.minorVersion,
    Backup: drill.label,
    Target: drill.target,
    ProvenMoment: iso(drill.moment),
    ProvenLSN: drill.lsn,
    RestoreSeconds: seconds(drill.restoreMs),
    ReplaySeconds: seconds(drill.replayMs),
    RecoverSeconds: seconds(drill.restoreMs + drill.replayMs),
    Elapsed: seconds(drill.totalMs),
    Checks: drill.checks.map(({ name, outcome }) => ({ Name: name, Outcome: outcome })),
    Page: drill.page,
    Report: drill.report,
    Warnings: drill.warnings,
  };
}

/** One thing that runs by itself. */
export interface ScheduleSummary {
  readonly kind: string;
  /** The cron expression, or every so many seconds. */
  readonly schedule: string;
  /** Of the expression; absent for what runs at intervals. */
  readonly timeZone?: string;
  readonly next: readonly { readonly at: number; readonly skip?: string }[];
  readonly last?: { readonly moment: number; readonly outcome: string; readonly message: string | null };
  readonly skipped?: { readonly moment: number; readonly reason: string };
}

/** `schedule`: what runs by itself for each server, and what became of the last time. */
export function scheduleResponse(
  servers: readonly { readonly server: string; readonly schedules: readonly ScheduleSummary[] }[],
): JsonObject {
  return {
    Servers: servers.map(({ server, schedules }) => ({
      Server: server,
      Schedules: schedules.map(({ kind, last, next, schedule, skipped, timeZone }) => ({
        Kind: kind,
        Schedule: schedule,
        ...(timeZone === undefined ? {} : { TimeZone: timeZone }),
        Next: next.map(({ at, skip }) => ({ Time: iso(at), ...(skip === undefined ? {} : { Skip: skip }) })),
        ...(last === undefined
          ? {}
          : { Last: { Time: iso(last.moment), Outcome: last.outcome, Message: last.message } }),
        ...(skipped === undefined ? {} : { Skipped: { Time: iso(skipped.moment), Reason: skipped.reason } }),
      })),
    })),
  };
}
