/** What must hold for every catalog and every policy. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CatalogEntry } from "../../../src/repository/index.ts";
import { planRetention, type RetentionPolicy } from "../../../src/retention/index.ts";
import { startTimeOf } from "../../../src/repository/index.ts";
import { dayMs, entry } from "./backups.ts";

const now = Date.UTC(2026, 10, 20, 12);

const policies: fc.Arbitrary<RetentionPolicy> = fc.oneof(
  fc.record({
    kind: fc.constant("calendar" as const),
    days: fc.integer({ min: 1, max: 40 }),
    weeks: fc.option(fc.integer({ min: 1, max: 8 }), { nil: undefined }),
    months: fc.option(fc.integer({ min: 1, max: 14 }), { nil: undefined }),
    years: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
  }),
  fc.record({ kind: fc.constant("window" as const), seconds: fc.integer({ min: 1, max: 400 * 86_400 }) }),
  fc.record({ kind: fc.constant("count" as const), copies: fc.integer({ min: 1, max: 6 }) }),
);

/**
 * A catalog of two clusters, one after the other, the first of which pgmoneta may have begun; with chains, failures,
 * damage and retained backups.
 */
const catalogs: fc.Arbitrary<CatalogEntry[]> = fc
  .record({
    foreign: fc.nat(6),
    first: fc.nat(16),
    major: fc.constantFrom(15, 16),
    wishes: fc.array(
      fc.record({
        age: fc.integer({ min: -2, max: 900 }),
        hour: fc.integer({ min: 0, max: 23 }),
        state: fc.oneof(
          { weight: 6, arbitrary: fc.constant("valid" as const) },
          fc.constantFrom("invalid" as const, "damaged" as const),
        ),
        keep: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.constant(true)),
        forked: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.constant(true)),
        child: fc.boolean(),
      }),
      { maxLength: 24 },
    ),
  })
  .map(({ foreign, first, major, wishes }) => {
    const made: CatalogEntry[] = [];
    let timeline = 1;
    for (const [index, wish] of wishes.sort((a, b) => b.age * 24 + b.hour - a.age * 24 - a.hour).entries()) {
      const young = index >= first;
      if (index === first) timeline = 1;
      else if (wish.forked) timeline += 1;
      const before = index === first ? undefined : made.at(-1);
      const at = now - wish.age * dayMs - wish.hour * 3_600_000 + index * 1000;
      made.push(
        entry({
          ...wish,
          at,
          timeline,
          ...(wish.child && before?.info !== undefined ? { parent: before.label } : {}),
          foreign: index < foreign && !young,
          systemIdentifier: young ? "2" : "1",
          segment: young ? index - first + 1 : 1000 + index,
          major: young ? major : 15,
        }),
      );
    }
    return made;
  });

const worlds = fc.record({
  entries: catalogs,
  policy: policies,
  minimum: fc.integer({ min: 1, max: 4 }),
  inUse: fc.array(fc.nat(23), { maxLength: 2 }),
});

const usable = (entries: readonly CatalogEntry[], label: string | undefined, depth = 0): boolean => {
  const found = entries.find((one) => one.label === label);
  if (found?.state !== "valid" || found.info === undefined || depth > 30) return false;
  return found.info.parent === undefined || usable(entries, found.info.parent, depth + 1);
};

interface World {
  readonly entries: readonly CatalogEntry[];
  readonly policy: RetentionPolicy;
  readonly minimum: number;
  readonly inUse: readonly number[];
}

function plan({ entries, policy, minimum, inUse }: World) {
  const used = new Set(inUse.flatMap((index) => entries[index]?.label ?? []));
  return { used, decisions: planRetention(entries, policy, now, { minimum, inUse: used }) };
}

/** Whose pgmoneta's are is not recorded. */
const clusterOf = (info: CatalogEntry["info"]): string | undefined =>
  info === undefined ? undefined : (info.own?.systemIdentifier ?? "pgmoneta");

/** A backup of pgmoneta has its time in its label; all of these take half a second or a minute. */
const endTimeOf = (info: NonNullable<CatalogEntry["info"]>): number => info.own?.endTime ?? startTimeOf(info) + 1000;

const runs = { numRuns: 600 };

describe("whatever there is", () => {
  it("each backup gets one decision with a reason", () => {
    fc.assert(
      fc.property(worlds, (world) => {
        const { decisions } = plan(world);
        expect(decisions.map(({ label }) => label).sort()).toEqual(world.entries.map(({ label }) => label).sort());
        expect(decisions.every(({ reason }) => /^[a-z].*[^.]$/.test(reason))).toBe(true);
      }),
      runs,
    );
  });

  it("the retained, the used and the unreadable stay, and no child that stays loses its parent (E04, E05, E07)", () => {
    fc.assert(
      fc.property(worlds, (world) => {
        const { decisions, used } = plan(world);
        const kept = new Set(decisions.flatMap(({ keep, label }) => (keep ? [label] : [])));
        for (const { label, info } of world.entries) {
          if (info === undefined || info.keep || used.has(label)) expect(kept).toContain(label);
          const parent = info?.parent;
          if (kept.has(label) && parent !== undefined && world.entries.some((one) => one.label === parent))
            expect(kept).toContain(parent);
        }
      }),
      runs,
    );
  });

  it("each cluster keeps its last valid backup and its least number of copies, and failed ones do not count (E03, E07)", () => {
    fc.assert(
      fc.property(worlds, (world) => {
        const { decisions } = plan(world);
        for (const cluster of ["1", "2", "pgmoneta"]) {
          const own = world.entries.filter(({ info }) => clusterOf(info) === cluster);
          const valid = own.filter(({ label }) => usable(world.entries, label));
          const copies = valid.filter(({ info }) => info?.parent === undefined);
          const left = decisions.filter(({ keep, entry: { info } }) => keep && clusterOf(info) === cluster);
          const leftCopies = left.filter(
            ({ label, entry: { info } }) => info?.parent === undefined && usable(world.entries, label),
          );
          expect(leftCopies.length).toBeGreaterThanOrEqual(Math.min(world.minimum, copies.length));
          if (valid.length > 0)
            expect(left.some(({ label, recovery }) => recovery && usable(world.entries, label))).toBe(true);
          else expect(left).toHaveLength(own.length);
        }
      }),
      runs,
    );
  });

  it("a second run at the same moment removes nothing more, and a failed backup is the end of no other", () => {
    fc.assert(
      fc.property(worlds, (world) => {
        const { decisions, used } = plan(world);
        const facts = { minimum: world.minimum, inUse: used };
        const left = decisions.filter(({ keep }) => keep).map((decision) => decision.entry);
        expect(planRetention(left, world.policy, now, facts).every(({ keep }) => keep)).toBe(true);
        // Without the failed ones no more valid ones stay than with them.
        const sound = world.entries.filter(({ state }) => state === "valid");
        const alone = new Set(
          planRetention(sound, world.policy, now, facts).flatMap(({ keep, label }) => (keep ? [label] : [])),
        );
        const restorable = decisions.filter(({ label }) => usable(world.entries, label) && usable(sound, label));
        for (const { label, keep } of restorable) if (alone.has(label)) expect(keep).toBe(true);
      }),
      runs,
    );
  });

  it("every moment of a window can be restored: a backup that had ended before it stays, and all between (E02)", () => {
    fc.assert(
      fc.property(
        catalogs,
        fc.integer({ min: 1, max: 400 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (entries, days, part) => {
          const decisions = planRetention(entries, { kind: "window", seconds: days * 86_400 }, now, { minimum: 1 });
          const instant = now - part * days * dayMs;
          for (const cluster of ["1", "2", "pgmoneta"]) {
            const able = (one: CatalogEntry): boolean =>
              clusterOf(one.info) === cluster &&
              usable(entries, one.label) &&
              one.info !== undefined &&
              endTimeOf(one.info) <= instant;
            if (!entries.some(able)) continue;
            expect(decisions.some(({ keep, recovery, entry: one }) => keep && recovery && able(one))).toBe(true);
          }
        },
      ),
      runs,
    );
  });
});
