/** The WAL of a server in the repository: where each segment is, what is there, what is missing. */
import type { Lsn, TimelineId } from "../postgres/index.ts";
import { lsn, parseSegmentName } from "../postgres/index.ts";
import { storageErrors, type Storage } from "../storage/index.ts";
import { repositoryErrors } from "./errors.ts";
import { serverLayout, type ServerLayout } from "./layout.ts";
import type { Continuity, WalStretchWanted } from "./wal-continuity.ts";
import { checkContinuity } from "./wal-continuity.ts";
import type { WalFile } from "./wal-file.ts";
import { walFileFromName } from "./wal-file.ts";
import type { WalGap, WalGaps } from "./wal-gaps.ts";
import { openWalGaps } from "./wal-gaps.ts";
import type { WalHistories } from "./wal-histories.ts";
import { openWalHistories } from "./wal-histories.ts";
import type { WalRecord } from "./wal-index.ts";
import { openWalIndex } from "./wal-index.ts";
import type { WalLocation, WalLocator } from "./wal-locate.ts";
import { createWalLocator } from "./wal-locate.ts";
import { durableEndOfPartial } from "./wal-partial.ts";
import type { SecondCopy } from "./wal-second.ts";
import { filesOfSecond, historiesOfBoth, locateInBoth } from "./wal-second.ts";
import type { WalPruned } from "./wal-pruned.ts";
import { isWithin, openWalPruned } from "./wal-pruned.ts";

/** Complete segments of one timeline without a hole: from `start` up to, and not including, `end`. */
export interface WalStretch {
  readonly timeline: TimelineId;
  readonly start: Lsn;
  readonly end: Lsn;
  readonly segments: number;
}

/** The end of the durable WAL of a timeline. */
export interface WalEnd {
  /** First position that is not there. */
  readonly lsn: Lsn;
  /** The segment that holds the byte before it. */
  readonly location: WalLocation;
}

export interface WalInventory extends WalLocator {
  readonly server: string;
  /** Where it lies: of the present cluster, or of an earlier one. */
  readonly layout: ServerLayout;
  /** Bytes of a complete segment. */
  readonly segmentSize: number;
  /** Every file with WAL, in no particular order: a segment can show up in two forms at once. */
  files(): AsyncIterable<WalFile>;
  /** Names of the complete segments that have not been archived yet, oldest first. */
  unarchived(): Promise<string[]>;
  /** What is complete, by timeline and position. */
  stretches(): Promise<WalStretch[]>;
  /** Is every byte of a stretch there, and durable? */
  continuity(wanted: WalStretchWanted): Promise<Continuity>;
  /**
   * Where the newest segment of a timeline ends; a partial one is synced first, so that the answer is a promise also
   * without a receiver. Undefined when the timeline has none. Holes before it are not looked for.
   */
  durableEnd(timeline: TimelineId): Promise<WalEnd | undefined>;
  /**
   * Makes the record of an archived segment durable: after its stored file is, before its raw one goes. One writer a
   * server. Returns how many bytes of a torn record were cut off before.
   */
  record(record: WalRecord): Promise<number>;
  /** The record of a segment; see `WalIndex`. */
  lookup(segment: string): Promise<WalRecord | undefined>;
  readonly gaps: WalGaps;
  readonly pruned: WalPruned;
  /** The gaps that are not within what was pruned. Throws WAL_GAPS_DAMAGED. */
  openGaps(): Promise<WalGap[]>;
  readonly histories: WalHistories;
  /** Files and bytes in the WAL directory, by looking at each of them: for a start, not for a status request. */
  usage(): Promise<{ files: number; bytes: number }>;
}

/**
 * The WAL in `storage` of a server's present cluster, or that of a lineage by its layout; `segmentSize` in bytes. With a second
 * copy reading falls back to that; writing never goes there.
 */
export function openWalInventory(storage: Storage, of: string | ServerLayout, segmentSize: number, second?: SecondCopy): WalInventory {
  const layout = typeof of === "string" ? serverLayout(of) : of;
  const index = openWalIndex(storage, layout);
  const first = createWalLocator(storage, layout, index);
  const locator =
    second === undefined
      ? first
      : locateInBoth(first, createWalLocator(second.storage, layout, openWalIndex(second.storage, layout)), second.taken);
  const ownHistories = openWalHistories(storage, layout);

  const gaps = openWalGaps(storage, layout);
  const pruned = openWalPruned(storage, layout);

  async function openGaps(): Promise<WalGap[]> {
    const ranges = await pruned.list();
    return (await gaps.list()).filter((gap) => !isWithin(gap, ranges));
  }

  async function isPruned(segment: string): Promise<boolean> {
    const { timeline, start } = parseSegmentName(segment, segmentSize);
    return isWithin({ timeline, from: start, to: lsn(start + BigInt(segmentSize)) }, await pruned.list());
  }

  async function* files(): AsyncGenerator<WalFile> {
    for await (const { name, kind } of storage.entries(layout.wal)) {
      const file = kind === "directory" ? undefined : walFileFromName(name);
      if (file !== undefined) yield file;
    }
    if (second !== undefined) yield* filesOfSecond(second, layout);
  }

  async function unarchived(): Promise<string[]> {
    const raw: string[] = [];
    for await (const { segment, form } of files()) if (form === "raw") raw.push(segment);
    const waiting: string[] = [];
    for (const segment of raw.sort()) {
      // With a suffix the archived file is another one, and the raw one has still to go.
      if ((await recordedSuffix(segment)) !== "") waiting.push(segment);
    }
    return waiting;
  }

  /** One damaged line of the index must not keep all the segments that it might describe from being archived. */
  async function recordedSuffix(segment: string): Promise<string | undefined> {
    try {
      return (await index.lookup(segment))?.suffix;
    } catch (error) {
      if (repositoryErrors.walIndexDamaged.is(error)) return undefined;
      throw error;
    }
  }

  async function stretches(): Promise<WalStretch[]> {
    // Numbers of segments, not names: eight bytes each.
    const numbers = new Map<TimelineId, number[]>();
    for await (const { segment, form } of files()) {
      if (form === "partial") continue;
      const { timeline, start } = parseSegmentName(segment, segmentSize);
      const list = numbers.get(timeline);
      if (list === undefined) numbers.set(timeline, [Number(start / BigInt(segmentSize))]);
      else list.push(Number(start / BigInt(segmentSize)));
    }
    const found: WalStretch[] = [];
    const position = (number: number): Lsn => lsn(BigInt(number) * BigInt(segmentSize));
    for (const [timeline, list] of [...numbers].sort(([a], [b]) => a - b)) {
      const sorted = Float64Array.from(list).sort();
      let first = sorted[0] ?? 0;
      for (const [at, number] of sorted.entries()) {
        const next = sorted[at + 1];
        // The same segment in two forms, or the one after it.
        if (next !== undefined && next - number <= 1) continue;
        found.push({ timeline, start: position(first), end: position(number + 1), segments: number + 1 - first });
        first = next ?? 0;
      }
    }
    return found;
  }

  async function durableEnd(timeline: TimelineId): Promise<WalEnd | undefined> {
    for (let attempt = 0; ; attempt++) {
      let newest = "";
      const digits = timeline.toString(16).toUpperCase().padStart(8, "0");
      for await (const { segment } of files()) if (segment.startsWith(digits) && segment > newest) newest = segment;
      const location = newest === "" ? undefined : await locator.find(newest);
      if (location === undefined) return undefined;
      if (location.form !== "partial") {
        const { start } = parseSegmentName(newest, segmentSize);
        return { lsn: lsn(start + BigInt(segmentSize)), location };
      }
      try {
        return { lsn: await durableEndOfPartial(storage, location, segmentSize), location };
      } catch (error) {
        // It became complete, and perhaps archived, between two looks.
        if (!storageErrors.notFound.is(error) || attempt === 3) throw error;
      }
    }
  }

  async function usage(): Promise<{ files: number; bytes: number }> {
    const sum = { files: 0, bytes: 0 };
    for await (const { name, kind } of storage.entries(layout.wal)) {
      const facts = kind === "directory" ? undefined : await storage.stat(layout.walFile(name));
      if (facts?.kind !== "file") continue;
      sum.files += 1;
      sum.bytes += facts.size;
    }
    return sum;
  }

  return {
    ...locator,
    server: layout.server,
    layout,
    segmentSize,
    files,
    unarchived,
    stretches,
    continuity: (wanted) => checkContinuity(storage, locator, segmentSize, wanted, isPruned),
    durableEnd,
    record: (record) => index.add(record),
    lookup: (segment) => index.lookup(segment),
    gaps,
    pruned,
    openGaps,
    histories:
      second === undefined
        ? ownHistories
        : historiesOfBoth(ownHistories, openWalHistories(second.storage, layout), second.taken),
    usage,
  };
}
