import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  formatLsn,
  isSegmentSize,
  lsn,
  nextSegmentStart,
  parseLsn,
  parseSegmentName,
  segmentName,
  segmentOffset,
  segmentStart,
  timelineId,
} from "../../../src/postgres/index.ts";

const MB = 1024 * 1024;
const sizes = Array.from({ length: 11 }, (_, power) => MB * 2 ** power);
const anySize = fc.constantFrom(...sizes);
const anyTimeline = fc.integer({ min: 1, max: 0xffff_ffff }).map(timelineId);
/** Not the very last segment, after which there is no position. */
const anyLsn = fc.bigInt({ min: 0n, max: 0xffff_ffff_bfff_ffffn }).map(lsn);

describe("WAL segments", () => {
  it("have the names that PostgreSQL gives them", () => {
    const one = timelineId(1);
    expect(segmentName(one, parseLsn("0/0"), 16 * MB)).toBe("000000010000000000000000");
    expect(segmentName(one, parseLsn("16/B374D848"), 16 * MB)).toBe("0000000100000016000000B3");
    expect(segmentName(timelineId(0xab), parseLsn("16/B374D848"), MB)).toBe("000000AB0000001600000B37");
    expect(segmentName(one, parseLsn("16/B374D848"), 1024 * MB)).toBe("000000010000001600000002");
    expect(segmentName(one, parseLsn("0/FFFFFFFF"), 16 * MB)).toBe("0000000100000000000000FF");
    expect(segmentName(one, parseLsn("1/0"), 16 * MB)).toBe("000000010000000100000000");
  });

  it.each(sizes)("of %i bytes: a name leads back to the start of the segment that contains the byte", (size) => {
    fc.assert(
      fc.property(anyTimeline, anyLsn, (timeline, position) => {
        const name = segmentName(timeline, position, size);
        const start = segmentStart(position, size);
        expect(parseSegmentName(name, size)).toEqual({ timeline, start });
        expect(segmentName(timeline, start, size)).toBe(name);
        expect(start <= position && position < nextSegmentStart(position, size)).toBe(true);
        expect(nextSegmentStart(position, size) - start).toBe(BigInt(size));
        expect(BigInt(segmentOffset(position, size)) + start).toBe(position);
      }),
      { numRuns: 50 },
    );
  });

  it("of one timeline sort by name as by position", () => {
    fc.assert(
      fc.property(anySize, anyLsn, anyLsn, (size, a, b) => {
        const [nameA, nameB] = [a, b].map((position) => segmentName(timelineId(7), position, size));
        const [startA, startB] = [a, b].map((position) => segmentStart(position, size));
        return startA === startB ? nameA === nameB : (startA ?? 0n) < (startB ?? 0n) === (nameA ?? "") < (nameB ?? "");
      }),
    );
  });

  it("follow each other over the border of 4 GB", () => {
    const last = parseSegmentName("000000010000000000000FFF", MB);
    expect(formatLsn(last.start)).toBe("0/FFF00000");
    expect(segmentName(last.timeline, nextSegmentStart(last.start, MB), MB)).toBe("000000010000000100000000");
  });

  it("end with the last one, after which no position exists that could be written", () => {
    const last = segmentStart(lsn(0xffff_ffff_ffff_ffffn), 16 * MB);
    expect(segmentName(timelineId(1), last, 16 * MB)).toBe("00000001FFFFFFFF000000FF");
  });

  it.each([
    ["", 16 * MB],
    ["00000001000000000000000", 16 * MB],
    ["0000000100000000000000010", 16 * MB],
    ["00000001000000000000000g", 16 * MB],
    ["0000000a000000000000000b", 16 * MB],
    ["000000000000000000000001", 16 * MB],
    ["000000010000000000000100", 16 * MB],
    ["000000010000000000000004", 1024 * MB],
    ["000000010000000000001000", MB],
    ["000000010000000000000001.partial", 16 * MB],
    ["000000010000000000000001\n", 16 * MB],
  ])("refuse the name %j with %i bytes", (name, size) => {
    expect(() => parseSegmentName(name, size)).toThrow(expect.objectContaining({ code: "WAL_SEGMENT_NAME_INVALID" }));
  });

  it.each([0, 1, MB / 2, MB + 1, 3 * MB, 2048 * MB, -MB, 1.5 * MB, Number.NaN])("refuse the size %d", (size) => {
    expect(isSegmentSize(size)).toBe(false);
    expect(() => segmentStart(lsn(0), size)).toThrow(expect.objectContaining({ code: "WAL_SEGMENT_SIZE_INVALID" }));
  });

  it.each([0, -1, 1.5, 0x1_0000_0000, Number.NaN])("refuse the timeline %d", (timeline) => {
    expect(() => timelineId(timeline)).toThrow(expect.objectContaining({ code: "TIMELINE_INVALID" }));
  });
});
