/** What stays and what goes, and the reasons that are given: rule by rule. */
import { describe, expect, it } from "vitest";
import type { CatalogEntry } from "../../../src/repository/index.ts";
import { planRetention, type RetentionFacts, type RetentionPolicy } from "../../../src/retention/index.ts";
import { dayMs, entry, type Wish } from "./backups.ts";

const now = Date.UTC(2026, 10, 20, 12);
const week: RetentionPolicy = { kind: "calendar", days: 7 };

/** A backup so many days before now. */
const aged = (days: number, wish: Omit<Wish, "at"> = {}): CatalogEntry => entry({ at: now - days * dayMs, ...wish });

function decide(entries: readonly CatalogEntry[], policy: RetentionPolicy, facts: Partial<RetentionFacts> = {}) {
  const plan = planRetention(entries, policy, now, { minimum: 1, ...facts });
  return new Map(plan.map((decision) => [decision.label, decision]));
}
const going = (decisions: ReturnType<typeof decide>): string[] =>
  [...decisions.values()].flatMap(({ keep, label }) => (keep ? [] : [label]));
const labels = (entries: readonly CatalogEntry[]): string[] => entries.map(({ label }) => label);

describe("the plan", () => {
  it("keeps the days of a calendar and says why the others go", () => {
    const entries = [aged(9), aged(7), aged(6.99), aged(1)];
    const decisions = decide(entries, week);
    expect(going(decisions)).toEqual(labels(entries.slice(0, 2)));
    expect([...decisions.values()].map(({ reason }) => reason)).toEqual([
      "older than 7 days",
      "older than 7 days",
      "younger than 7 days",
      "younger than 7 days; the newest valid one",
    ]);
    const more = decide(entries, { kind: "calendar", days: 7, weeks: 1, years: 1 });
    expect(more.get(entries[1]?.label ?? "")?.reason).toBe(
      "older than 7 days, and none of the 1 weekly, 1 yearly ones",
    );
    expect(more.get(entries[0]?.label ?? "")?.reason).toBe("the backup of 2026");
  });

  it("keeps, beside the newest, the newest of which no drill failed (F04)", () => {
    const entries = [aged(4), aged(3), aged(2), aged(1)];
    const [, second, third, last] = labels(entries);
    const doubtful = new Set([third ?? "", last ?? ""]);
    const decisions = decide(entries, { kind: "count", copies: 1 }, { doubtful });
    expect(going(decisions)).toEqual([entries[0]?.label, third]);
    expect(decisions.get(second ?? "")).toMatchObject({ reason: "the newest one of which no drill failed", recovery: true });
    expect(going(decide(entries, { kind: "count", copies: 1 }, { doubtful: new Set(labels(entries)) }))).toHaveLength(3);
    expect(going(decide(entries, { kind: "count", copies: 1 }, { doubtful: new Set([third ?? ""]) }))).toHaveLength(3);
  });

  it("takes the newest of the first day of a period, else of the nearest day", () => {
    const monday = (hour: number): CatalogEntry => entry({ at: Date.UTC(2026, 10, 9, hour) });
    const entries = [monday(1), monday(20), entry({ at: Date.UTC(2026, 10, 11, 3) }), aged(0.1)];
    const decisions = decide(entries, { kind: "calendar", days: 1, weeks: 2 });
    expect(going(decisions)).toEqual([entries[0]?.label, entries[2]?.label]);
    expect(decisions.get(entries[1]?.label ?? "")?.reason).toBe("the backup of the week of 2026-11-09");
    const later = [entry({ at: Date.UTC(2026, 10, 11, 3) }), entry({ at: Date.UTC(2026, 10, 12, 3) }), aged(0.1)];
    expect(going(decide(later, { kind: "calendar", days: 1, weeks: 2 }))).toEqual([later[1]?.label]);
  });

  it("lets the oldest period go only when the present one has a backup", () => {
    const entries = [-3, -2, -1].map((weeks) => entry({ at: Date.UTC(2026, 10, 18 + weeks * 7, 3) }));
    const policy: RetentionPolicy = { kind: "calendar", days: 1, weeks: 3 };
    expect(going(decide(entries, policy))).toEqual([]);
    expect(going(decide([...entries, entry({ at: Date.UTC(2026, 10, 18, 3) })], policy))).toEqual([entries[0]?.label]);
  });

  it("keeps for a window what was complete before it begins, and everything after", () => {
    const entries = [aged(20), aged(15), aged(13.9999), aged(3)];
    const decisions = decide(entries, { kind: "window", seconds: 14 * 86_400 });
    expect(going(decisions)).toEqual([entries[0]?.label]);
    expect(decisions.get(entries[0]?.label ?? "")?.reason).toBe("a later backup reaches back 14 days");
    expect(decisions.get(entries[1]?.label ?? "")?.reason).toBe("where the window of 14 days begins");
    // It began before the window and ended within it: nothing before its end can be restored from it.
    const across = [aged(15), entry({ at: now - 14 * dayMs - 30_000 }), aged(3)];
    expect(going(decide(across, { kind: "window", seconds: 14 * 86_400 }))).toEqual([]);
  });

  it("believes no clock that makes a backup older than one before it in the WAL", () => {
    const segment = (number: number): Pick<Wish, "segment"> => ({ segment: number });
    // The second one was taken eight days ago, by a clock that was a month behind.
    const entries = [aged(12, segment(10)), aged(40, segment(20)), aged(4, segment(30)), aged(1, segment(40))];
    const decisions = decide(entries, { kind: "window", seconds: 10 * 86_400 });
    expect([...decisions.values()].map(({ keep, reason }) => [keep, reason])).toEqual([
      [true, "where the window of 10 days begins"],
      [true, "older by the clock than one before it in the WAL: when it was taken is not known"],
      [true, "within the window of 10 days"],
      [true, "within the window of 10 days; the newest valid one"],
    ]);
    const young = [aged(12, segment(10)), aged(9, segment(15)), ...entries.slice(1)];
    const days = decide(young, { kind: "calendar", days: 10 });
    expect(going(days)).toEqual([young[0]?.label]);
    expect(days.get(young[2]?.label ?? "")?.reason).toBe("behind one in the WAL that is younger than 10 days, though the clock says older");
    // A clock that was fast makes nothing stay for longer than that backup itself.
    const ahead = [aged(-300, segment(5)), aged(30, segment(10)), aged(20, segment(20)), aged(1, segment(30))];
    expect(going(decide(ahead, { kind: "window", seconds: 10 * 86_400 }))).toEqual([ahead[1]?.label]);
    expect(going(decide(ahead, { kind: "calendar", days: 10 }))).toEqual(labels(ahead.slice(1, 3)));
  });

  it("counts a backup of pgmoneta, whose label is local time, as old only when it is so in every time zone", () => {
    const entries = [aged(11, { foreign: true }), aged(10.2, { foreign: true }), aged(1, { foreign: true })];
    expect(going(decide(entries, { kind: "window", seconds: 10 * 86_400 }))).toEqual([]);
    expect(going(decide(entries, { kind: "calendar", days: 10 }))).toEqual([entries[0]?.label]);
    expect(going(decide([aged(12, { foreign: true }), ...entries], { kind: "window", seconds: 10 * 86_400 }))).toEqual([aged(12).label]);
  });

  it("counts copies: incremental backups are none, and stay with theirs", () => {
    const full = [aged(9), aged(5)];
    const children = [aged(8, { parent: full[0]?.label ?? "" }), aged(4, { parent: full[1]?.label ?? "" })];
    const entries = [full[0], children[0], full[1], children[1]] as CatalogEntry[];
    expect(going(decide(entries, { kind: "count", copies: 1 }))).toEqual([full[0]?.label, children[0]?.label]);
    expect(going(decide(entries, { kind: "count", copies: 2 }))).toEqual([]);
  });

  it("never takes the last valid one, nor one of the least number of copies, whatever fails after them", () => {
    const failed = [5, 4, 3, 2, 1].map((days) => aged(days, { state: "invalid" }));
    const old = [aged(90), aged(60), aged(30)];
    for (const policy of [week, { kind: "count", copies: 1 }, { kind: "window", seconds: 1 }] as const) {
      const decisions = decide([...old, ...failed], policy);
      expect(decisions.get(old[2]?.label ?? "")).toMatchObject({ keep: true, recovery: true });
      expect(going(decide([...old, ...failed], policy, { minimum: 2 }))).not.toContain(old[1]?.label);
      expect(
        going(decide([...old, ...failed], policy, { minimum: 3 })).filter((label) => labels(old).includes(label)),
      ).toEqual([]);
    }
  });

  it("keeps what is retained, in use, or needed by what is kept", () => {
    const entries = [aged(40, { keep: true }), aged(30), aged(20, { parent: aged(30).label }), aged(15), aged(1)];
    const decisions = decide(entries, week, { inUse: new Set([entries[2]?.label ?? ""]) });
    expect(going(decisions)).toEqual([entries[3]?.label]);
    expect([...decisions.values()].slice(0, 3).map(({ reason, rules }) => [reason, rules])).toEqual([
      ["retained", ["retained"]],
      [`needed by ${entries[2]?.label}`, ["needed"]],
      ["in use by a job", ["in-use"]],
    ]);
  });

  it("lets backups that cannot be restored lie as long as others, and those that nobody can read for ever", () => {
    const entries = [
      aged(40, { state: "damaged" }),
      aged(30, { state: "invalid" }),
      aged(3, { state: "invalid" }),
      aged(2),
    ];
    const decisions = decide(entries, week);
    expect(going(decisions)).toEqual([entries[1]?.label]);
    expect(decisions.get(entries[1]?.label ?? "")?.reason).toBe("not valid, and older than 7 days");
    expect(decisions.get(entries[2]?.label ?? "")?.reason).toBe("not valid, but younger than 7 days");
    expect(decisions.get(entries[0]?.label ?? "")?.reason).toMatch(/^not readable \(its backup.info was changed\)/);
    // Without a valid one nothing goes: a broken backup is better than none.
    expect(going(decide(entries.slice(0, 3), week))).toEqual([]);
    const orphan = [aged(30, { parent: "20200101000000" }), aged(1)];
    expect(decide(orphan, week).get(orphan[0]?.label ?? "")).toMatchObject({
      keep: false,
      reason: "not restorable without its parent, and older than 7 days",
    });
  });

  it("treats each cluster by itself: after pg_upgrade or a new initdb positions begin again", () => {
    const old = [
      aged(90, { systemIdentifier: "1", timeline: 7, segment: 90_000 }),
      aged(80, { systemIdentifier: "1", timeline: 7, segment: 91_000 }),
    ];
    const young = [
      aged(20, { systemIdentifier: "2", segment: 2 }),
      aged(10, { systemIdentifier: "2", segment: 3 }),
      aged(1, { systemIdentifier: "2", segment: 4 }),
    ];
    expect(going(decide([...old, ...young], { kind: "count", copies: 1 })).sort()).toEqual(
      labels([old[0], young[0], young[1]] as CatalogEntry[]).sort(),
    );
    // pgmoneta does not say which cluster it was: the positions do, as long as the first one of the new cluster is there.
    const foreign = [...old, ...young].map((one) => ({
      ...one,
      info: one.info === undefined ? undefined : { ...one.info, own: undefined },
    }));
    expect(going(decide(foreign, { kind: "count", copies: 1 })).sort()).toEqual(
      labels([old[0], young[1]] as CatalogEntry[]).sort(),
    );
  });

  it("keeps the last backup of pgmoneta beside ours, because it may be of another cluster", () => {
    const entries = [aged(30, { foreign: true }), aged(20, { foreign: true }), aged(1)];
    expect(going(decide(entries, week))).toEqual(labels(entries.slice(0, 1)));
    const upgraded = [aged(30, { foreign: true, major: 14 }), aged(20, { foreign: true }), aged(10, { foreign: true })];
    // The one in the middle alone shows that the oldest is of another cluster.
    expect(going(decide(upgraded, week))).toEqual([]);
    expect(going(decide(upgraded.slice(1), week))).toEqual([upgraded[1]?.label]);
  });

  it("orders by timeline and position, never by label: a clock that was wrong changes nothing", () => {
    const entries = [
      entry({ at: now - dayMs, label: "20991231000000", segment: 10 }),
      entry({ at: now - dayMs / 2, label: "20260101000000", segment: 20 }),
    ];
    expect(going(decide(entries, { kind: "count", copies: 1 }))).toEqual(["20991231000000"]);
  });

  it("keeps backups from the future, and has nothing to say where there is none", () => {
    expect(going(decide([aged(-400), aged(1)], week))).toEqual([]);
    expect(planRetention([], week, now, { minimum: 1 })).toEqual([]);
  });
});
