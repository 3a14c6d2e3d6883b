/** Stretches of WAL as lists of files: what a backup needs and what a recovery will ask for. */
import type { Lsn } from "./lsn.ts";
import type { TimelineHistory } from "./timeline-history.ts";
import { timelineContaining } from "./timeline-history.ts";
import type { TimelineId } from "./timeline-id.ts";
import { nextSegmentStart, segmentName, segmentStart } from "./wal-segment.ts";

/** The bytes from `start` up to, and not including, `end` on one timeline (an entry of a manifest's WAL-Ranges). */
export interface WalRange {
  readonly timeline: TimelineId;
  readonly start: Lsn;
  readonly end: Lsn;
}

/** A segment that a recovery along a history reads. */
export interface NeededSegment {
  readonly name: string;
  readonly timeline: TimelineId;
  readonly start: Lsn;
  /** First position after the segment. */
  readonly end: Lsn;
}

/**
 * The timeline whose copy of a segment must be served in this history: the youngest one that owns a byte of it.
 * The segment in which a timeline was forked comes from the child, which begins with a copy of the parent's bytes;
 * with the parent's copy recovery would replay what was committed after the fork.
 */
export function segmentTimeline(history: TimelineHistory, lsn: Lsn, segmentSize: number): TimelineId {
  return timelineContaining(history, (nextSegmentStart(lsn, segmentSize) - 1n) as Lsn);
}

/** The segments that hold the bytes from `from` up to, and not including, `to`, in order, each on the timeline that owns it. */
export function* segmentsOfRange(
  history: TimelineHistory,
  from: Lsn,
  to: Lsn,
  segmentSize: number,
): Generator<NeededSegment, void, undefined> {
  for (let start = segmentStart(from, segmentSize); start < to; start = nextSegmentStart(start, segmentSize)) {
    const timeline = segmentTimeline(history, start, segmentSize);
    const end = nextSegmentStart(start, segmentSize);
    yield { name: segmentName(timeline, start, segmentSize), timeline, start, end };
  }
}
