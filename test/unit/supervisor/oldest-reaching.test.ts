import { describe, expect, it } from "vitest";
import { lsn, timelineId } from "../../../src/postgres/index.ts";
import { oldestReaching, type StoredWal } from "../../../src/supervisor/oldest-reaching.ts";
import { entry } from "../metrics/facts.ts";

const size = 16 * 1024 * 1024;
const segment = (number: number): bigint => BigInt(number) * BigInt(size);
/** A backup that began and ended within a segment. */
const backup = (label: string, timeline: number, number: number) =>
  entry(label, {
    startTimeline: timelineId(timeline),
    endTimeline: timelineId(timeline),
    startLsn: lsn(segment(number) + 40n),
    endLsn: lsn(segment(number) + 256n),
  });
const stretch = (timeline: number, from: number, to: number) => ({ timeline: timelineId(timeline), start: lsn(segment(from)), end: lsn(segment(to)) });
const first = { timeline: 1, parent: 0, switchLsn: 0n };
const wal = (more: Partial<StoredWal>): StoredWal => ({ stretches: [], timelines: [first], segmentSize: size, timeline: 1, flushed: 0n, ...more });
const a = backup("20260101000000", 1, 2);
const b = backup("20260102000000", 1, 6);

describe("the oldest backup that reaches the end of the WAL", () => {
  it("is the oldest one where every segment is there, the one that is being received among them", () => {
    const stored = wal({ stretches: [stretch(1, 2, 9)], flushed: segment(9) + 5n });
    expect(oldestReaching([a, b], stored)?.label).toBe(a.label);
    // All of it is in the segment that is being received.
    expect(oldestReaching([a], wal({ flushed: segment(2) + 300n }))?.label).toBe(a.label);
  });

  it("is the one behind a gap, and none when the gap is behind all of them", () => {
    expect(oldestReaching([a, b], wal({ stretches: [stretch(1, 2, 4), stretch(1, 5, 9)], flushed: segment(9) }))?.label).toBe(b.label);
    expect(oldestReaching([a, b], wal({ stretches: [stretch(1, 2, 8)], flushed: segment(9) + 1n }))).toBeUndefined();
    expect(oldestReaching([a, b], wal({ stretches: [stretch(1, 2, 7), stretch(1, 8, 9)], flushed: segment(9) }))).toBeUndefined();
  });

  it("counts no backup that is not valid", () => {
    const invalid = { ...a, state: "invalid" as const };
    const stored = wal({ stretches: [stretch(1, 2, 9)], flushed: segment(9) });
    expect(oldestReaching([invalid, b, entry("20260103000000", {}, "damaged")], stored)?.label).toBe(b.label);
    expect(oldestReaching([invalid], stored)).toBeUndefined();
  });

  it("goes along the timelines, where the newer one has the whole segment in which it began", () => {
    const timelines = [first, { timeline: 2, parent: 1, switchLsn: segment(7) + 100n }];
    const good = wal({ stretches: [stretch(1, 2, 7), stretch(2, 7, 9)], timelines, timeline: 2, flushed: segment(9) + 1n });
    expect(oldestReaching([a, b], good)?.label).toBe(a.label);
    expect(oldestReaching([a, b], { ...good, stretches: [stretch(1, 2, 6), stretch(2, 7, 9)] })?.label).toBeUndefined();
    expect(oldestReaching([a, b], { ...good, stretches: [stretch(1, 2, 7), stretch(2, 8, 9)] })?.label).toBeUndefined();
    // Nobody knows where it came from.
    expect(oldestReaching([a, b], { ...good, timelines: [first] })).toBeUndefined();
  });

  it("is no backup of a branch that was left, nor one taken after the server had gone another way", () => {
    const timelines = [first, { timeline: 2, parent: 1, switchLsn: segment(5) }, { timeline: 3, parent: 1, switchLsn: segment(4) }];
    const ofTwo = backup("20260102120000", 2, 6);
    const stretches = [stretch(1, 2, 7), stretch(2, 5, 8), stretch(3, 4, 9)];
    const stored = wal({ stretches, timelines, timeline: 3, flushed: segment(9) });
    expect(oldestReaching([ofTwo, b, a], stored)?.label).toBe(a.label);
    expect(oldestReaching([ofTwo, b], stored)).toBeUndefined();
  });

  it("knows the end from what is stored while the server was not reached yet", () => {
    expect(oldestReaching([a, b], wal({ stretches: [stretch(1, 2, 9)], timeline: 0 }))?.label).toBe(a.label);
  });
});
