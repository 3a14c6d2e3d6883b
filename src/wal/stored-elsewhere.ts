/**
 * Where a server that takes over begins, when it has WAL of an earlier time: with what its slot keeps. What lies between was
 * received of the server that it follows, and is no gap here.
 */
import { higherLsn, nextSegmentStart, segmentStart, timelineBegin, timelineEnd, type Lsn, type TimelineHistory } from "../postgres/index.ts";
import type { WalInventory, WalRange } from "../repository/index.ts";
import type { StartPoint } from "./start-point.ts";

/** The start without what is stored elsewhere; that is called pruned, durably, before anything is received. */
export async function skipStoredElsewhere(
  inventory: WalInventory,
  found: StartPoint,
  history: TimelineHistory,
  slotRestart: Lsn | undefined,
): Promise<StartPoint> {
  if (slotRestart === undefined || found.durable === undefined) return found;
  const { segmentSize } = inventory;
  const start = segmentStart(slotRestart, segmentSize);
  const line = [...history.entries.map((entry) => entry.timeline), history.timeline];
  const timeline = line.find((each) => slotRestart < (timelineEnd(history, each) ?? slotRestart + 1n)) ?? history.timeline;
  const between = line.slice(line.indexOf(found.timeline), line.indexOf(timeline) + 1);
  if (start <= found.start || between.length === 0) return found;
  const ranges = between.flatMap((each): WalRange[] => {
    const from = each === found.timeline ? found.start : segmentStart(timelineBegin(history, each) ?? found.start, segmentSize);
    const left = timelineEnd(history, each);
    const to = each === timeline ? start : left === undefined ? start : endOfSegment(left, segmentSize);
    return from < to ? [{ timeline: each, from, to }] : [];
  });
  await inventory.pruned.add(ranges);
  return { timeline, start, existingEnd: start, durable: higherLsn(found.durable, start) };
}

function endOfSegment(position: Lsn, segmentSize: number): Lsn {
  return segmentStart(position, segmentSize) === position ? position : nextSegmentStart(position, segmentSize);
}
