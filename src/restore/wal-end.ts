/** How much of the WAL a recovery to its target reads: no more of it has to go with a cluster that fetches none. */
import { lowerLsn, lsnPlus, segmentStart, type Lsn } from "../postgres/index.ts";
import type { Approach } from "./approach.ts";
import { scanWal } from "./wal-scan.ts";

/**
 * First position that recovery does not need, at the end of a segment or of the WAL. Where the record of the target is not
 * known by its place (a time, a transaction, a restore point) everything counts.
 */
export async function endForTarget({ backup, checked, reach, wal }: Approach): Promise<Lsn> {
  const { target } = checked;
  const { segmentSize } = wal.inventory;
  const endOfSegment = (position: Lsn): Lsn => lowerLsn(reach.end, lsnPlus(segmentStart(lsnPlus(position, -1), segmentSize), segmentSize));
  if (target.kind === "immediate") return endOfSegment(backup.info.endLsn);
  if (target.kind !== "lsn" || checked.problem !== undefined) return reach.end;
  // Recovery stops at the first record that begins there or later, and has to read it.
  const { history, end } = reach;
  const { last } = await scanWal(wal, { history, from: target.lsn, to: end, enough: ({ last: seen }) => seen !== undefined && seen.start >= target.lsn });
  return last === undefined ? end : endOfSegment(last.end > backup.info.endLsn ? last.end : backup.info.endLsn);
}
