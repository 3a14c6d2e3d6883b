/**
 * When something runs by itself: a pure function of the schedule, of what was handled already, and of the time. Every
 * moment of the expression is handled once, whatever the clock does: it runs, or is skipped with a reason.
 */
import { createHash } from "node:crypto";
import { blackoutAt, type BlackoutWindow } from "./blackout.ts";
import { momentsUntil, nextMoment } from "./cron.ts";

export interface Schedule {
  readonly cron: string;
  /** IANA name of the time zone that the expression and the windows are in. */
  readonly zone: string;
  /** A run begins up to so many milliseconds after its moment, always the same for one moment and one `seed`. */
  readonly jitterMs: number;
  readonly blackouts: readonly BlackoutWindow[];
  /** What becomes of a moment that passed while nothing could run: one run as soon as possible, or none. */
  readonly missed: "run" | "skip";
  /** Sets one schedule apart from others with the same expression. */
  readonly seed: string;
}

/** A moment of the expression, and when its run begins. */
export interface PlannedRun {
  readonly moment: number;
  readonly at: number;
}

export interface DueRun extends PlannedRun {
  /** Undefined for one that is to run. */
  readonly skip: "missed" | "blackout" | undefined;
  /** It comes later than a busy machine explains. */
  readonly late: boolean;
}

export interface Plan {
  /** What is due now; its moment is to be recorded as handled, together with all before it. */
  readonly due: DueRun | undefined;
  /** What comes after that. */
  readonly next: PlannedRun | undefined;
  /** Moments up to here are handled, `due` not counted. Differs from what was given after the clock was set back. */
  readonly handledUntil: number;
}

/** A run that begins within this after its time is in time, milliseconds. */
export const graceMs = 60_000;
/** A clock that was set back by more than this had been wrong: what was handled in that future counts no more. */
export const longestSetBackMs = 2 * 3_600_000;

/** What is due and what comes next. Times are milliseconds since 1970; `handledUntil` is the last handled moment. */
export function planRuns(schedule: Schedule, handledUntil: number, now: number): Plan {
  const handled = handledUntil > now + longestSetBackMs + schedule.jitterMs ? now : handledUntil;
  const first = firstAfter(schedule, handled);
  if (first === undefined || first.at > now) return { due: undefined, next: first, handledUntil: handled };
  const due = dueRun(schedule, handled, now);
  return { due, next: firstAfter(schedule, due?.moment ?? handled), handledUntil: handled };
}

/** The next runs, at most `count`, with those that a blackout window will skip marked. */
export function nextRuns(
  schedule: Schedule,
  handledUntil: number,
  now: number,
  count: number,
): readonly (PlannedRun & { readonly skip: "blackout" | undefined })[] {
  const runs: (PlannedRun & { skip: "blackout" | undefined })[] = [];
  let after = planRuns(schedule, handledUntil, now).due?.moment ?? Math.max(handledUntil, 0);
  if (after > now + longestSetBackMs + schedule.jitterMs) after = now;
  while (runs.length < count) {
    const run = firstAfter(schedule, after);
    if (run === undefined) break;
    runs.push({
      ...run,
      skip: blackoutAt(schedule.blackouts, schedule.zone, run.at) === undefined ? undefined : "blackout",
    });
    after = run.moment;
  }
  return runs;
}

function firstAfter(schedule: Schedule, after: number): PlannedRun | undefined {
  const moment = nextMoment(schedule.cron, schedule.zone, after);
  return moment === undefined ? undefined : { moment, at: moment + offsetOf(schedule, moment) };
}

/** The latest of those that have come: earlier ones that nobody handled are missed together with it. */
function dueRun(schedule: Schedule, handled: number, now: number): DueRun | undefined {
  const { blackouts, cron, missed, zone } = schedule;
  const moment = momentsUntil(cron, zone, now, 2).find((one) => one + offsetOf(schedule, one) <= now);
  if (moment === undefined || moment <= handled) return undefined;
  const at = moment + offsetOf(schedule, moment);
  const late = now - at > graceMs;
  if (late && missed === "skip") return { moment, at, late, skip: "missed" };
  return { moment, at, late, skip: blackoutAt(blackouts, zone, now) === undefined ? undefined : "blackout" };
}

/** Never as much as the distance to the next moment, so that runs keep their order. */
function offsetOf({ cron, jitterMs, seed, zone }: Schedule, moment: number): number {
  if (jitterMs === 0) return 0;
  const distance = (nextMoment(cron, zone, moment) ?? Infinity) - moment;
  const share = createHash("sha256").update(`${seed} ${moment}`).digest().readUInt32BE(0) / 2 ** 32;
  return Math.floor((share * Math.min(jitterMs, distance - 1000)) / 1000) * 1000;
}

/** The longest time between two of the next runs; undefined when there are no two. */
export function longestDistance(schedule: Schedule, now: number): number | undefined {
  let longest: number | undefined;
  let before = nextMoment(schedule.cron, schedule.zone, now);
  for (let count = 0; before !== undefined && count < 10; count += 1) {
    const next = nextMoment(schedule.cron, schedule.zone, before);
    if (next !== undefined) longest = Math.max(longest ?? 0, next - before);
    before = next;
  }
  return longest;
}
