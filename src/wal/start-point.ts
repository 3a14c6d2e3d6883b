/**
 * Where streaming begins: at the start of the segment that holds what is durable here, else where the slot holds
 * WAL back, else at the server's present segment. Always along the server's own history.
 */
import {
  higherLsn,
  lowerLsn,
  parseSegmentName,
  segmentStart,
  timelineBegin,
  timelineEnd,
  type Lsn,
  type TimelineHistory,
  type TimelineId,
} from "../postgres/index.ts";
import { messageOf, MonetaError } from "../common/index.ts";
import type { WalInventory } from "../repository/index.ts";
import { walErrors } from "./errors.ts";
import { giveUpPartial } from "./partial-file.ts";

/** WAL of an old timeline beyond the point where the server left it: kept, never used by the server's own branch. */
export interface DeadBranch {
  readonly timeline: TimelineId;
  readonly from: Lsn;
  readonly to: Lsn;
}

export interface StartPoint {
  readonly timeline: TimelineId;
  /** Start of a segment. */
  readonly start: Lsn;
  /** First position that the partial segment at `start` does not hold; `start` when it does not exist. */
  readonly existingEnd: Lsn;
  /** First position that is not stored on the server's branch; undefined when nothing of it is. */
  readonly durable: Lsn | undefined;
  readonly deadBranch?: DeadBranch;
}

/** What the server offers. */
export interface ServerPosition {
  readonly history: TimelineHistory;
  /** Its flush position. */
  readonly xlogpos: Lsn;
  /** `restart_lsn` of the slot. */
  readonly slotRestart: Lsn | undefined;
}

export async function findStartPoint(inventory: WalInventory, server: ServerPosition): Promise<StartPoint> {
  const { history } = server;
  const { segmentSize } = inventory;
  const newestFirst = [...history.entries.map((entry) => entry.timeline), history.timeline].reverse();
  for (const [index, timeline] of newestFirst.entries()) {
    const end = await inventory.durableEnd(timeline);
    if (end === undefined) continue;
    const left = timelineEnd(history, timeline);
    // All of an old timeline is here: its successor comes next, which begins with the segment of the switch.
    if (left !== undefined && end.lsn >= left) {
      const child = newestFirst[index - 1] ?? history.timeline;
      const start = segmentStart(left, segmentSize);
      const surplus = end.lsn > left ? { deadBranch: { timeline, from: left, to: end.lsn } } : {};
      return { timeline: child, start, existingEnd: start, durable: left, ...surplus };
    }
    // A partial one can be full: the receiver was killed right before it gave the segment its final name.
    const { form, segment, suffix } = end.location;
    const start = form === "partial" ? parseSegmentName(segment, segmentSize).start : end.lsn;
    // One that got another form while its cluster was none of this server's is received anew.
    return { timeline, start, existingEnd: suffix === ".partial" ? end.lsn : start, durable: end.lsn };
  }
  const begin = timelineBegin(history, history.timeline) ?? server.xlogpos;
  // A slot can point to an ancestor's WAL; without anything stored there is no reason to go back before the present timeline.
  const wanted = lowerLsn(higherLsn(server.slotRestart ?? server.xlogpos, begin), server.xlogpos);
  const start = segmentStart(wanted, segmentSize);
  return { timeline: history.timeline, start, existingEnd: start, durable: undefined };
}

/**
 * As `findStartPoint`. A partial segment that the disk refuses to sync is set aside: asked again, the disk would say
 * yes without having the bytes. Throws WAL_SYNC_FAILED then; the next attempt receives the segment from its start.
 */
export async function findDurableStart(inventory: WalInventory, server: ServerPosition): Promise<StartPoint> {
  try {
    return await findStartPoint(inventory, server);
  } catch (error) {
    const { path, attempt } = error instanceof MonetaError ? error.details : {};
    if (attempt !== "sync" || typeof path !== "string" || !path.endsWith(".partial")) throw error;
    giveUpPartial(path, Infinity);
    throw walErrors.syncFailed(`"${path}" could not be synced: ${messageOf(error)}`, { path }, error);
  }
}

/** WAL of timelines that the server knows nothing of: it was left behind by a failover and came back, or is another branch. */
export async function foreignBranches(inventory: WalInventory, history: TimelineHistory): Promise<DeadBranch[]> {
  const found = new Map<TimelineId, DeadBranch>();
  for (const { timeline, start, end } of await inventory.stretches()) {
    if (timelineBegin(history, timeline) === undefined) found.set(timeline, { timeline, from: found.get(timeline)?.from ?? start, to: end });
  }
  for await (const { segment, form } of inventory.files()) {
    if (form !== "partial") continue;
    const { timeline, start } = parseSegmentName(segment, inventory.segmentSize);
    if (timelineBegin(history, timeline) !== undefined) continue;
    const end = (await inventory.durableEnd(timeline))?.lsn ?? start;
    found.set(timeline, { timeline, from: found.get(timeline)?.from ?? start, to: end });
  }
  return [...found.values()];
}
