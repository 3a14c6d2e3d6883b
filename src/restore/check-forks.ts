/**
 * A history file has no checksum. With another switch point, which one changed digit makes, recovery would read what
 * the old timeline went on with, and leave out what the new one has. The WAL knows better: every page names the
 * timeline on which it was begun, and the segment of a fork is stored with the new timeline from its first page on,
 * which is older than the fork.
 */
import {
  formatLsn,
  historyFileName,
  parseWalPageHeader,
  segmentName,
  segmentStart,
  segmentTimeline,
  timelineContaining,
  walPageHeaderSize,
  type Lsn,
} from "../postgres/index.ts";
import { readSegment, type WalSource } from "../repository/index.ts";
import { restoreErrors } from "./errors.ts";
import type { WalReach } from "./wal-reach.ts";

/** Looks at the forks before `until`. Throws RESTORE_HISTORY_WRONG, and what reading a segment throws. */
export async function checkForks(source: WalSource, { history, from, end }: WalReach, until: Lsn): Promise<void> {
  const { segmentSize } = source.inventory;
  const to = until < end ? until : end;
  for (const { timeline: parent, switchLsn } of history.entries) {
    const start = segmentStart(switchLsn, segmentSize);
    if (start < from || start >= to) continue;
    const name = segmentName(segmentTimeline(history, start, segmentSize), start, segmentSize);
    const begun = await timelineOfFirstPage(source, name);
    if (begun === undefined || begun <= timelineContaining(history, start)) continue;
    const file = historyFileName(history.timeline);
    throw restoreErrors.historyWrong(
      `"${file}" says that timeline ${parent} was left at ${formatLsn(switchLsn)}, but segment ${name} was begun on timeline ${begun} before that`,
      { file, segment: name },
    );
  }
}

async function timelineOfFirstPage(source: WalSource, name: string): Promise<number | undefined> {
  let first: Buffer | undefined;
  await readSegment(source, name, (piece) => {
    first ??= Buffer.from(piece.subarray(0, walPageHeaderSize));
  });
  return first === undefined || first.length < walPageHeaderSize ? undefined : parseWalPageHeader(first).timeline;
}
