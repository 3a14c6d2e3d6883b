/** How far WAL goes on from a backup, without a hole, along a history. */
import {
  formatLsn,
  higherLsn,
  parseSegmentName,
  segmentName,
  segmentStart,
  segmentTimeline,
  type Lsn,
  type TimelineHistory,
} from "../postgres/index.ts";
import { endOfPartial, type BackupInfo, type WalInventory } from "../repository/index.ts";
import type { Storage } from "../storage/index.ts";

export interface MissingWal {
  /** The first segment that is not there, or damaged, and why. */
  readonly segment: string;
  readonly reason: string;
  /** The segment with which WAL of this history begins again, if there is one. */
  readonly resumes?: { readonly segment: string; readonly start: Lsn } | undefined;
}

export interface WalReach {
  readonly history: TimelineHistory;
  /** Start of the first segment that recovery reads. */
  readonly from: Lsn;
  /** First position that is not there. */
  readonly end: Lsn;
  /** Set when there is more WAL behind a hole or damage, or when not even the backup's own is complete. */
  readonly missing: MissingWal | undefined;
}

export async function findReach(
  storage: Storage,
  inventory: WalInventory,
  info: BackupInfo,
  history: TimelineHistory,
): Promise<WalReach> {
  const { segmentSize } = inventory;
  const from = segmentStart(info.startLsn, segmentSize);
  const newest = await inventory.durableEnd(history.timeline);
  const to = higherLsn(newest?.lsn ?? info.endLsn, info.endLsn);
  const state = await inventory.continuity({ from, to, history });
  if (state.complete) return { history, from, end: to, missing: undefined };
  const { firstMissing, reason } = state;
  const end = await beginOfHole(storage, inventory, firstMissing);
  const resumes = await endOfHole(inventory, history, parseSegmentName(firstMissing, segmentSize).start);
  return { history, from, end, missing: { segment: firstMissing, reason, resumes } };
}

/** The first segment behind the one at `hole` that this history reads. */
async function endOfHole(inventory: WalInventory, history: TimelineHistory, hole: Lsn): Promise<MissingWal["resumes"]> {
  const { segmentSize } = inventory;
  let first: MissingWal["resumes"];
  for await (const { segment } of inventory.files()) {
    const { timeline, start } = parseSegmentName(segment, segmentSize);
    if (start <= hole || (first !== undefined && start >= first.start)) continue;
    if (segmentTimeline(history, start, segmentSize) === timeline) first = { segment, start };
  }
  return first;
}

/** A partial segment reaches into the hole. */
async function beginOfHole(storage: Storage, inventory: WalInventory, segment: string): Promise<Lsn> {
  const location = await inventory.find(segment);
  if (location?.form !== "partial") return parseSegmentName(segment, inventory.segmentSize).start;
  const end = await endOfPartial(storage, location, inventory.segmentSize);
  await storage.syncFile(location.path);
  return end;
}

/** Name of the segment that recovery reads the byte at `lsn` from. */
export function segmentOf({ history }: WalReach, lsn: Lsn, segmentSize: number): string {
  return segmentName(segmentTimeline(history, lsn, segmentSize), lsn, segmentSize);
}

/** For messages: up to where WAL goes on, and why not further. */
export function describeReach({ end, missing }: WalReach): string {
  if (missing === undefined) return `the WAL in the repository ends at ${formatLsn(end)}`;
  const { resumes } = missing;
  const again = resumes === undefined ? "" : `, and begins again at ${formatLsn(resumes.start)} with ${resumes.segment}`;
  return `WAL segment ${missing.segment} cannot be used (${missing.reason}), so WAL goes on only to ${formatLsn(end)}${again}`;
}
