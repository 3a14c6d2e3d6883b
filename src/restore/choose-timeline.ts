/**
 * The timeline that recovery follows. PostgreSQL's `latest` is not used for a primary: it takes the highest number it
 * finds, also when that branch left before the backup was taken, and stops looking at the first number that is missing.
 */
import { descendsFrom, formatLsn, historyFileName, lowerLsn, rootHistory, type Lsn, type TimelineHistory, type TimelineId } from "../postgres/index.ts";
import type { BackupInfo, WalInventory } from "../repository/index.ts";
import { restoreErrors } from "./errors.ts";
import type { RecoveryPosition } from "./recovery-position.ts";

/** The history of the wanted timeline for this backup. Throws RESTORE_TARGET_UNREACHABLE when it does not lead there. */
export async function chooseTimeline(
  wanted: RecoveryPosition["timeline"],
  info: BackupInfo,
  inventory: WalInventory,
): Promise<TimelineHistory> {
  if (wanted === undefined || wanted === "latest") return newestDescendant(info, inventory);
  const timeline = wanted === "current" ? info.endTimeline : wanted;
  const history = timeline === 1 ? rootHistory(timeline) : await readHistory(timeline, inventory);
  const end = (await inventory.durableEnd(timeline))?.lsn;
  if (end === undefined) throw restoreErrors.unreachable(`the repository has no WAL of timeline ${timeline}`, { timeline });
  if (descendsFrom(history, info.endTimeline, info.endLsn)) {
    await refuseShorterThanPast(history, end, inventory);
    return history;
  }
  throw restoreErrors.unreachable(
    `timeline ${timeline} left ${leftAt(history, info.endTimeline)} before backup ${info.label} ended at ${formatLsn(info.endLsn)} on timeline ${info.endTimeline}`,
    { timeline, label: info.label },
  );
}

function leftAt(history: TimelineHistory, timeline: TimelineId): string {
  const entry = history.entries.find((each) => each.timeline === timeline);
  return entry === undefined ? `the line of timeline ${timeline}` : `timeline ${timeline} at ${formatLsn(entry.switchLsn)},`;
}

async function readHistory(timeline: TimelineId, { histories }: WalInventory): Promise<TimelineHistory> {
  const history = await histories.read(timeline);
  if (history !== undefined) return history;
  throw restoreErrors.unreachable(`the repository has no history of timeline ${timeline} (${historyFileName(timeline)})`, { timeline });
}

/**
 * The highest timeline that descends from the end of the backup. Without its WAL its parent's is no substitute: beyond
 * the fork that is another world (the history comes first, so this can be a matter of moments).
 */
async function newestDescendant(info: BackupInfo, inventory: WalInventory): Promise<TimelineHistory> {
  for (const timeline of (await inventory.histories.list()).reverse()) {
    if (timeline <= info.endTimeline) break;
    const history = await readHistory(timeline, inventory);
    if (!descendsFrom(history, info.endTimeline, info.endLsn)) continue;
    const end = (await inventory.durableEnd(timeline))?.lsn;
    if (end !== undefined) {
      await refuseShorterThanPast(history, end, inventory);
      return history;
    }
    const parent = history.entries.at(-1)?.timeline ?? info.endTimeline;
    throw restoreErrors.unreachable(
      `the repository has the history of timeline ${timeline}, which left ${leftAt(history, parent)} but no WAL of it; to restore along timeline ${parent} all the same, say so: timeline=${parent}`,
      { timeline, label: info.label },
    );
  }
  await refuseUnknownTimeline(info, inventory);
  return info.endTimeline === 1 ? rootHistory(info.endTimeline) : readHistory(info.endTimeline, inventory);
}

/** WAL of a later timeline whose history was lost may be what happened after this backup: nobody may end before it. */
async function refuseUnknownTimeline({ endTimeline, label }: BackupInfo, inventory: WalInventory): Promise<void> {
  const known = new Set<number>(await inventory.histories.list());
  for await (const { segment } of inventory.files()) {
    const timeline = Number.parseInt(segment.slice(0, 8), 16);
    if (timeline <= endTimeline || known.has(timeline)) continue;
    throw restoreErrors.unreachable(
      `the repository has WAL of timeline ${timeline} (${segment}) but not its history (${historyFileName(timeline as TimelineId)}), which says whether it goes on from backup ${label}; put it back, or to restore along timeline ${endTimeline} all the same, say so: timeline=${endTimeline}`,
      { timeline, label },
    );
  }
}

/**
 * The segment in which a timeline forks is received anew with the child, from its start. Until the child's copy has
 * come up to the fork the ancestor's holds more, acknowledged commits perhaps, and recovery along the child would end
 * before them without a word.
 */
async function refuseShorterThanPast(history: TimelineHistory, end: Lsn, inventory: WalInventory): Promise<void> {
  for (const { timeline, switchLsn } of history.entries) {
    if (switchLsn <= end) continue;
    const stored = (await inventory.durableEnd(timeline))?.lsn;
    if (stored === undefined || lowerLsn(stored, switchLsn) <= end) continue;
    throw restoreErrors.unreachable(
      `the repository has WAL of timeline ${history.timeline} only up to ${formatLsn(end)}, less than timeline ${timeline} has, which it left at ${formatLsn(switchLsn)}; to restore along timeline ${timeline}, say so: timeline=${timeline}`,
      { timeline: history.timeline },
    );
  }
}

/**
 * True when `latest` leads PostgreSQL along a line that descends from the backup: it counts up from the timeline of the
 * backup until a history is missing, and takes the last one it found, whatever branch that is.
 */
export async function latestIsSafe(info: BackupInfo, { histories }: WalInventory): Promise<boolean> {
  let newest = info.endTimeline;
  const known = new Set(await histories.list());
  while (known.has((newest + 1) as TimelineId)) newest = (newest + 1) as TimelineId;
  if (newest === info.endTimeline) return true;
  const history = await histories.read(newest);
  return history !== undefined && descendsFrom(history, info.endTimeline, info.endLsn);
}
