/** E01: 400 days of backups, expired every day, against a reference that was written independently. */
import { describe, expect, it } from "vitest";
import { planRetention, type RetentionPolicy } from "../../../src/retention/index.ts";
import { dayMs, entry } from "./backups.ts";
import { keptByCalendar, type Calendar, type Taken } from "./reference.ts";

const start = Date.UTC(2026, 1, 11, 3);
const days = 400;

/** Whole seconds in ISO 8601. */
const momentOf = (ms: number): string => new Date(ms).toISOString().replace(".000Z", "Z");

/** Pseudo-random numbers in [0, 1): the same in each run (mulberry32). */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** The moments of the backups of each of the days. */
const habits: Readonly<Record<string, (day: number, random: () => number) => readonly number[]>> = {
  "one a day": (day) => [start + day * dayMs],
  "three a day": (day) => [0, 6, 12].map((hour) => start + day * dayMs + hour * 3_600_000),
  "one on Sundays": (day) => (new Date(start + day * dayMs).getUTCDay() === 0 ? [start + day * dayMs] : []),
  "one in eleven days": (day) => (day % 11 === 0 ? [start + day * dayMs] : []),
  "whenever it pleases": (day, random) =>
    random() < 0.4 ? [start + day * dayMs + Math.floor(random() * 23 * 3600) * 1000] : [],
};
const calendars: readonly Calendar[] = [
  { days: 7, weeks: 4, months: 12, years: 5 },
  { days: 7, weeks: 0, months: 0, years: 0 },
  { days: 1, weeks: 4, months: 0, years: 1 },
  { days: 3, weeks: 0, months: 6, years: 2 },
];

describe("400 days", () => {
  it.each(Object.keys(habits).flatMap((habit) => calendars.map((calendar) => [habit, calendar] as const)))(
    "of %s under %o keep what the reference keeps, each day",
    (habit, calendar) => {
      const { weeks, months, years } = calendar;
      const policy: RetentionPolicy = {
        kind: "calendar",
        days: calendar.days,
        ...(weeks === 0 ? {} : { weeks }),
        ...(months === 0 ? {} : { months }),
        ...(years === 0 ? {} : { years }),
      };
      const random = chance(days);
      let ours: ReturnType<typeof entry>[] = [];
      let theirs: Taken[] = [];
      let most = 0;
      for (let day = 0; day < days; day += 1) {
        for (const at of habits[habit]?.(day, random) ?? []) {
          const taken = entry({ at });
          ours.push(taken);
          theirs.push({ label: taken.label, moment: momentOf(at) });
        }
        // At another hour than the backups, or right at one.
        const now = start + day * dayMs + (day % 2 === 0 ? 20 * 3_600_000 : dayMs);
        const kept = planRetention(ours, policy, now, { minimum: 1 }).flatMap(({ keep, label }) =>
          keep ? [label] : [],
        );
        const expected = keptByCalendar(theirs, calendar, momentOf(now));
        if (kept.join() !== [...expected].sort().join()) expect(kept, momentOf(now)).toEqual([...expected].sort());
        ours = ours.filter(({ label }) => expected.has(label));
        theirs = theirs.filter(({ label }) => expected.has(label));
        most = Math.max(most, ours.length);
      }
      // What is kept is bounded by the policy, however long it goes on.
      expect(most).toBeLessThanOrEqual(calendar.days * 3 + 3 + weeks + months + years + 1);
    },
  );

  it("of one backup a day leave the Mondays, the first days of months and that of the year", () => {
    const policy: RetentionPolicy = { kind: "calendar", days: 7, weeks: 4, months: 12, years: 5 };
    let backups: ReturnType<typeof entry>[] = [];
    const last = Date.UTC(2027, 2, 17, 4);
    for (let at = start; at <= last; at += dayMs) {
      backups.push(entry({ at }));
      backups = planRetention(backups, policy, at + 3_600_000, { minimum: 1 }).flatMap((one) =>
        one.keep ? [one.entry] : [],
      );
    }
    expect(backups.map(({ label }) => label.slice(0, 8))).toEqual([
      // The first of 2026, and of its February with the rule of the nearest day.
      "20260211",
      ...["04", "05", "06", "07", "08", "09", "10", "11", "12"].map((month) => `2026${month}01`),
      "20270101",
      "20270201",
      "20270222",
      "20270301",
      "20270308",
      ...["11", "12", "13", "14", "15", "16", "17"].map((day) => `202703${day}`),
    ]);
  });
});
