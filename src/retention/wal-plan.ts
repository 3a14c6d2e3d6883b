/**
 * Which WAL no kept backup and no recovery needs. Pure. A backup needs the WAL that makes it consistent; those that a
 * restore to any later moment shall begin from need everything after that, on every timeline that goes on from them.
 */
import type { BackupInfo, WalRange } from "../repository/index.ts";
import { joinRanges, walNeedOf, withoutRanges } from "../repository/index.ts";
import type { Lsn, TimelineHistory, TimelineId } from "../postgres/index.ts";
import { descendsFrom, lsn, nextSegmentStart, segmentStart } from "../postgres/index.ts";

/** Behind every position that there can be: positions have 64 bits. */
const endOfTime = lsn(2n ** 64n - 1n);

/** WAL of a timeline, and of whatever timeline goes on from it, from a position on. */
export interface WalInUse {
  readonly timeline: TimelineId;
  readonly from: Lsn;
}

export interface WalPlanInput {
  /** Every backup that stays and can be read, of whatever cluster and state. */
  readonly kept: readonly BackupInfo[];
  /** Those of them, of the cluster whose WAL this is, from which any later moment shall be restored. */
  readonly recovery: readonly BackupInfo[];
  /** Those of `recovery` that are known to be of that cluster: only they show that a timeline is past. Default all of them. */
  readonly certain?: readonly BackupInfo[];
  /** What jobs need that run now: a backup that has begun is no backup yet. Default none. */
  readonly inUse?: readonly WalInUse[];
  /** What is stored or was pruned, of each timeline one range from the lowest position to the highest. */
  readonly stored: readonly WalRange[];
  /** By timeline, as far as they are known; timeline 1 has none. */
  readonly histories: ReadonlyMap<TimelineId, TimelineHistory>;
  /** The timeline that is being received, if it is known. */
  readonly live: TimelineId | undefined;
  /** Bytes. */
  readonly segmentSize: number;
}

/** The ranges that may go, from and to the borders of segments; none while nothing can be restored. */
export function unneededWal(input: WalPlanInput): WalRange[] {
  if (input.recovery.length === 0) return [];
  return joinRanges(input.stored.flatMap((range) => withoutRanges(range, neededOn(range.timeline, input))));
}

function neededOn(timeline: TimelineId, input: WalPlanInput): WalRange[] {
  const { kept, recovery, certain = recovery, live, segmentSize, inUse = [] } = input;
  const from = (position: Lsn): WalRange => ({ timeline, from: position, to: endOfTime });
  const reached = recovery.flatMap((info) => {
    const begin = recoveryBegin(info, timeline, input);
    return begin === undefined ? [] : [from(begin)];
  });
  if (reached.length === 0 && !isPast(timeline, certain, live)) return [from(lsn(0n))];
  // Where a timeline comes from that a job has reached meanwhile need not be known yet: the later ones stay whole.
  const used = inUse.flatMap((use) => {
    if (timeline < use.timeline) return [];
    return [from(timeline === use.timeline ? segmentStart(use.from, segmentSize) : lsn(0n))];
  });
  const own = kept.flatMap((info): WalRange[] => {
    const need = walNeedOf(info, segmentSize);
    if (timeline < need.firstTimeline || timeline > need.lastTimeline) return [];
    return [{ timeline, from: segmentStart(need.from, segmentSize), to: endOfSegment(need.to, segmentSize) }];
  });
  return [...reached, ...used, ...own];
}

/** From where on a recovery that begins with this backup can read WAL of `timeline`; undefined when it never does. */
function recoveryBegin(
  info: BackupInfo,
  timeline: TimelineId,
  { histories, segmentSize }: WalPlanInput,
): Lsn | undefined {
  const need = walNeedOf(info, segmentSize);
  if (timeline < need.firstTimeline) return undefined;
  if (timeline <= need.lastTimeline) return segmentStart(need.from, segmentSize);
  const history = histories.get(timeline);
  // Without its history nobody can say that it does not go on from here.
  return history === undefined || descendsFrom(history, info.endTimeline, info.endLsn) ? lsn(0n) : undefined;
}

/**
 * A timeline that no recovery reads is past when a backup of a later one can be restored and it is not received any
 * more. Else it may be where the server is now, and its first backup is still to come.
 */
function isPast(timeline: TimelineId, certain: readonly BackupInfo[], live: TimelineId | undefined): boolean {
  return live !== undefined && timeline !== live && certain.some((info) => info.endTimeline > timeline);
}

function endOfSegment(position: Lsn, segmentSize: number): Lsn {
  return segmentStart(position, segmentSize) === position ? position : nextSegmentStart(position, segmentSize);
}
