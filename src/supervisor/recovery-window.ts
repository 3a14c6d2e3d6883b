/** From which moment on anything can be restored, up to now: from memory, by the positions of backups and of stored WAL. */
import { lineageOf, type BackupInfo, type CatalogEntry } from "../repository/index.ts";
import type { SupervisedServer } from "./server.ts";
import type { StoredStretch } from "./wal-ledger.ts";

/** The end of what is stored now, beside the complete segments. */
export interface StreamEnd {
  readonly timeline: number;
  readonly flushed: bigint;
  readonly segmentSize: number;
}

/** Whether WAL from the start of the backup up to the end of the stream is stored without a gap, over all switches of timelines. */
export function reachesNow(
  { startLsn, startTimeline }: Pick<BackupInfo, "startLsn" | "startTimeline">,
  stretches: readonly StoredStretch[],
  { flushed, segmentSize, timeline }: StreamEnd,
): boolean {
  if (segmentSize <= 0 || timeline <= 0) return false;
  const size = BigInt(segmentSize);
  const start = startLsn - (startLsn % size);
  // What is not complete yet begins here.
  const partial = flushed - (flushed % size);
  if (startTimeline === timeline && start >= partial) return start <= flushed;
  let current = stretches.find((stretch) => stretch.timeline === startTimeline && stretch.start <= start && stretch.end > start);
  const seen = new Set<StoredStretch>();
  while (current !== undefined && !seen.has(current)) {
    const here = current;
    seen.add(here);
    if (here.timeline === timeline && here.end >= partial) return true;
    // A new timeline begins with a copy of the segment in which the switch was, and has no complete one yet.
    if (here.timeline < timeline && here.end >= partial && !stretches.some((other) => other.timeline === timeline)) return true;
    current = stretches
      .filter((other) => other.timeline > here.timeline && other.start <= here.end && other.end > start)
      .toSorted((a, b) => a.timeline - b.timeline)[0];
  }
  return false;
}

export interface RecoveryWindow {
  /** End of the oldest usable backup, milliseconds since 1970; undefined without one. */
  readonly oldest: number | undefined;
  /** End of the oldest from which every moment up to now can be reached. */
  readonly from: number | undefined;
}

/** When a backup had ended: as recorded, or as its label says. */
export function endOf(info: BackupInfo): number {
  const { own, elapsed, label } = info;
  if (own !== undefined) return own.endTime;
  const at = Date.UTC(Number(label.slice(0, 4)), Number(label.slice(4, 6)) - 1, Number(label.slice(6, 8)), Number(label.slice(8, 10)), Number(label.slice(10, 12)), Number(label.slice(12, 14)));
  return at + Math.ceil(elapsed.total * 1000);
}

export function recoveryWindow(server: Pick<SupervisedServer, "lineages" | "wal" | "state">, entries: readonly CatalogEntry[]): RecoveryWindow {
  const { former } = server.lineages;
  const { flushLsn, timeline, walSegmentSize } = server.state();
  const usable = entries.flatMap(({ info, state }) => (state === "valid" && info !== undefined && !former.has(lineageOf(info)) ? [info] : []));
  const whole = usable.filter((info) =>
    reachesNow(info, server.wal.stretches, { timeline: Number(timeline), flushed: flushLsn, segmentSize: Number(walSegmentSize) }),
  );
  const earliest = (infos: readonly BackupInfo[]): number | undefined => (infos.length === 0 ? undefined : Math.min(...infos.map(endOf)));
  return { oldest: earliest(usable), from: earliest(whole) };
}
