/** Looks for WAL that is missing between stored segments; what is found and not known yet becomes a recorded gap. */
import {
  lowerLsn,
  lsnPlus,
  parseSegmentName,
  timelineBegin,
  timelineEnd,
  type Lsn,
  type TimelineHistory,
  type TimelineId,
} from "../postgres/index.ts";
import { endOfPartial, type WalInventory } from "../repository/index.ts";
import { storageErrors, type Storage } from "../storage/index.ts";

/** Where streaming of a timeline goes on, so that a hole right before it is seen too. */
export interface NextPosition {
  readonly timeline: TimelineId;
  readonly start: Lsn;
}

/** WAL that is missing. */
export interface WalHole {
  readonly timeline: TimelineId;
  readonly from: Lsn;
  readonly to: Lsn;
  /** It lies right before the position where streaming goes on: the server could not send it any more. */
  readonly beforeNext: boolean;
}

/** Stored WAL without a hole. */
interface Piece {
  readonly start: Lsn;
  readonly end: Lsn;
}

/**
 * Returns the holes that are not among the recorded gaps: between the segments of each timeline, and along the
 * server's history from a timeline to its successor. What was pruned counts as stored: it is missing on purpose. Judged
 * by names and lengths, so cheap also for a million segments; contents are proven by verify and restore.
 */
export async function findNewHoles(
  storage: Storage,
  inventory: WalInventory,
  history: TimelineHistory,
  next: NextPosition,
): Promise<WalHole[]> {
  const stored = await storedPieces(storage, inventory);
  const known = await inventory.gaps.list();
  const recorded = ({ timeline, from, to }: WalHole): boolean =>
    known.some((gap) => gap.timeline === timeline && gap.from <= from && gap.to >= to);
  return [...holesWithin(stored, next), ...holesBetween(stored, history, next)].filter((hole) => !recorded(hole));
}

/** Complete segments and partial ones, joined where they touch. */
async function storedPieces(storage: Storage, inventory: WalInventory): Promise<Map<TimelineId, Piece[]>> {
  const pieces = new Map<TimelineId, Piece[]>();
  const add = (timeline: TimelineId, piece: Piece): void => {
    const list = pieces.get(timeline);
    if (list === undefined) pieces.set(timeline, [piece]);
    else list.push(piece);
  };
  for (const { timeline, start, end } of await inventory.stretches()) add(timeline, { start, end });
  for (const { timeline, from, to } of await inventory.pruned.list()) add(timeline, { start: from, end: to });
  for await (const { segment, form } of inventory.files()) {
    if (form !== "partial") continue;
    const { timeline, start } = parseSegmentName(segment, inventory.segmentSize);
    const end = await endOfUnfinished(storage, inventory, segment);
    if (end !== undefined && end > start) add(timeline, { start, end });
  }
  for (const [timeline, list] of pieces) pieces.set(timeline, joined(list));
  return pieces;
}

async function endOfUnfinished(storage: Storage, inventory: WalInventory, segment: string): Promise<Lsn | undefined> {
  const { segmentSize } = inventory;
  const location = await inventory.find(segment);
  if (location === undefined) return undefined;
  // A partial left beside its complete segment says nothing.
  if (location.form !== "partial") return lsnPlus(parseSegmentName(segment, segmentSize).start, segmentSize);
  try {
    return await endOfPartial(storage, location, segmentSize);
  } catch (error) {
    if (storageErrors.notFound.is(error)) return undefined;
    throw error;
  }
}

function joined(pieces: readonly Piece[]): Piece[] {
  const result: Piece[] = [];
  for (const piece of [...pieces].sort((a, b) => (a.start < b.start ? -1 : 1))) {
    const last = result.at(-1);
    if (last === undefined || piece.start > last.end) result.push(piece);
    else if (piece.end > last.end) result[result.length - 1] = { start: last.start, end: piece.end };
  }
  return result;
}

function* holesWithin(stored: ReadonlyMap<TimelineId, readonly Piece[]>, next: NextPosition): Generator<WalHole> {
  for (const [timeline, pieces] of stored) {
    for (const [index, { end }] of pieces.entries()) {
      const following = pieces[index + 1]?.start;
      const goesOn = following ?? (next.timeline === timeline ? next.start : undefined);
      if (goesOn !== undefined && goesOn > end) yield { timeline, from: end, to: goesOn, beforeNext: following === undefined };
    }
  }
}

/**
 * The segment in which a timeline was left is stored with its successor from its start, so that a successor which
 * begins there needs nothing of its parent beyond that start.
 */
function* holesBetween(
  stored: ReadonlyMap<TimelineId, readonly Piece[]>,
  history: TimelineHistory,
  next: NextPosition,
): Generator<WalHole> {
  const line = [...history.entries.map((entry) => entry.timeline), history.timeline];
  let covered: Lsn | undefined;
  for (const timeline of line) {
    const pieces = stored.get(timeline) ?? [];
    const first = pieces[0]?.start ?? (next.timeline === timeline ? next.start : undefined);
    if (first === undefined) continue;
    if (covered !== undefined && first > covered) {
      yield* ownedParts(history, covered, first, timeline === next.timeline && pieces.length === 0);
    }
    const left = timelineEnd(history, timeline);
    const end = pieces.at(-1)?.end ?? first;
    covered = left === undefined ? end : lowerLsn(end, left);
  }
}

/** A stretch of a history, divided by the timelines that own its parts. */
function* ownedParts(history: TimelineHistory, from: Lsn, to: Lsn, beforeNext: boolean): Generator<WalHole> {
  for (const timeline of [...history.entries.map((entry) => entry.timeline), history.timeline]) {
    const begin = timelineBegin(history, timeline) ?? from;
    const end = timelineEnd(history, timeline) ?? to;
    const part = { timeline, from: begin > from ? begin : from, to: end < to ? end : to, beforeNext };
    if (part.from < part.to) yield part;
  }
}
