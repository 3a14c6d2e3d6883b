import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lsn, segmentName, timelineId } from "../../../src/postgres/index.ts";
import { createWalLedger } from "../../../src/supervisor/wal-ledger.ts";

const size = 16 * 1024 * 1024;
const at = (segment: number) => lsn(BigInt(segment) * BigInt(size));
const name = (timeline: number, segment: number): string => segmentName(timelineId(timeline), at(segment), size);

describe("the ledger of complete segments", () => {
  it("grows with the stream, keeps holes and timelines apart, and counts nothing twice", () => {
    const ledger = createWalLedger();
    ledger.load([{ timeline: timelineId(1), start: at(2), end: at(4) }]);
    for (const [timeline, segment] of [
      [1, 4],
      [1, 3],
      [1, 4],
      [1, 7],
      [2, 4],
      [2, 5],
    ] as const)
      ledger.add(name(timeline, segment), size);
    expect(ledger.stretches).toEqual([
      { timeline: 1, start: at(2), end: at(5) },
      { timeline: 1, start: at(7), end: at(8) },
      { timeline: 2, start: at(4), end: at(6) },
    ]);
  });

  it("covers exactly the segments that were announced", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(30), { maxLength: 40 }), (segments) => {
        const ledger = createWalLedger();
        for (const segment of segments) ledger.add(name(1, segment), size);
        const covered = ledger.stretches.flatMap(({ start, end }) => {
          const from = Number(start / BigInt(size));
          return Array.from({ length: Number((end - start) / BigInt(size)) }, (_, index) => from + index);
        });
        expect(covered.sort((a, b) => a - b)).toEqual([...new Set(segments)].sort((a, b) => a - b));
      }),
    );
  });
});
