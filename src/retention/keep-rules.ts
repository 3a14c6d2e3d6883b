/** The rules of a policy: which of the usable backups of one cluster each of them keeps, and why. Pure. */
import type { BackupInfo } from "../repository/index.ts";
import { startTimeOf } from "../repository/index.ts";
import { dayOf, namePeriod, periodBefore, type Period, type PeriodUnit } from "./calendar.ts";
import { copyOf, endTimeOf, latestStartOf } from "./copies.ts";
import { counted, reachOf, spanOf, type RetentionPolicy } from "./policy.ts";

export type RuleName =
  | "days"
  | "week"
  | "month"
  | "year"
  | "window"
  | "count"
  | "newest"
  | "line"
  | "border"
  | "minimum"
  | "retained"
  | "in-use"
  | "needed";

/** One reason for keeping a backup. */
export interface Mark {
  readonly label: string;
  readonly rule: RuleName;
  /** Completes "it is kept because it is …". */
  readonly text: string;
  /** True where all WAL from this backup on is kept too; else only what makes the backup itself consistent. */
  readonly recovery: boolean;
}

/** What the policy itself keeps of `usable`, which is in order and of one cluster. */
export function policyMarks(usable: readonly BackupInfo[], policy: RetentionPolicy, now: number): Mark[] {
  switch (policy.kind) {
    case "calendar":
      return [
        ...daysMarks(usable, policy.days, now),
        ...periodMarks(usable, "week", policy.weeks ?? 0, now),
        ...periodMarks(usable, "month", policy.months ?? 0, now),
        ...periodMarks(usable, "year", policy.years ?? 0, now),
      ];
    case "window":
      return windowMarks(usable, policy, now);
    case "count":
      return countMarks(usable, policy.copies);
  }
}

/** One that a clock which was slow made old is at least as young as what lies before it in the WAL. */
function daysMarks(usable: readonly BackupInfo[], days: number, now: number): Mark[] {
  const reach = reachOf({ kind: "calendar", days }, now) ?? now;
  const before = latestBefore(usable, latestStartOf, now);
  const span = counted(days, "day");
  return usable.flatMap((info, index): Mark[] => {
    const { label } = info;
    if (latestStartOf(info) > reach) return [{ label, rule: "days", text: `younger than ${span}`, recovery: true }];
    if ((before[index] ?? -Infinity) <= reach) return [];
    return [{ label, rule: "days", text: `behind one in the WAL that is younger than ${span}, though the clock says older`, recovery: true }];
  });
}

/**
 * For each backup the latest time of those before it on its timeline: it is not older than they are. A time that lies in the
 * future was a clock's that was fast, and says nothing of others.
 */
function latestBefore(usable: readonly BackupInfo[], timeOf: (info: BackupInfo) => number, now: number): number[] {
  const latest = new Map<number, number>();
  return usable.map((info) => {
    const known = latest.get(info.startTimeline) ?? -Infinity;
    const time = timeOf(info);
    if (time <= now && time > known) latest.set(info.startTimeline, time);
    return known;
  });
}

/**
 * The last `count` periods. As long as the present one has no backup, those before it are counted: the oldest goes
 * when its successor is there, and not before.
 */
function periodMarks(usable: readonly BackupInfo[], unit: PeriodUnit, count: number, now: number): Mark[] {
  if (count === 0) return [];
  const first = backupOfPeriod(usable, periodBefore(unit, now, 0)) === undefined ? 1 : 0;
  const marks: Mark[] = [];
  for (let back = first; back < first + count; back += 1) {
    const period = periodBefore(unit, now, back);
    const info = backupOfPeriod(usable, period);
    if (info === undefined) continue;
    marks.push({ label: info.label, rule: unit, text: `the backup of ${namePeriod(unit, period)}`, recovery: false });
  }
  return marks;
}

/**
 * The newest backup of the first day of the period, else of the day that is nearest to it. Of the days of a period
 * that is the earliest one with a backup: what a period keeps is settled early, and later backups do not change it.
 */
function backupOfPeriod(usable: readonly BackupInfo[], { start, end }: Period): BackupInfo | undefined {
  const within = usable.filter((info) => startTimeOf(info) >= start && startTimeOf(info) < end);
  const day = Math.min(...within.map((info) => dayOf(startTimeOf(info))));
  return within.filter((info) => dayOf(startTimeOf(info)) === day).at(-1);
}

/**
 * The newest backup that had ended before the window begins, and all after it: every moment of the window has one. A backup
 * that is older by the clock than one before it in the WAL is no such: which of the two clocks was right nobody knows.
 */
function windowMarks(usable: readonly BackupInfo[], policy: RetentionPolicy & { kind: "window" }, now: number): Mark[] {
  const begin = reachOf(policy, now) ?? now;
  const span = spanOf(policy.seconds);
  const before = latestBefore(usable, endTimeOf, now);
  const base = usable.findLastIndex((info, index) => endTimeOf(info) <= begin && endTimeOf(info) >= (before[index] ?? -Infinity));
  return usable.flatMap((info, index): Mark[] => {
    const { label } = info;
    if (index === base) return [{ label, rule: "window", text: `where the window of ${span} begins`, recovery: true }];
    if (endTimeOf(info) > begin) return [{ label, rule: "window", text: `within the window of ${span}`, recovery: true }];
    if (index < base) return [];
    return [{ label, rule: "window", text: "older by the clock than one before it in the WAL: when it was taken is not known", recovery: true }];
  });
}

/** The newest `count` copies: full backups, because an incremental one is no copy of its own. */
export function newestCopies(usable: readonly BackupInfo[], count: number): BackupInfo[] {
  return usable.filter(({ parent }) => parent === undefined).slice(-count);
}

/** The newest copies with the incremental backups that rest on them. */
function countMarks(usable: readonly BackupInfo[], copies: number): Mark[] {
  const newest = new Set(newestCopies(usable, copies).map(({ label }) => label));
  const byLabel = new Map(usable.map((info) => [info.label, info]));
  const text = copies === 1 ? "the newest copy" : `one of the ${copies} newest copies`;
  return usable
    .filter((info) => newest.has(copyOf(info, byLabel)))
    .map(({ label }) => ({ label, rule: "count", text, recovery: true }));
}
