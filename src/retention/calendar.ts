/**
 * Days, weeks, months and years as the retention counts them: in UTC, whatever the time zone of the machine, so that
 * every machine that reads a repository comes to the same answer. A week begins on Monday (ISO 8601), a month on its
 * first day, a year on 1 January. Moments are milliseconds since 1970.
 */

export type PeriodUnit = "week" | "month" | "year";

/** From `start` up to, and not including, `end`. */
export interface Period {
  readonly start: number;
  readonly end: number;
}

const dayMs = 86_400_000;
/** 1970-01-01 was a Thursday. */
const mondayOffsetDays = 3;

/** Number of the day since 1970. */
export function dayOf(time: number): number {
  return Math.floor(time / dayMs);
}

/** The period that lies `back` periods before the one that holds `time`; 0 is that one. */
export function periodBefore(unit: PeriodUnit, time: number, back: number): Period {
  if (unit === "week") {
    const week = Math.floor((dayOf(time) + mondayOffsetDays) / 7) - back;
    const start = (week * 7 - mondayOffsetDays) * dayMs;
    return { start, end: start + 7 * dayMs };
  }
  const date = new Date(time);
  const months = date.getUTCFullYear() * 12 + date.getUTCMonth();
  const [first, length] = unit === "month" ? [months - back, 1] : [(date.getUTCFullYear() - back) * 12, 12];
  const monthStart = (month: number): number => Date.UTC(Math.floor(month / 12), ((month % 12) + 12) % 12, 1);
  return { start: monthStart(first), end: monthStart(first + length) };
}

/** `the week of 2026-11-16`, `2026-11`, `2026`. */
export function namePeriod(unit: PeriodUnit, { start }: Period): string {
  const date = new Date(start).toISOString();
  return unit === "week" ? `the week of ${date.slice(0, 10)}` : date.slice(0, unit === "month" ? 7 : 4);
}
