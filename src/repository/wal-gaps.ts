/** WAL that is known to be missing: `wal_gaps.json`, replaced in one step at every change. */
import type { Lsn, TimelineId } from "../postgres/index.ts";
import { formatLsn, parseLsn, timelineId } from "../postgres/index.ts";
import type { Storage } from "../storage/index.ts";
import { repositoryErrors } from "./errors.ts";
import { isText, isUint32, parseObject } from "./json-shape.ts";
import type { ServerLayout } from "./layout.ts";
import { isWithin, type WalRange } from "./wal-pruned.ts";

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
  /** Records a gap durably; one that is recorded already changes nothing. One writer a server. */
  add(gap: WalGap): Promise<void>;
  /** Removes the gaps that lie within `ranges`. The same writer. */
  forget(ranges: readonly WalRange[]): Promise<void>;
}

const largestFile = 16 * 1024 * 1024;

function parseGap(value: unknown): WalGap | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { timeline, from, to, detectedAt, reason } = value as Record<string, unknown>;
  if (!isUint32(timeline) || !isText(from) || !isText(to) || !isText(detectedAt) || !isText(reason)) return undefined;
  const time = Date.parse(detectedAt);
  if (Number.isNaN(time)) return undefined;
  return { timeline: timelineId(timeline), from: parseLsn(from), to: parseLsn(to), detectedAt: time, reason };
}

export function openWalGaps(storage: Storage, layout: ServerLayout): WalGaps {
  const path = layout.walGaps;
  let writing: Promise<unknown> = Promise.resolve();

  async function list(): Promise<WalGap[]> {
    if ((await storage.stat(path)) === undefined) return [];
    const damaged = (why: string, cause?: unknown) =>
      repositoryErrors.walGapsDamaged(`"${path}" ${why}`, { path }, cause);
    const document = parseObject((await storage.readFile(path, largestFile)).toString("utf8"));
    if (document?.version !== 1 || !Array.isArray(document.gaps)) throw damaged("is not a list of gaps of version 1");
    return (document.gaps as unknown[]).map((value, index) => {
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
    await storage.replaceFile(path, `${JSON.stringify({ version: 1, gaps: written }, null, 2)}\n`);
  }

  async function append(gap: WalGap): Promise<void> {
    const gaps = await list();
    if (gaps.some(({ timeline, from, to }) => timeline === gap.timeline && from === gap.from && to === gap.to)) return;
    await replace([...gaps, gap]);
  }

  async function remove(ranges: readonly WalRange[]): Promise<void> {
    const gaps = await list();
    const left = gaps.filter((gap) => !isWithin(gap, ranges));
    if (left.length < gaps.length) await replace(left);
  }

  function inTurn(change: () => Promise<void>): Promise<void> {
    const done = writing.then(change);
    // The failure belongs to this caller; the next one tries again on his own.
    writing = done.catch(() => undefined);
    return done;
  }

  return { list, add: (gap) => inTurn(() => append(gap)), forget: (ranges) => inTurn(() => remove(ranges)) };
}
