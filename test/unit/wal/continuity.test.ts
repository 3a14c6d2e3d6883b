import { describe, expect, it } from "vitest";
import { timelineId, type Lsn } from "../../../src/postgres/index.ts";
import { findNewHoles } from "../../../src/wal/continuity.ts";
import { at, eachTestHasStoredWal, history } from "./stored-wal.ts";

const stored = eachTestHasStoredWal();

/** `timeline: from-to` in segments with bytes, `next` marks the hole before the position where streaming goes on. */
async function holes(line: ReturnType<typeof history>, timeline: number, start: Lsn): Promise<string[]> {
  const position = (value: Lsn): string => `${Number(value) >> 20}+${Number(value) & 0xfffff}`;
  const found = await findNewHoles(stored.storage, stored.inventory, line, { timeline: timelineId(timeline), start });
  return found.map((hole) => `${hole.timeline}: ${position(hole.from)} to ${position(hole.to)}${hole.beforeNext ? " next" : ""}`);
}

describe("within a timeline", () => {
  const root = history(1);

  it("nothing is missing at the very beginning, nor when streaming goes on where the stored WAL ends", async () => {
    expect(await holes(root, 1, at(5))).toEqual([]);
    await stored.segments(1, 5);
    await stored.archived(1, 6);
    await stored.partial(1, 7, 100);
    expect(await holes(root, 1, at(7))).toEqual([]);
    await stored.partial(1, 7, 100, true);
    expect(await holes(root, 1, at(7))).toEqual([]);
  });

  it("every hole is found: between segments, behind a partial that was never completed, before the stream", async () => {
    await stored.segments(1, 3, 4, 7, 8);
    await stored.partial(1, 5, 100);
    await stored.partial(1, 9, 50);
    expect(await holes(root, 1, at(12))).toEqual(["1: 5+100 to 7+0", "1: 9+50 to 12+0 next"]);
  });

  it("a hole that is recorded is no news, also when the record is wider", async () => {
    await stored.segments(1, 3, 7);
    await stored.inventory.gaps.add({ timeline: timelineId(1), from: at(4), to: at(7), detectedAt: 0, reason: "test" });
    expect(await holes(root, 1, at(8))).toEqual([]);
    await stored.segments(1, 5);
    expect(await holes(root, 1, at(8))).toEqual([]);
  });

  it("a partial beside its complete segment says nothing", async () => {
    await stored.segments(1, 3, 4);
    await stored.partial(1, 3, 10);
    expect(await holes(root, 1, at(5))).toEqual([]);
  });

  it("holes of other timelines are found as well", async () => {
    await stored.segments(1, 3);
    await stored.segments(9, 3, 5);
    expect(await holes(root, 1, at(4))).toEqual(["9: 4+0 to 5+0"]);
  });
});

describe("from a timeline to its successor", () => {
  const promoted = history(2, [1, at(8, 3000)]);

  it("nothing is missing when the old one is drained and the new one begins with the segment of the switch", async () => {
    await stored.segments(1, 7);
    await stored.partial(1, 8, 3000);
    expect(await holes(promoted, 2, at(8))).toEqual([]);
    await stored.partial(2, 8, 5000);
    expect(await holes(promoted, 2, at(8))).toEqual([]);
  });

  it("the successor's copy of that segment stands for the old one's", async () => {
    await stored.segments(1, 7);
    await stored.segments(2, 8);
    expect(await holes(promoted, 2, at(9))).toEqual([]);
  });

  it("what lies beyond the switch covers nothing", async () => {
    await stored.segments(1, 7, 8, 9, 10);
    await stored.segments(2, 10);
    expect(await holes(promoted, 2, at(11))).toEqual(["2: 8+3000 to 10+0"]);
  });

  it("a hole is divided between the timelines that own its parts", async () => {
    await stored.segments(1, 5);
    await stored.segments(3, 12);
    const line = history(3, [1, at(8, 3000)], [2, at(11, 8)]);
    expect(await holes(line, 3, at(13))).toEqual(["1: 6+0 to 8+3000", "2: 8+3000 to 11+8", "3: 11+8 to 12+0"]);
  });

  it("a hole before the stream is told as that", async () => {
    await stored.segments(1, 5);
    expect(await holes(promoted, 2, at(8))).toEqual(["1: 6+0 to 8+0 next"]);
    expect(await holes(promoted, 2, at(10))).toEqual(["1: 6+0 to 8+3000 next", "2: 8+3000 to 10+0 next"]);
    expect(await holes(promoted, 1, at(6))).toEqual([]);
    expect(await holes(promoted, 1, at(7))).toEqual(["1: 6+0 to 7+0 next"]);
  });

  it("a receiver that began with the new timeline misses nothing of the old one", async () => {
    await stored.segments(2, 8, 9);
    expect(await holes(promoted, 2, at(10))).toEqual([]);
  });
});
