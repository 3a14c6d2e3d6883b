import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cronProblem, nextRuns, planRuns, type Schedule } from "../../../src/schedule/index.ts";

const at = (text: string): number => Date.parse(text);
const hour = 3_600_000;
const day = 24 * hour;

function scheduleOf(cron: string, more: Partial<Schedule> = {}): Schedule {
  return { cron, zone: "UTC", jitterMs: 0, blackouts: [], missed: "run", seed: "primary backup", ...more };
}

/** What a daemon does that looks again at each of these times: moments that ran, and moments that were skipped. */
function live(schedule: Schedule, looks: readonly number[], since = looks[0] ?? 0) {
  let handled = since;
  const ran: number[] = [];
  const skipped: (readonly [number, string])[] = [];
  for (const now of looks) {
    const { due, handledUntil } = planRuns(schedule, handled, now);
    handled = due?.moment ?? handledUntil;
    if (due?.skip === undefined) ran.push(...(due === undefined ? [] : [due.moment]));
    else skipped.push([due.moment, due.skip]);
  }
  return { ran, skipped };
}
const every = (from: number, to: number, step: number): number[] =>
  Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, index) => from + index * step);
const iso = (times: readonly number[]): string[] => times.map((time) => new Date(time).toISOString());

describe("what is due", () => {
  it("runs once at its moment, however often one looks", () => {
    const looks = every(at("2026-11-29T00:00:00Z"), at("2026-12-01T12:00:00Z"), 60_000);
    const { ran, skipped } = live(scheduleOf("15 2 * * *"), looks);
    expect(iso(ran)).toEqual(["2026-11-29T02:15:00.000Z", "2026-11-30T02:15:00.000Z", "2026-12-01T02:15:00.000Z"]);
    expect(skipped).toEqual([]);
  });

  it("begins at no schedule's past, and names what comes next", () => {
    const now = at("2026-11-30T12:00:00Z");
    const plan = planRuns(scheduleOf("0 3 * * *"), now, now);
    expect(plan.due).toBeUndefined();
    expect(plan.next).toEqual({ moment: at("2026-12-01T03:00:00Z"), at: at("2026-12-01T03:00:00Z") });
  });

  it.each([
    // 02:30 does not exist on the first day and comes twice on the second (Europe/Berlin).
    ["2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z", ["2026-03-29T01:00:00.000Z", "2026-03-30T00:30:00.000Z"]],
    ["2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z", ["2026-10-25T00:30:00.000Z", "2026-10-26T01:30:00.000Z"]],
  ])("comes once a day when the clocks change between %s and %s", (from, to, moments) => {
    const schedule = scheduleOf("30 2 * * *", { zone: "Europe/Berlin" });
    expect(iso(live(schedule, every(at(from), at(to), 60_000)).ran)).toEqual(moments);
  });

  it("comes every hour of the day on which an hour comes twice", () => {
    const schedule = scheduleOf("0 * * * *", { zone: "Europe/Berlin" });
    const { ran } = live(schedule, every(at("2026-10-24T22:00:00Z"), at("2026-10-25T23:00:00Z"), 60_000));
    expect(ran).toHaveLength(25);
  });
});

describe("a run that was missed", () => {
  const schedule = scheduleOf("0 3 * * *");
  const before = at("2026-11-28T12:00:00Z");
  const start = at("2026-11-30T12:00:00Z");

  it("is made once at the start, whatever number there were", () => {
    const { ran } = live(schedule, every(start, start + hour, 60_000), before);
    expect(iso(ran)).toEqual(["2026-11-30T03:00:00.000Z"]);
    expect(planRuns(schedule, before, start).due?.late).toBe(true);
  });

  it("is left out when that is wanted, and says so", () => {
    const { ran, skipped } = live({ ...schedule, missed: "skip" }, every(start, start + day, 60_000), before);
    expect(iso(ran)).toEqual(["2026-12-01T03:00:00.000Z"]);
    expect(skipped).toEqual([[at("2026-11-30T03:00:00Z"), "missed"]]);
  });

  it("is none when the machine was only busy", () => {
    const late = planRuns({ ...schedule, missed: "skip" }, before, at("2026-11-30T03:00:45Z"));
    expect(late.due).toMatchObject({ skip: undefined, late: false });
  });
});

describe("a clock that jumps", () => {
  const schedule = scheduleOf("0 3 * * *");

  it("back by an hour neither doubles nor loses a run", () => {
    const jump = at("2026-11-30T03:20:00Z");
    const looks = [
      ...every(at("2026-11-30T00:00:00Z"), jump, 60_000),
      ...every(jump - hour, at("2026-12-01T12:00:00Z"), 60_000),
    ];
    expect(iso(live(schedule, looks).ran)).toEqual(["2026-11-30T03:00:00.000Z", "2026-12-01T03:00:00.000Z"]);
  });

  it("forward by a day makes the run of that day, once", () => {
    const jump = at("2026-11-30T12:00:00Z");
    const looks = [
      ...every(at("2026-11-30T00:00:00Z"), jump, 60_000),
      ...every(jump + day, at("2026-12-02T12:00:00Z"), 60_000),
    ];
    expect(iso(live(schedule, looks).ran)).toEqual([
      "2026-11-30T03:00:00.000Z",
      "2026-12-01T03:00:00.000Z",
      "2026-12-02T03:00:00.000Z",
    ]);
  });

  it("far into the future and back again stops nothing for longer than to the next moment", () => {
    const looks = [
      at("2026-11-30T12:00:00Z"),
      at("2031-11-30T12:00:00Z"),
      ...every(at("2026-11-30T12:01:00Z"), at("2026-12-01T12:00:00Z"), 60_000),
    ];
    expect(iso(live(schedule, looks).ran)).toEqual(["2031-11-30T03:00:00.000Z", "2026-12-01T03:00:00.000Z"]);
  });

  it("anywhere by up to an hour, at any time, never runs a moment twice and never leaves one out", () => {
    const from = at("2026-11-30T00:00:00Z");
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -60, max: 60 }), { maxLength: 20 }), (jumps) => {
        const looks: number[] = [];
        let now = from;
        for (const minutes of jumps) {
          looks.push(...every(now, now + 2 * hour, 300_000));
          now += 2 * hour + minutes * 60_000;
        }
        looks.push(...every(now, now + 2 * hour, 300_000));
        const { ran } = live(scheduleOf("10 */3 * * *"), looks, from);
        const wanted = every(from + 600_000, Math.max(...looks), 3 * hour);
        // Several that a jump passes over are one run.
        expect(new Set(ran).size).toBe(ran.length);
        expect(ran).toEqual(wanted.filter((moment) => ran.includes(moment)));
        expect(ran.at(-1)).toBe(wanted.at(-1));
        expect(ran).toHaveLength(wanted.length);
      }),
      { numRuns: 25 },
    );
  });
});

describe("jitter", () => {
  const schedule = scheduleOf("0 * * * *", { jitterMs: 20 * 60_000 });

  it("begins later than the moment, always the same for one server, differently for others", () => {
    const now = at("2026-11-30T00:00:01Z");
    const runs = nextRuns(schedule, now, now, 24);
    for (const { moment, at: begin } of runs) {
      expect(begin - moment).toBeGreaterThanOrEqual(0);
      expect(begin - moment).toBeLessThan(20 * 60_000);
    }
    expect(nextRuns(schedule, now, now, 24)).toEqual(runs);
    expect(nextRuns({ ...schedule, seed: "other backup" }, now, now, 24)).not.toEqual(runs);
    expect(new Set(runs.map((run) => run.at - run.moment)).size).toBeGreaterThan(12);
  });

  it("keeps runs in their order and leaves none out, also when it is longer than the distance", () => {
    const often = scheduleOf("*/5 * * * *", { jitterMs: day });
    const from = at("2026-11-30T00:00:00Z");
    const { ran } = live(often, every(from, from + 3 * hour, 10_000), from);
    expect(ran).toEqual(every(from + 300_000, ran.at(-1) ?? 0, 300_000));
    expect(ran.length).toBeGreaterThanOrEqual(35);
  });
});

describe("a blackout window", () => {
  it("skips what would begin in it, by the clocks of the zone and the day on which it begins", () => {
    // Berlin is an hour ahead of UTC: from 22:00 on Monday to 06:00 on Tuesday there.
    const blackouts = [{ days: [1], from: 22 * 60, to: 6 * 60 }];
    const schedule = scheduleOf("30 */4 * * *", { zone: "Europe/Berlin", blackouts });
    const { ran, skipped } = live(schedule, every(at("2026-11-30T19:00:00Z"), at("2026-12-01T08:00:00Z"), 60_000));
    expect(iso(ran)).toEqual(["2026-11-30T19:30:00.000Z", "2026-12-01T07:30:00.000Z"]);
    expect(skipped.map(([moment, why]) => [new Date(moment).toISOString(), why])).toEqual([
      ["2026-11-30T23:30:00.000Z", "blackout"],
      ["2026-12-01T03:30:00.000Z", "blackout"],
    ]);
    const next = nextRuns(schedule, at("2026-11-30T20:00:00Z"), at("2026-11-30T20:00:00Z"), 3);
    expect(next.map(({ skip }) => skip)).toEqual(["blackout", "blackout", undefined]);
  });

  it("holds for a run that was missed as well", () => {
    const schedule = scheduleOf("0 3 * * *", {
      blackouts: [{ days: [0, 1, 2, 3, 4, 5, 6], from: 8 * 60, to: 18 * 60 }],
    });
    const { ran, skipped } = live(schedule, [at("2026-11-30T12:00:00Z")], at("2026-11-29T12:00:00Z"));
    expect(ran).toEqual([]);
    expect(skipped).toEqual([[at("2026-11-30T03:00:00Z"), "blackout"]]);
  });
});

it.each([
  ["15 2 * * *", undefined],
  ["*/10 * * * * *", undefined],
  ["@daily", undefined],
  ["0 0 L * *", undefined],
  ["61 * * * *", /minute/],
  ["* * *", /five fields/],
  ["", /five fields/],
  ["0 0 31 2 *", /comes due/],
  ["2026-01-01T00:00:00", /five fields/],
])("the expression %j", (text, problem) => {
  const found = cronProblem(text);
  if (problem === undefined) expect(found).toBeUndefined();
  else expect(found).toMatch(problem);
});
