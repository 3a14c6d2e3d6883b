/** Looks into the WAL behind a backup: what a recovery target needs to be there, and to lie behind it. */
import {
  createWalRecordReader,
  segmentsOfRange,
  segmentStart,
  type Lsn,
  type StoppingPoint,
  type TimelineHistory,
  type WalRecordReader,
} from "../postgres/index.ts";
import { readSegment, type WalSource } from "../repository/index.ts";
import { restoreErrors } from "./errors.ts";

/** More WAL than this is not read to answer one question; the plan says so then. Bytes. */
export const scanLimit = 1024 * 1024 * 1024;

export interface Scan {
  readonly history: TimelineHistory;
  /** The segments that hold the bytes from `from` up to `to` are read, from the beginning of the first one. */
  readonly from: Lsn;
  readonly to: Lsn;
  /** Called for each record at which recovery can stop. */
  readonly onPoint?: (point: StoppingPoint, start: Lsn) => void;
  /** Asked now and then: nothing more needs to be read. */
  readonly enough?: (reader: WalRecordReader) => boolean;
}

/** Reads WAL forward. Throws RESTORE_WAL_MISSING, RESTORE_WAL_DAMAGED and what reading a segment throws. */
export async function scanWal(source: WalSource, scan: Scan): Promise<WalRecordReader> {
  const { segmentSize } = source.inventory;
  const reader = createWalRecordReader({
    start: segmentStart(scan.from, segmentSize),
    segmentSize,
    ...(scan.onPoint === undefined ? {} : { onStoppingPoint: scan.onPoint }),
  });
  for (const { name } of segmentsOfRange(scan.history, scan.from, scan.to, segmentSize)) {
    const found = await readSegment(source, name, (piece) => {
      reader.write(piece);
    });
    if (found === undefined) throw restoreErrors.walMissing(`WAL segment ${name} is missing in the repository`, { segment: name });
    if (reader.stopped !== undefined || scan.enough?.(reader) === true) break;
  }
  reader.finish();
  return reader;
}

/** Bytes from the start of the first segment to `to`. */
export function scanSize({ from, to }: Pick<Scan, "from" | "to">, segmentSize: number): number {
  return Number(to - segmentStart(from, segmentSize));
}
