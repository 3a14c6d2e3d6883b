/**
 * WAL segments: how positions map to the files of `pg_wal` (PostgreSQL manual, "WAL Internals";
 * `XLogFileName` and its relatives in xlog_internal.h). The name holds the timeline, the upper half of the
 * position and the number of the segment within those 4 GB, so it means nothing without the segment size.
 */
import { postgresErrors } from "./errors.ts";
import type { Lsn } from "./lsn.ts";
import type { TimelineId } from "./timeline-id.ts";
import { hexDigits, timelineDigits, timelineId } from "./timeline-id.ts";

/** `wal_segment_size` of initdb when nothing else is asked for: 16 MB. */
export const defaultSegmentSize = 16 * 1024 * 1024;
export const smallestSegmentSize = 1024 * 1024;
export const largestSegmentSize = 1024 * 1024 * 1024;

/** The file that holds a stretch of WAL. */
export interface WalSegment {
  readonly timeline: TimelineId;
  /** Position of the first byte of the file. */
  readonly start: Lsn;
}

/** True for the sizes that initdb accepts: a power of two from 1 MB to 1 GB. */
export function isSegmentSize(bytes: number): boolean {
  return (
    Number.isInteger(bytes) &&
    bytes >= smallestSegmentSize &&
    bytes <= largestSegmentSize &&
    (bytes & (bytes - 1)) === 0
  );
}

/** `segmentSize` (bytes) as the bigint of the arithmetic. Throws WAL_SEGMENT_SIZE_INVALID. */
function sizeOf(segmentSize: number): bigint {
  if (!isSegmentSize(segmentSize)) {
    throw postgresErrors.segmentSizeInvalid(`${segmentSize} bytes is not a WAL segment size`);
  }
  return BigInt(segmentSize);
}

/** Name of the segment that contains the byte at `lsn`; `segmentSize` in bytes. */
export function segmentName(timeline: TimelineId, lsn: Lsn, segmentSize: number): string {
  const size = sizeOf(segmentSize);
  const high = Number(lsn >> 32n);
  const within = Number((lsn & 0xffff_ffffn) / size);
  return timelineDigits(timeline) + hexDigits(high) + hexDigits(within);
}

/** First position of the segment that contains the byte at `lsn`. */
export function segmentStart(lsn: Lsn, segmentSize: number): Lsn {
  return (lsn & ~(sizeOf(segmentSize) - 1n)) as Lsn;
}

/** First position after the segment that contains the byte at `lsn`; at a boundary that is one whole segment on. */
export function nextSegmentStart(lsn: Lsn, segmentSize: number): Lsn {
  return (segmentStart(lsn, segmentSize) + BigInt(segmentSize)) as Lsn;
}

/** Distance in bytes of `lsn` from the start of its segment. */
export function segmentOffset(lsn: Lsn, segmentSize: number): number {
  return Number(lsn & (sizeOf(segmentSize) - 1n));
}

/**
 * Timeline and first position of the segment called `name`. Throws WAL_SEGMENT_NAME_INVALID when it is not 24
 * upper-case hexadecimal digits (PostgreSQL writes and accepts no others) or cannot exist with this size.
 */
export function parseSegmentName(name: string, segmentSize: number): WalSegment {
  const size = sizeOf(segmentSize);
  const refuse = (why: string) => postgresErrors.segmentNameInvalid(`${JSON.stringify(name)} ${why}`, { name });
  if (!/^[0-9A-F]{24}$/.test(name)) throw refuse("is not the name of a WAL segment");
  const timeline = Number.parseInt(name.slice(0, 8), 16);
  if (timeline === 0) throw refuse("is on timeline 0, which does not exist");
  const within = BigInt(`0x${name.slice(16)}`);
  if (within * size > 0xffff_ffffn) throw refuse(`cannot exist with segments of ${segmentSize} bytes`);
  const start = ((BigInt(`0x${name.slice(8, 16)}`) << 32n) + within * size) as Lsn;
  return { timeline: timelineId(timeline), start };
}
