/** Is every byte of a stretch of WAL there? Judged by the files, segment by segment, along a timeline history. */
import { storageErrors, type Storage } from "../storage/index.ts";
import type { Lsn, TimelineHistory } from "../postgres/index.ts";
import { formatLsn, segmentsOfRange } from "../postgres/index.ts";
import type { WalLocation, WalLocator } from "./wal-locate.ts";
import { durableEndOfPartial, partialHoldsAll } from "./wal-partial.ts";

/** The bytes from `from` up to, and not including, `to`. */
export interface WalStretchWanted {
  readonly from: Lsn;
  readonly to: Lsn;
  /** Decides which timeline's copy of each segment counts. */
  readonly history: TimelineHistory;
}

export type Continuity =
  | { readonly complete: true; readonly segments: number }
  | {
      readonly complete: false;
      /** Name of the first segment that is missing, or holds too little. */
      readonly firstMissing: string;
      /** For the operator: what is wrong with it. */
      readonly reason: string;
    };

interface Wanted {
  readonly name: string;
  readonly start: Lsn;
  readonly end: Lsn;
}

const absent = "it is not in the repository";
const removed = "retention has removed it";

/** What is wrong with a complete segment; undefined when nothing is. */
function faultOf(location: WalLocation, segmentSize: number): string | undefined {
  const { form, size, record } = location;
  if (form === "raw") return size === segmentSize ? undefined : `it has ${size} bytes instead of ${segmentSize}`;
  if (record === undefined) return size > 0 ? undefined : "its file is empty";
  if (record.plainSize !== segmentSize) return `it holds ${record.plainSize} bytes instead of ${segmentSize}`;
  return record.storedSize === size ? undefined : `its file has ${size} bytes instead of ${record.storedSize}`;
}

/** Segments looked at side by side. */
const batchSize = 32;

function* batches<T>(items: Iterable<T>): Generator<T[]> {
  let batch: T[] = [];
  for (const item of items) {
    batch.push(item);
    if (batch.length === batchSize) {
      yield batch;
      batch = [];
    }
  }
  if (batch.length > 0) yield batch;
}

/**
 * Checks the stretch. Every segment must be complete, or end early with all that the server wrote, except the last one,
 * where a partial segment is enough if it durably reaches `to`. Sizes are checked, contents are not (that is what verify and restore do).
 * `isPruned` says whether a segment that is not there was removed on purpose.
 */
export async function checkContinuity(
  storage: Storage,
  locator: WalLocator,
  segmentSize: number,
  wanted: WalStretchWanted,
  isPruned: (segment: string) => Promise<boolean>,
): Promise<Continuity> {
  const { from, to, history } = wanted;

  async function faultOfPartial(location: WalLocation): Promise<string | undefined> {
    const end = await durableEndOfPartial(storage, location, segmentSize);
    return end >= to ? undefined : `it is being received and ends at ${formatLsn(end)}, before ${formatLsn(to)}`;
  }

  async function faultOfSegment({ name, end }: Wanted): Promise<string | undefined> {
    for (let attempt = 1; ; attempt++) {
      const location = await locator.find(name);
      if (location === undefined) return (await isPruned(name)) ? removed : absent;
      if (location.form !== "partial") return faultOf(location, segmentSize);
      try {
        if (end >= to) return await faultOfPartial(location);
        return (await partialHoldsAll(storage, location, segmentSize)) ? undefined : "it was never completed";
      } catch (error) {
        // It became complete, and perhaps archived, between two looks.
        if (!storageErrors.notFound.is(error) || attempt === 3) throw error;
      }
    }
  }

  let segments = 0;
  for (const batch of batches(segmentsOfRange(history, from, to, segmentSize))) {
    const faults = await Promise.all(batch.map(faultOfSegment));
    const at = faults.findIndex((fault) => fault !== undefined);
    if (at >= 0) return { complete: false, firstMissing: batch[at]?.name ?? "", reason: faults[at] ?? absent };
    segments += batch.length;
  }
  return { complete: true, segments };
}
