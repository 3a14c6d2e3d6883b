/** From which moment on a server can be restored, from what is known of its backups and its WAL: memory only. */
import { startTimeOf, type BackupInfo, type CatalogEntry } from "../repository/index.ts";
import type { SupervisedServer } from "./server.ts";
import type { KnownTimeline } from "./timelines.ts";
import type { StoredStretch } from "./wal-ledger.ts";

/** What is stored, and where the server is. */
export interface StoredWal {
  /** Complete segments. */
  readonly stretches: readonly StoredStretch[];
  readonly timelines: readonly KnownTimeline[];
  /** Bytes of a segment; 0 is not known. */
  readonly segmentSize: number;
  /** The timeline that the server is on; 0 is not known. */
  readonly timeline: number;
  /** Up to where its WAL is durable. */
  readonly flushed: bigint;
}

interface Leg {
  readonly timeline: number;
  readonly from: bigint;
  readonly to: bigint;
}

/** The legs from a position on an earlier timeline to the end, oldest first; undefined when no way leads there. */
function way(from: { readonly timeline: number; readonly lsn: bigint }, end: { readonly timeline: number; readonly lsn: bigint }, timelines: readonly KnownTimeline[]): Leg[] | undefined {
  const legs: Leg[] = [];
  let { timeline, lsn: to } = end;
  while (timeline !== from.timeline) {
    const known = timelines.find((one) => one.timeline === timeline);
    if (known === undefined || known.parent === 0 || known.parent >= timeline) return undefined;
    legs.unshift({ timeline, from: known.switchLsn, to });
    timeline = known.parent;
    to = known.switchLsn;
  }
  // It was taken after the server had left for another timeline.
  if (from.lsn > to) return undefined;
  return [{ timeline, from: from.lsn, to }, ...legs];
}

/**
 * The oldest valid backup from which every segment up to the end of the WAL is there. The segment that is being received
 * is no complete one: it counts as far as it is durable.
 */
export function oldestReaching(entries: readonly CatalogEntry[], wal: StoredWal): BackupInfo | undefined {
  const { stretches, timelines } = wal;
  const size = BigInt(wal.segmentSize > 0 ? wal.segmentSize : 16 * 1024 * 1024);
  const down = (position: bigint): bigint => position - (position % size);
  const last = stretches.reduce<StoredStretch | undefined>(
    (best, one) => (best === undefined || one.timeline > best.timeline || (one.timeline === best.timeline && one.end > best.end) ? one : best),
    undefined,
  );
  const end =
    wal.timeline > 0
      ? { timeline: wal.timeline, lsn: wal.flushed }
      : { timeline: last?.timeline ?? 0, lsn: last?.end ?? 0n };
  const covered = ({ timeline, from, to }: Leg): boolean => {
    // The newer of two timelines has the whole segment in which it began.
    const [first, past] = [down(from), down(to)];
    return first >= past || stretches.some((one) => one.timeline === timeline && one.start <= first && one.end >= past);
  };
  for (const { state, info } of entries) {
    if (state !== "valid" || info === undefined) continue;
    // The WAL that makes it consistent was there when it ended; it may be lost since.
    const own = way({ timeline: info.startTimeline, lsn: info.startLsn }, { timeline: info.endTimeline, lsn: info.endLsn }, timelines);
    const legs = way({ timeline: info.endTimeline, lsn: info.endLsn }, end, timelines);
    if (own?.every(covered) === true && legs?.every(covered) === true) return info;
  }
  return undefined;
}

/** The backups of the present cluster that can be restored. */
export interface RecoveryWindow {
  /** The oldest of them. */
  readonly oldest: BackupInfo | undefined;
  /** The oldest from which every moment up to now can be reached. */
  readonly from: BackupInfo | undefined;
}

/** Of backups that do not say of which cluster they are (pgmoneta's) it is taken that they are of the present one. */
export function recoveryWindow(server: Pick<SupervisedServer, "lineages" | "wal" | "timelines" | "state">, entries: readonly CatalogEntry[]): RecoveryWindow {
  const { lineages: { present }, timelines, wal } = server;
  const { flushLsn, timeline, walSegmentSize } = server.state();
  const ofPresent = entries.filter(({ info }) => present === undefined || info?.own === undefined || info.own.systemIdentifier === present);
  return {
    oldest: ofPresent.find(({ state }) => state === "valid")?.info,
    from: oldestReaching(ofPresent, { stretches: wal.stretches, timelines, segmentSize: walSegmentSize, timeline, flushed: flushLsn }),
  };
}

/** When a backup had ended, milliseconds since 1970: as recorded, or as its label says. */
export const endOf = (info: BackupInfo): number => info.own?.endTime ?? startTimeOf(info) + Math.ceil(info.elapsed.total * 1000);
