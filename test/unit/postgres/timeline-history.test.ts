import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  commonPast,
  descendsFrom,
  extendHistory,
  formatHistory,
  formatLsn,
  lsn,
  parseHistory,
  parseLsn,
  rootHistory,
  segmentTimeline,
  segmentsOfRange,
  timelineBegin,
  timelineContaining,
  timelineEnd,
  timelineId,
} from "../../../src/postgres/index.ts";
import type { TimelineHistory } from "../../../src/postgres/index.ts";

const MB = 1024 * 1024;
/** As PostgreSQL 15 writes it after two promotions. */
const real = "1\t0/3000148\tno recovery target specified\n\n2\t0/30001C0\tbefore 2026-11-20 09:39:06.123+00\n";

/** Random but legal histories: timelines and switch points only grow. */
const anyHistory: fc.Arbitrary<TimelineHistory> = fc
  .array(
    fc.record({ step: fc.integer({ min: 1, max: 5 }), bytes: fc.integer({ min: 0, max: 40 }), reason: fc.string() }),
    { maxLength: 8 },
  )
  .map((steps) => {
    let history = rootHistory(timelineId(1));
    let at = 0;
    for (const { step, bytes, reason } of steps) {
      at += bytes;
      const clean = reason.replace(/\s+/g, " ").trim();
      history = extendHistory(history, timelineId(history.timeline + step), lsn(at), clean);
    }
    return history;
  });

describe("timeline histories", () => {
  it("are read as PostgreSQL writes them and written the same", () => {
    const history = parseHistory(real, timelineId(3));
    expect(history).toEqual({
      timeline: 3,
      entries: [
        { timeline: 1, switchLsn: 0x3000148n, reason: "no recovery target specified" },
        { timeline: 2, switchLsn: 0x30001c0n, reason: "before 2026-11-20 09:39:06.123+00" },
      ],
    });
    expect(formatHistory(history)).toBe(real);
  });

  it("survive writing and reading", () => {
    fc.assert(
      fc.property(
        anyHistory.filter((history) => history.entries.length > 0),
        (history) => {
          expect(parseHistory(formatHistory(history), history.timeline)).toEqual(history);
        },
      ),
    );
  });

  it("keep reasons with unusual white space inside", () => {
    const history = extendHistory(rootHistory(timelineId(1)), timelineId(2), lsn(5), 'at restore point "a\u2028b"');
    expect(parseHistory(formatHistory(history), timelineId(2))).toEqual(history);
  });

  it("may hold comments, empty lines, spaces and no reason", () => {
    const text = "# written by hand\n\n  1 0/3000148\n2\t0/4000000\t\n   \n";
    expect(
      parseHistory(text, timelineId(4)).entries.map((e) => [e.timeline, formatLsn(e.switchLsn), e.reason]),
    ).toEqual([
      [1, "0/3000148", ""],
      [2, "0/4000000", ""],
    ]);
  });

  it.each([
    ["", "no ancestor"],
    ["\n", "no ancestor"],
    ["# nothing\n", "no ancestor"],
    ["1\n", "expected a timeline"],
    ["1\t0\n", "expected a timeline"],
    ["one\t0/3000148\tx\n", "expected a timeline"],
    ["0\t0/3000148\tx\n", "not a timeline"],
    ["99999999999\t0/3000148\tx\n", "expected a timeline"],
    ["3\t0/3000148\tx\n", "not older than 3"],
    ["4\t0/3000148\tx\n", "not older than 3"],
    ["2\t0/3000148\tx\n1\t0/4000000\tx\n", "does not come after"],
    ["1\t0/3000148\tx\n1\t0/4000000\tx\n", "does not come after"],
    ["1\t0/4000000\tx\n2\t0/3000148\tx\n", "lies before"],
    ["1\t0/3000148\tno recovery target specified", "the end of the line is missing"],
    ["1\t0/3000", "the end of the line is missing"],
  ])("refuse %j", (text, why) => {
    expect(() => parseHistory(text, timelineId(3))).toThrow(
      expect.objectContaining({ code: "TIMELINE_HISTORY_DAMAGED", message: expect.stringContaining(why) as string }),
    );
  });

  it("cut anywhere are refused or end with a whole line", () => {
    for (let length = 0; length < real.length; length += 1) {
      let entries = -1;
      try {
        entries = parseHistory(real.slice(0, length), timelineId(3)).entries.length;
      } catch (error) {
        expect(error).toMatchObject({ code: "TIMELINE_HISTORY_DAMAGED" });
        continue;
      }
      expect(entries).toBe(1);
      expect(real[length - 1]).toBe("\n");
    }
  });

  it("give each byte to exactly one timeline: the older one below the switch point, the younger from there on", () => {
    const history = parseHistory(real, timelineId(3));
    expect(timelineContaining(history, parseLsn("0/0"))).toBe(1);
    expect(timelineContaining(history, parseLsn("0/3000147"))).toBe(1);
    expect(timelineContaining(history, parseLsn("0/3000148"))).toBe(2);
    expect(timelineContaining(history, parseLsn("0/30001BF"))).toBe(2);
    expect(timelineContaining(history, parseLsn("0/30001C0"))).toBe(3);
    expect(timelineContaining(history, parseLsn("FFFFFFFF/0"))).toBe(3);
  });

  it("agree on owner, begin and end at every byte", () => {
    fc.assert(
      fc.property(anyHistory, fc.integer({ min: 0, max: 400 }), (history, at) => {
        const position = lsn(at);
        const owner = timelineContaining(history, position);
        const begin = timelineBegin(history, owner);
        const end = timelineEnd(history, owner);
        expect(begin !== undefined && begin <= position).toBe(true);
        expect(end === undefined || position < end).toBe(true);
        expect(descendsFrom(history, owner, position)).toBe(true);
        for (const { timeline } of [...history.entries, history]) {
          if (timeline === owner) continue;
          // Only at the point of the switch does a position lie on another timeline as well.
          const other = timelineBegin(history, timeline);
          expect(descendsFrom(history, timeline, position)).toBe(
            other === position || timelineEnd(history, timeline) === position,
          );
        }
      }),
    );
  });

  it("say whether a backup that ended on a timeline can be recovered along them", () => {
    const history = parseHistory(real, timelineId(3));
    expect(descendsFrom(history, timelineId(1), parseLsn("0/3000148"))).toBe(true);
    expect(descendsFrom(history, timelineId(1), parseLsn("0/3000149"))).toBe(false);
    expect(descendsFrom(history, timelineId(2), parseLsn("0/3000147"))).toBe(false);
    expect(descendsFrom(history, timelineId(3), parseLsn("0/9000000"))).toBe(true);
    expect(descendsFrom(history, timelineId(4), parseLsn("0/3000000"))).toBe(false);
    expect(timelineBegin(history, timelineId(4))).toBeUndefined();
  });

  it("know the last point that two of them share", () => {
    const trunk = rootHistory(timelineId(1));
    const a = extendHistory(trunk, timelineId(2), lsn(100), "a");
    const b = extendHistory(trunk, timelineId(3), lsn(70), "b");
    expect(commonPast(a, b)).toEqual({ timeline: 1, lsn: 70n });
    expect(commonPast(b, a)).toEqual({ timeline: 1, lsn: 70n });
    expect(commonPast(a, extendHistory(a, timelineId(4), lsn(150), "c"))).toEqual({ timeline: 2, lsn: 150n });
    expect(commonPast(a, a)).toEqual({ timeline: 2 });
    expect(commonPast(a, rootHistory(timelineId(9)))).toBeUndefined();
  });

  it("refuse a child that is not younger", () => {
    expect(() => extendHistory(rootHistory(timelineId(2)), timelineId(2), lsn(1), "")).toThrow(
      expect.objectContaining({ code: "TIMELINE_INVALID" }),
    );
  });
});

describe("the segments that a recovery reads", () => {
  const history = extendHistory(rootHistory(timelineId(1)), timelineId(2), parseLsn("0/3000148"), "fork");

  it("come from the child where the timelines fork", () => {
    expect(segmentTimeline(history, parseLsn("0/2FFFFFF"), 16 * MB)).toBe(1);
    expect(segmentTimeline(history, parseLsn("0/3000000"), 16 * MB)).toBe(2);
    expect(
      [...segmentsOfRange(history, parseLsn("0/2000028"), parseLsn("0/4000001"), 16 * MB)].map((s) => s.name),
    ).toEqual(["000000010000000000000002", "000000020000000000000003", "000000020000000000000004"]);
  });

  it("are the parent's to the end when the fork lies on a border", () => {
    const onBorder = extendHistory(rootHistory(timelineId(1)), timelineId(2), parseLsn("0/3000000"), "fork");
    expect(
      [...segmentsOfRange(onBorder, parseLsn("0/2000000"), parseLsn("0/3000001"), 16 * MB)].map((s) => s.name),
    ).toEqual(["000000010000000000000002", "000000020000000000000003"]);
  });

  it("end before a position on a border, and are none for an empty stretch", () => {
    const root = rootHistory(timelineId(1));
    expect([...segmentsOfRange(root, parseLsn("0/2000028"), parseLsn("0/3000000"), 16 * MB)]).toHaveLength(1);
    expect([...segmentsOfRange(root, parseLsn("0/3000000"), parseLsn("0/3000000"), 16 * MB)]).toHaveLength(0);
  });

  it("cover every byte of the stretch, each from its owner or from the copy in its owner's child", () => {
    fc.assert(
      fc.property(
        anyHistory,
        fc.integer({ min: 0, max: 300 }),
        fc.integer({ min: 1, max: 20 }),
        (small, from, length) => {
          // The same history, a megabyte for each byte, so that switches fall on borders; and half a megabyte off them.
          const stretched: TimelineHistory = {
            timeline: small.timeline,
            entries: small.entries.map((e, i) => ({
              ...e,
              switchLsn: lsn(e.switchLsn * BigInt(MB) + BigInt((i % 2) * 512 * 1024)),
            })),
          };
          const start = lsn(BigInt(from) * BigInt(MB) + 17n);
          const end = lsn(start + BigInt(length) * BigInt(MB));
          let reached = start;
          for (const segment of segmentsOfRange(stretched, start, end, MB)) {
            expect(segment.start <= reached && reached < segment.end).toBe(true);
            const owners = [segment.start, lsn(segment.end - 1n)].map((at) => timelineContaining(stretched, at));
            expect(segment.timeline).toBe(Math.max(...owners));
            reached = segment.end;
          }
          expect(reached >= end).toBe(true);
        },
      ),
    );
  });
});
