import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { lsn, timelineId } from "../../../src/postgres/index.ts";
import { inOrder, labelOf, nextLabelAfter, timeOfLabel } from "../../../src/repository/index.ts";
import { sample } from "./sample-backup.ts";

describe("labels", () => {
  const noon = Date.UTC(2026, 10, 20, 12, 0, 0);

  test("are the second in UTC", () => {
    expect(labelOf(noon + 999)).toBe("20261120120000");
    expect(timeOfLabel("20261120120000")).toBe(noon);
    expect(nextLabelAfter([], noon)).toBe("20261120120000");
  });

  test.each([
    ["a backup in the same second", "20261120120000", "20261120120001"],
    ["a clock that went back", "20270101000000", "20270101000001"],
    ["the end of a year", "20271231235959", "20280101000000"],
    ["a leap day", "20280228235959", "20280229000000"],
    ["a label in local time ahead of UTC", "20261120135959", "20261120140000"],
    ["a label of month and day zero", "22000000000000", "22000101000001"],
    ["a label that no calendar has", "20261399999999", "20270413044040"],
  ])("grow after %s", (_, newest, next) => {
    expect(nextLabelAfter(["20250101000000", newest], noon)).toBe(next);
  });

  test("end with the year 9999, and say so", () => {
    expect(nextLabelAfter(["99991231235958"], noon)).toBe("99991231235959");
    expect(() => nextLabelAfter(["99991231235959"], noon)).toThrow(/no label comes after 99991231235959/);
  });

  test("are always greater than every label there is", () => {
    const digits = fc.stringMatching(/^[0-8][0-9]{13}$/);
    fc.assert(
      fc.property(fc.array(digits), fc.integer({ min: 0, max: Date.UTC(9000, 0, 1) }), (taken, now) => {
        const next = nextLabelAfter(taken, now);
        expect(next).toMatch(/^[0-9]{14}$/);
        for (const label of taken) expect(next > label).toBe(true);
        expect(nextLabelAfter([...taken, next], 0) > next).toBe(true);
      }),
    );
  });
});

describe("the order of backups", () => {
  const labels = (backups: Parameters<typeof inOrder>[0]): string[] => inOrder(backups).map(({ label }) => label);

  test("is that of timeline and position, whatever the labels say", () => {
    const first = sample({ label: "20270101000000", startLsn: lsn(100) });
    const second = sample({ label: "20260101000000", startLsn: lsn(200) });
    const third = sample({ label: "20250101000000", startLsn: lsn(150), startTimeline: timelineId(2) });
    expect(labels([third, second, first])).toEqual(["20270101000000", "20260101000000", "20250101000000"]);
  });

  test("compares positions as numbers", () => {
    const low = sample({ label: "20260101000000", startLsn: lsn(0xf_ffff_ffffn) });
    const high = sample({ label: "20260101000001", startLsn: lsn(0x10_0000_0000n) });
    expect(labels([high, low])).toEqual(["20260101000000", "20260101000001"]);
  });

  test("keeps lineages together, the one that began first comes first", () => {
    const old1 = sample({ label: "20260101000000", startLsn: lsn(900) }, { systemIdentifier: "9", startTime: 1000 });
    const old2 = sample({ label: "20260101000003", startLsn: lsn(950) }, { systemIdentifier: "9", startTime: 4000 });
    const new1 = sample({ label: "20260101000001", startLsn: lsn(10) }, { systemIdentifier: "1", startTime: 2000 });
    expect(labels([new1, old2, old1])).toEqual([old1.label, old2.label, new1.label]);
  });

  test("puts pgmoneta's backups, which name no lineage, before ours of later", () => {
    const theirs = sample({ label: "20250101000000", own: undefined, startLsn: lsn(50) });
    const ours = sample({ label: "20260101000000", startLsn: lsn(60) });
    expect(labels([ours, theirs])).toEqual([theirs.label, ours.label]);
  });

  test("tells two backups from the same restart point of a standby apart", () => {
    const first = sample({ label: "20260101000005", endLsn: lsn(0x6000000) });
    const second = sample({ label: "20260101000001", endLsn: lsn(0x7000000) });
    expect(labels([second, first])).toEqual([first.label, second.label]);
  });

  test("does not depend on the order in which they were found", () => {
    const backup = fc.record({
      position: fc.nat(50),
      timeline: fc.integer({ min: 1, max: 3 }),
      lineage: fc.constantFrom("1", "2"),
      start: fc.nat(9),
    });
    fc.assert(
      fc.property(fc.array(backup, { maxLength: 12 }), fc.nat(), (facts, turn) => {
        const backups = facts.map(({ position, timeline, lineage, start }, n) =>
          sample(
            { label: String(20260101000000 + n), startLsn: lsn(position), startTimeline: timelineId(timeline) },
            { systemIdentifier: lineage, startTime: start },
          ),
        );
        const turned = [
          ...backups.slice(turn % (backups.length + 1)),
          ...backups.slice(0, turn % (backups.length + 1)),
        ];
        expect(labels(turned)).toEqual(labels(backups));
      }),
    );
  });
});
