/** Which complete segments of a server are stored, as stretches in memory: read once, then kept by what is announced. */
import { higherLsn, lowerLsn, lsn, parseSegmentName } from "../postgres/index.ts";
import type { WalStretch } from "../repository/index.ts";

export type StoredStretch = Pick<WalStretch, "timeline" | "start" | "end">;

export interface WalLedger {
  readonly stretches: readonly StoredStretch[];
  /** Starts again from what is really there. */
  load(stretches: readonly StoredStretch[]): void;
  /** A segment is complete; `segmentSize` in bytes. One that is known already changes nothing. */
  add(segment: string, segmentSize: number): void;
  /** These positions are not stored any more. */
  forget(ranges: readonly StoredStretch[]): void;
}

export function createWalLedger(): WalLedger {
  let stretches: StoredStretch[] = [];
  return {
    get stretches() {
      return stretches;
    },
    load(found) {
      stretches = [...found];
    },
    add(segment, segmentSize) {
      const { timeline, start } = parseSegmentName(segment, segmentSize);
      const end = lsn(start + BigInt(segmentSize));
      if (stretches.some((known) => known.timeline === timeline && known.start <= start && known.end >= end)) return;
      const last = stretches.findIndex((known) => known.timeline === timeline && known.end === start);
      const before = stretches[last];
      if (before === undefined) stretches.push({ timeline, start, end });
      else stretches[last] = { ...before, end };
    },
    forget(ranges) {
      stretches = stretches.flatMap((known) => without(known, ranges));
    },
  };
}

/** What of a stretch lies in none of `ranges`. */
function without(stretch: StoredStretch, ranges: readonly StoredStretch[]): StoredStretch[] {
  return ranges
    .filter(({ timeline }) => timeline === stretch.timeline)
    .reduce<StoredStretch[]>(
      (left, { start, end }) =>
        left.flatMap((part) =>
          [
            { ...part, end: lowerLsn(part.end, start) },
            { ...part, start: higherLsn(part.start, end) },
          ].filter((piece) => piece.start < piece.end),
        ),
      [stretch],
    );
}

/** After WAL was removed: what is not there any more is forgotten, what is announced meanwhile stays known. */
export async function forgetRemoved(ledger: WalLedger, read: () => Promise<readonly StoredStretch[]>): Promise<void> {
  const before = ledger.stretches;
  const there = await read();
  ledger.forget(before.flatMap((stretch) => without(stretch, there)));
}
