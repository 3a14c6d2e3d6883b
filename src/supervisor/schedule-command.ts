/** `schedule`: what runs by itself, when next, and what became of the last time. */
import { formatDuration } from "../common/index.ts";
import {
  managementErrors,
  scheduleResponse,
  type ManagementRequest,
  type ResponseResult,
  type ScheduleSummary,
} from "../management/index.ts";
import type { MainOptions } from "../config/index.ts";
import { scheduledKinds, type CatalogEntry } from "../repository/index.ts";
import { nextRuns } from "../schedule/index.ts";
import { scheduleOf, type ScheduledServer } from "./scheduler.ts";
import { nextVerification } from "./verification-schedule.ts";

/** So many of the next runs are told. */
const shown = 3;

/** Something that runs at intervals and not at times of a calendar. */
export interface IntervalRun {
  readonly kind: string;
  /** Seconds. */
  readonly every: number;
  /** Milliseconds since 1970. */
  readonly next: number;
}

/** Verification and retention of a server; the first only where it runs by itself, and has something to read. */
export function intervalsOf(
  entries: readonly CatalogEntry[],
  main: Pick<MainOptions, "verification" | "verificationRate" | "retentionInterval">,
  nextRetention: number,
  now: number,
): IntervalRun[] {
  const { retentionInterval, verification, verificationRate } = main;
  const plan = { periodMs: verification * 1000, rateBytes: verificationRate };
  const due = verification === 0 ? undefined : nextVerification(entries, plan);
  return [
    ...(due === undefined ? [] : [{ kind: "verification", every: verification, next: Math.max(now, due.due) }]),
    { kind: "retention", every: retentionInterval, next: nextRetention },
  ];
}

export function schedulesOf(
  server: ScheduledServer,
  intervals: readonly IntervalRun[],
  now: number,
): ScheduleSummary[] {
  const byCalendar = scheduledKinds.flatMap((kind): ScheduleSummary[] => {
    const schedule = scheduleOf(kind, server);
    if (schedule === undefined) return [];
    const { handledUntil = now, last = null, skipped = null } = server.schedules[kind] ?? {};
    const next = nextRuns(schedule, handledUntil, now, shown);
    return [
      {
        kind,
        schedule: schedule.cron,
        timeZone: schedule.zone,
        next: next.map(({ at, skip }) => ({ at, ...(skip === undefined ? {} : { skip }) })),
        ...(last === null ? {} : { last }),
        ...(skipped === null ? {} : { skipped }),
      },
    ];
  });
  const byInterval = intervals.map(({ kind, every, next }): ScheduleSummary => ({
    kind,
    schedule: `every ${formatDuration(every * 1000)}`,
    next: [{ at: next }],
  }));
  return [...byCalendar, ...byInterval];
}

export function handleSchedule<Server extends ScheduledServer>(
  request: ManagementRequest,
  servers: readonly Server[],
  intervalsOf: (server: Server) => readonly IntervalRun[],
  now: number,
): ResponseResult {
  const name = request.fields["Server"];
  const chosen = typeof name === "string" ? servers.filter((server) => server.name === name) : servers;
  if (chosen.length === 0 && typeof name === "string") {
    throw managementErrors.serverUnknown(`there is no server ${JSON.stringify(name)}`, { server: name });
  }
  return {
    status: true,
    response: scheduleResponse(
      chosen.map((server) => ({ server: server.name, schedules: schedulesOf(server, intervalsOf(server), now) })),
    ),
  };
}
