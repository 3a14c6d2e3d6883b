/** Which WAL a backup cannot live without; the ground of retention. Pure: nothing is read. */
import type { Lsn, TimelineId } from "../postgres/index.ts";
import { parseSegmentName, segmentStart } from "../postgres/index.ts";
import type { BackupInfo } from "./backup-info.ts";

/** WAL that must stay as long as the backup does: without it the backup cannot become consistent. */
export interface WalNeed {
  readonly label: string;
  /** Timelines from the first to the last; with two of them also their history files are needed. */
  readonly firstTimeline: TimelineId;
  readonly lastTimeline: TimelineId;
  /** Start of the first segment. */
  readonly from: Lsn;
  /** First position that is not needed. */
  readonly to: Lsn;
}

/** What a backup needs; `segmentSize` for backups of pgmoneta, which do not record it. */
export function walNeedOf(info: BackupInfo, segmentSize: number): WalNeed {
  const size = info.own?.walSegmentSize ?? segmentSize;
  return {
    label: info.label,
    firstTimeline: info.startTimeline,
    lastTimeline: info.endTimeline,
    from: segmentStart(info.startLsn, size),
    to: info.endLsn,
  };
}

/**
 * Labels of the backups that need the segment called `segment`. Between two timelines of a backup every copy counts:
 * without their history files it is not known which one recovery takes.
 */
export function backupsNeeding(segment: string, backups: readonly BackupInfo[], segmentSize: number): string[] {
  const { timeline, start } = parseSegmentName(segment, segmentSize);
  const end = start + BigInt(segmentSize);
  return backups
    .map((info) => walNeedOf(info, segmentSize))
    .filter(
      (need) => timeline >= need.firstTimeline && timeline <= need.lastTimeline && start < need.to && end > need.from,
    )
    .map((need) => need.label);
}

/** WAL before this position of each timeline serves no backup and no recovery from one; see `oldestNeeded`. */
export interface OldestNeeded {
  readonly timeline: TimelineId;
  readonly from: Lsn;
}

/**
 * From where on WAL is needed to recover from any of `backups` to any later moment: on the timeline where the oldest
 * backup begins, its first segment; timelines below it are not needed at all, timelines above it entirely.
 */
export function oldestNeeded(backups: readonly BackupInfo[], segmentSize: number): OldestNeeded | undefined {
  let oldest: OldestNeeded | undefined;
  for (const need of backups.map((info) => walNeedOf(info, segmentSize))) {
    const earlier =
      oldest === undefined ||
      need.firstTimeline < oldest.timeline ||
      (need.firstTimeline === oldest.timeline && need.from < oldest.from);
    if (earlier) oldest = { timeline: need.firstTimeline, from: need.from };
  }
  return oldest;
}
