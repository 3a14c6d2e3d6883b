/**
 * WAL that is known to be missing: `wal_gaps.json`, replaced in one step at every change. With a checksum: one digit that
 * changed could put a gap within what was pruned, where it counts for nothing, or make it so long that it hides another.
 */
import type { Lsn, TimelineId } from "../postgres/index.ts";
import { formatLsn, parseLsn, timelineId } from "../postgres/index.ts";
import type { Storage } from "../storage/index.ts";
import { formatChecked, parseChecked } from "./checked-json.ts";
import { repositoryErrors } from "./errors.ts";
import { isText, isUint32, type JsonObject, parseObject } from "./json-shape.ts";
import type { ServerLayout } from "./layout.ts";
import { isWithin, withoutRanges, type WalRange } from "./wal-pruned.ts";

/** Positions from `from` up to, and not including, `to` were never received. */
export interface WalGap {
  readonly timeline: TimelineId;
  readonly from: Lsn;
  readonly to: Lsn;
  /** Milliseconds since 1970. */
  readonly detectedAt: number;
  /** A sentence for the operator. */
  readonly reason: string;
}

export interface WalGaps {
  /** In the order in which they were recorded. Throws WAL_GAPS_DAMAGED: an unreadable list is not an empty one. */
  list(): Promise<WalGap[]>;
  /** Records a gap durably; one that is recorded already changes nothing. Writers come one after the other. */
  add(gap: WalGap): Promise<void>;
  /** Removes the gaps that lie within `ranges`. */
  forget(ranges: readonly WalRange[]): Promise<void>;
  /** WAL of `range` is there now: what was missing of it is missing no more. Returns whether something was. */
  fill(range: WalRange): Promise<boolean>;
}

const largestFile = 16 * 1024 * 1024;

/** The first version had no checksum, and nothing beside the list: one that has was the second, and was changed. */
function firstVersion(document: JsonObject | undefined): JsonObject | undefined {
  if (document?.version !== 1) return undefined;
  return Object.keys(document).every((name) => name === "version" || name === "gaps") ? document : undefined;
}

function parseGap(value: unknown): WalGap | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { timeline, from, to, detectedAt, reason } = value as Record<string, unknown>;
  if (!isUint32(timeline) || !isText(from) || !isText(to) || !isText(detectedAt) || !isText(reason)) return undefined;
  const time = Date.parse(detectedAt);
  const gap = { timeline: timelineId(timeline), from: parseLsn(from), to: parseLsn(to), detectedAt: time, reason };
  return Number.isNaN(time) || gap.from >= gap.to ? undefined : gap;
}

export function openWalGaps(storage: Storage, layout: ServerLayout): WalGaps {
  const path = layout.walGaps;
  let writing: Promise<unknown> = Promise.resolve();

  async function list(): Promise<WalGap[]> {
    if ((await storage.stat(path)) === undefined) return [];
    const damaged = (why: string, cause?: unknown) =>
      repositoryErrors.walGapsDamaged(`"${path}" ${why}`, { path }, cause);
    const text = (await storage.readFile(path, largestFile)).toString("utf8");
    const { version, gaps } = parseChecked(text) ?? firstVersion(parseObject(text)) ?? {};
    if ((version !== 1 && version !== 2) || !Array.isArray(gaps)) throw damaged("is no list of gaps, or was changed");
    return (gaps as unknown[]).map((value, index) => {
      let gap: WalGap | undefined;
      try {
        gap = parseGap(value);
      } catch (error) {
        throw damaged(`has a gap (number ${index + 1}) with a wrong position or timeline`, error);
      }
      if (gap === undefined) throw damaged(`has a gap (number ${index + 1}) that is not complete`);
      return gap;
    });
  }

  async function replace(gaps: readonly WalGap[]): Promise<void> {
    const written = gaps.map(({ timeline, from, to, detectedAt, reason }) => {
      return {
        timeline,
        from: formatLsn(from),
        to: formatLsn(to),
        detectedAt: new Date(detectedAt).toISOString(),
        reason,
      };
    });
    await storage.replaceFile(path, `${formatChecked({ version: 2, gaps: written })}\n`);
  }

  /**
   * Replaces the list by what `change` makes of it; undefined leaves it. The receiver and whoever pushes WAL are different
   * processes: the directory is taken only where there is something to change.
   */
  async function changeWhereNeeded(change: (gaps: readonly WalGap[]) => readonly WalGap[] | undefined): Promise<boolean> {
    if (change(await list()) === undefined) return false;
    return storage.exclusively(layout.place, async () => {
      const changed = change(await list());
      if (changed !== undefined) await replace(changed);
      return changed !== undefined;
    });
  }

  const append = (gap: WalGap): Promise<boolean> =>
    changeWhereNeeded((gaps) =>
      gaps.some(({ timeline, from, to }) => timeline === gap.timeline && from === gap.from && to === gap.to)
        ? undefined
        : [...gaps, gap],
    );

  const remove = (ranges: readonly WalRange[]): Promise<boolean> =>
    changeWhereNeeded((gaps) => {
      const left = gaps.filter((gap) => !isWithin(gap, ranges));
      return left.length < gaps.length ? left : undefined;
    });

  const fill = (range: WalRange): Promise<boolean> =>
    changeWhereNeeded((gaps) => {
      const touched = gaps.some(({ timeline, from, to }) => timeline === range.timeline && from < range.to && to > range.from);
      if (!touched) return undefined;
      return gaps.flatMap((gap) => withoutRanges(gap, [range]).map(({ from, to }) => ({ ...gap, from, to })));
    });

  function inTurn(change: () => Promise<boolean>): Promise<boolean> {
    const done = writing.then(change);
    // The failure belongs to this caller; the next one tries again on his own.
    writing = done.catch(() => undefined);
    return done;
  }

  return {
    list,
    async add(gap) {
      await inTurn(() => append(gap));
    },
    async forget(ranges) {
      await inTurn(() => remove(ranges));
    },
    fill: (range) => inTurn(() => fill(range)),
  };
}
