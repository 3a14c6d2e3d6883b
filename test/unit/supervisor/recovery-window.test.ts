import { describe, expect, it, test } from "vitest";
import { lsn, timelineId } from "../../../src/postgres/index.ts";
import { oldestReaching, recoveryWindow, type StoredWal } from "../../../src/supervisor/recovery-window.ts";
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
/** On a timeline after switches within these segments. */
const on = (timeline: number, switches: readonly number[]): Pick<StoredWal, "timeline" | "timelines"> => ({
  timeline,
  timelines: [first, ...switches.map((number, index) => ({ timeline: index + 2, parent: index + 1, switchLsn: segment(number) + 80n }))],
});
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

  it("is none that has lost WAL from between its own beginning and end", () => {
    const long = entry("20260101000000", { startLsn: lsn(segment(2) + 40n), endLsn: lsn(segment(5) + 256n) });
    const stored = wal({ stretches: [stretch(1, 2, 9)], flushed: segment(9) });
    expect(oldestReaching([long, b], stored)?.label).toBe(long.label);
    expect(oldestReaching([long, b], { ...stored, stretches: [stretch(1, 2, 3), stretch(1, 4, 9)] })?.label).toBe(b.label);
    // On its way from the first segment to the last the standby was promoted.
    const across = { ...long, info: long.info === undefined ? undefined : { ...long.info, endTimeline: timelineId(2) } };
    const switched = { ...stored, ...on(2, [4]), stretches: [stretch(1, 2, 4), stretch(2, 4, 9)] };
    expect(oldestReaching([across], switched)?.label).toBe(across.label);
    expect(oldestReaching([across], { ...switched, stretches: [stretch(1, 3, 4), stretch(2, 4, 9)] })).toBeUndefined();
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

test.each<[string, Partial<StoredWal>, boolean]>([
  ["all segments are there", { stretches: [stretch(1, 1, 9)], flushed: segment(9) + 256n }, true],
  ["the stream is at the beginning of a segment", { stretches: [stretch(1, 1, 9)], flushed: segment(9) }, true],
  ["a segment is missing", { stretches: [stretch(1, 1, 5), stretch(1, 6, 9)], flushed: segment(9) }, false],
  ["the first segment is missing", { stretches: [stretch(1, 3, 9)], flushed: segment(9) }, false],
  ["there was a switch of timelines", { stretches: [stretch(1, 1, 5), stretch(2, 4, 9)], ...on(2, [4]), flushed: segment(9) }, true],
  ["the new timeline has no complete segment yet", { stretches: [stretch(1, 1, 5)], ...on(2, [5]), flushed: segment(5) + 256n }, true],
  ["WAL is missing between the timelines", { stretches: [stretch(1, 1, 4), stretch(2, 6, 9)], ...on(2, [4]), flushed: segment(9) }, false],
  ["there were two switches", { stretches: [stretch(1, 1, 4), stretch(2, 4, 6), stretch(3, 6, 9)], ...on(3, [4, 6]), flushed: segment(9) }, true],
  ["the second of two switches lacks WAL", { stretches: [stretch(1, 1, 4), stretch(2, 4, 6), stretch(3, 7, 9)], ...on(3, [4, 6]), flushed: segment(9) }, false],
  ["nothing was received yet", { timeline: 0 }, false],
  ["the segments have no size yet", { stretches: [stretch(1, 1, 9)], segmentSize: 0 }, false],
])("a backup reaches the end, or does not: %s", (_what, stored, expected) => {
  expect(oldestReaching([a], wal(stored)) !== undefined).toBe(expected);
});

it("the window of a server is that of its present cluster", () => {
  const other = entry("20251231000000", { own: { systemIdentifier: "1" } as never });
  const server = (present: string | undefined) => ({
    lineages: { present, former: new Map() },
    wal: { stretches: [stretch(1, 2, 4), stretch(1, 5, 9)] },
    timelines: [first],
    state: () => ({ flushLsn: segment(9), timeline: 1, walSegmentSize: size }),
  }) as unknown as Parameters<typeof recoveryWindow>[0];
  const windowOf = (present: string | undefined) => {
    const { from, oldest } = recoveryWindow(server(present), [other, a, b]);
    return [oldest?.label, from?.label];
  };
  expect(windowOf("2")).toEqual([a.label, b.label]);
  expect(windowOf("1")).toEqual([other.label, b.label]);
});
