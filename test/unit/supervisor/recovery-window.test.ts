import { expect, it, test } from "vitest";
import { lsn, timelineId } from "../../../src/postgres/index.ts";
import { reachesNow } from "../../../src/supervisor/recovery-window.ts";

const size = 0x1000000;
const stretch = (timeline: number, from: number, to: number) => ({ timeline: timelineId(timeline), start: lsn(BigInt(from * size)), end: lsn(BigInt(to * size)) });
const at = (timeline: number, segment: number, offset = 0x28) => ({ startTimeline: timelineId(timeline), startLsn: lsn(BigInt(segment * size + offset)) });
const end = (timeline: number, segment: number, offset = 0x100) => ({ timeline, flushed: BigInt(segment * size + offset), segmentSize: size });

test.each<[string, Parameters<typeof reachesNow>, boolean]>([
  ["all segments are there", [at(1, 2), [stretch(1, 1, 9)], end(1, 9)], true],
  ["the stream is at the beginning of a segment", [at(1, 2), [stretch(1, 1, 9)], end(1, 9, 0)], true],
  ["a segment is missing", [at(1, 2), [stretch(1, 1, 5), stretch(1, 6, 9)], end(1, 9)], false],
  ["the first segment is missing", [at(1, 2), [stretch(1, 3, 9)], end(1, 9)], false],
  ["a later backup is behind the gap", [at(1, 7), [stretch(1, 1, 5), stretch(1, 6, 9)], end(1, 9)], true],
  ["the backup began in the segment that is being received", [at(1, 9), [stretch(1, 1, 9)], end(1, 9)], true],
  ["there was a switch of timelines", [at(1, 2), [stretch(1, 1, 5), stretch(2, 4, 9)], end(2, 9)], true],
  ["the new timeline has no complete segment yet", [at(1, 2), [stretch(1, 1, 5)], end(2, 5)], true],
  ["WAL is missing between the timelines", [at(1, 2), [stretch(1, 1, 4), stretch(2, 6, 9)], end(2, 9)], false],
  ["the second of two switches lacks WAL", [at(1, 2), [stretch(1, 1, 4), stretch(2, 4, 6), stretch(3, 7, 9)], end(3, 9)], false],
  ["there were two switches", [at(1, 2), [stretch(1, 1, 4), stretch(2, 4, 6), stretch(3, 6, 9)], end(3, 9)], true],
  ["nothing was received yet", [at(1, 2), [], end(0, 0)], false],
])("%s", (_what, given, expected) => {
  expect(reachesNow(...given)).toBe(expected);
});

it("knows nothing of a server whose segments have no size yet", () => {
  expect(reachesNow(at(1, 2), [stretch(1, 1, 9)], { timeline: 1, flushed: 0n, segmentSize: 0 })).toBe(false);
});
