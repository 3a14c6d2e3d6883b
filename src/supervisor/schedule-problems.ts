/** What is wrong with what should run by itself: nothing new for too long, or the last run failed. */
import { formatDuration, type ErrorSpec } from "../common/index.ts";
import { drillErrors } from "../drill/index.ts";
import type { ProblemSummary } from "../management/index.ts";
import { scheduledKinds, type CatalogEntry, type ScheduleRecord } from "../repository/index.ts";
import { longestDistance } from "../schedule/index.ts";
import { supervisorErrors } from "./errors.ts";
import { scheduleOf } from "./scheduler.ts";
import type { SupervisedServer } from "./server.ts";

export type WatchedServer = Pick<SupervisedServer, "name" | "options" | "drills" | "schedules">;

const advice = ({ code, hint }: ErrorSpec): Pick<ErrorSpec, "code" | "hint"> => ({ code, hint });

/** When the newest valid backup ended, milliseconds since 1970. */
const newestBackup = (entries: readonly CatalogEntry[]): number | undefined =>
  entries
    .filter(({ state }) => state === "valid")
    .flatMap(({ info }) => info?.own?.endTime ?? [])
    .sort((a, b) => b - a)[0];

/** Milliseconds after which the newest backup is too old; undefined for never. */
export function oldestAllowed(server: WatchedServer, now: number): number | undefined {
  if (server.options.backupMaxAge > 0) return server.options.backupMaxAge * 1000;
  const schedule = scheduleOf("backup", server);
  const distance = schedule === undefined ? undefined : longestDistance(schedule, now);
  return distance === undefined ? undefined : 2 * distance;
}

/** Why there is nothing newer, as far as it is known. */
function reasonOf({ last, skipped }: Partial<ScheduleRecord>): string {
  const failed = last?.outcome === "failed" || last?.outcome === "cancelled" ? last : undefined;
  if (skipped !== null && skipped !== undefined && (failed === undefined || skipped.at >= (failed.ended ?? 0))) {
    return `; the one due at ${new Date(skipped.moment).toISOString()} was skipped: ${skipped.reason}`;
  }
  if (failed === undefined) return "";
  return `; the one due at ${new Date(failed.moment).toISOString()} ${failed.outcome === "failed" ? "failed" : "was cancelled"}${failed.message === null ? "" : `: ${failed.message}`}`;
}

/** The alarm of a backup that should have been taken long ago. */
export function backupOverdue(
  server: WatchedServer,
  entries: readonly CatalogEntry[],
  now: number,
): ProblemSummary | undefined {
  const allowed = oldestAllowed(server, now);
  if (allowed === undefined) return undefined;
  const newest = newestBackup(entries);
  const record = server.schedules.backup;
  // Without any backup the schedule itself says since when there should be one.
  const since = newest ?? record?.since;
  if (since !== undefined && now - since <= allowed) return undefined;
  const what =
    newest === undefined
      ? "there is no valid backup"
      : `the newest valid backup is ${formatDuration(now - newest)} old`;
  const limit = server.options.backupMaxAge > 0 ? "backup_max_age is" : "two runs of the schedule are";
  return {
    ...advice(supervisorErrors.backupOverdue.spec),
    message: `${what}, ${limit} ${formatDuration(allowed)}${reasonOf(record ?? {})}`,
  };
}

/** The same as a list. */
export function overdueProblems(server: WatchedServer, entries: readonly CatalogEntry[], now: number): ProblemSummary[] {
  const overdue = backupOverdue(server, entries, now);
  return overdue === undefined ? [] : [overdue];
}

/** The alarm of a drill that proved the opposite. */
export function drillProblems({ drills }: Pick<WatchedServer, "drills">): ProblemSummary[] {
  const drilled = drills.at(-1);
  if (drilled?.outcome !== "failed") return [];
  const what = drilled.label === null ? "the last drill" : `the last drill, of backup ${drilled.label},`;
  return [{ ...advice(drillErrors.failed.spec), message: `${what} failed: ${drilled.reason ?? "see its report"}` }];
}

/** Runs of the schedule that failed, and that nothing has put right since. */
export function scheduleProblems(server: WatchedServer, entries: readonly CatalogEntry[]): ProblemSummary[] {
  const problems: ProblemSummary[] = [];
  for (const kind of scheduledKinds) {
    const record = server.schedules[kind];
    // What ran by a schedule that there is no more is nobody's trouble.
    const last = record?.expression === "" ? undefined : record?.last;
    if (last?.outcome !== "failed" || last.ended === null) continue;
    // What came after it by hand puts it right; a drill that failed for the backup's sake is told above.
    const newer = kind === "backup" ? newestBackup(entries) : server.drills.at(-1)?.ended;
    if (newer !== undefined && newer >= last.started) continue;
    const due = new Date(last.moment).toISOString();
    problems.push({
      ...advice(supervisorErrors.scheduledRunFailed.spec),
      message: `the scheduled ${kind} due at ${due} failed${last.message === null ? "" : `: ${last.message}`}`,
    });
  }
  return problems;
}
