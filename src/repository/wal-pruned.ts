/**
 * WAL that was removed on purpose, because neither a kept backup nor the recovery window needs it: `wal_pruned.json`.
 * Without it nobody could tell what retention took away from what was lost.
 */
import type { Lsn, TimelineId } from "../postgres/index.ts";
import { formatLsn, higherLsn, lsn, parseLsn, timelineId } from "../postgres/index.ts";
import type { Storage } from "../storage/index.ts";
import { formatChecked, parseChecked } from "./checked-json.ts";
import { isText, isUint32 } from "./json-shape.ts";
import type { ServerLayout } from "./layout.ts";

/** Positions of a timeline from `from` up to, and not including, `to`. */
export interface WalRange {
  readonly timeline: TimelineId;
  readonly from: Lsn;
  readonly to: Lsn;
}

export interface WalPruned {
  /** By timeline and position, none touching another. What cannot be read excuses nothing: then there are none. */
  list(): Promise<WalRange[]>;
  /** Durable before the first file of `ranges` goes: what a crash leaves of them is removed later. */
  add(ranges: readonly WalRange[]): Promise<void>;
}

const largestFile = 16 * 1024 * 1024;

/** The same positions in as few ranges as there can be, by timeline and position. */
export function joinRanges(ranges: readonly WalRange[]): WalRange[] {
  const joined: WalRange[] = [];
  const sorted = [...ranges].sort(
    (a, b) => a.timeline - b.timeline || (a.from < b.from ? -1 : a.from > b.from ? 1 : 0),
  );
  for (const range of sorted) {
    const last = joined.at(-1);
    if (last?.timeline !== range.timeline || range.from > last.to) joined.push(range);
    else joined[joined.length - 1] = { ...last, to: higherLsn(last.to, range.to) };
  }
  return joined;
}

/** What of `range` lies in none of `others`. */
export function withoutRanges(range: WalRange, others: readonly WalRange[]): WalRange[] {
  const left: WalRange[] = [];
  let { from } = range;
  for (const other of joinRanges(others.filter(({ timeline }) => timeline === range.timeline))) {
    if (other.to <= from || other.from >= range.to) continue;
    if (other.from > from) left.push({ ...range, from, to: other.from });
    from = other.to;
  }
  return from < range.to ? [...left, { ...range, from }] : left;
}

/** Does every position of `range` lie in one of `others`? */
export function isWithin(range: WalRange, others: readonly WalRange[]): boolean {
  return withoutRanges(range, others).length === 0;
}

function rangeOf(value: unknown): WalRange | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { timeline, from, to } = value as Record<string, unknown>;
  const position = /^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/;
  if (!isUint32(timeline) || timeline === 0 || !isText(from) || !isText(to)) return undefined;
  if (!position.test(from) || !position.test(to)) return undefined;
  const range = { timeline: timelineId(timeline), from: lsn(parseLsn(from)), to: lsn(parseLsn(to)) };
  return range.from < range.to ? range : undefined;
}

export function openWalPruned(storage: Storage, layout: ServerLayout): WalPruned {
  const path = layout.walPruned;

  async function list(): Promise<WalRange[]> {
    const facts = await storage.stat(path);
    if (facts?.kind !== "file" || facts.size > largestFile) return [];
    const { version, ranges } = parseChecked((await storage.readFile(path, largestFile)).toString("utf8")) ?? {};
    if (version !== 1 || !Array.isArray(ranges)) return [];
    const read = (ranges as unknown[]).map(rangeOf);
    return read.every((range) => range !== undefined) ? joinRanges(read) : [];
  }

  /** Retention and the receiver are different processes: the directory is taken only where there is something to change. */
  async function add(more: readonly WalRange[]): Promise<void> {
    if (!isKnown(more, await list())) await storage.exclusively(layout.place, () => addAlone(more));
  }

  const isKnown = (more: readonly WalRange[], known: readonly WalRange[]): boolean => more.every((range) => isWithin(range, known));

  async function addAlone(more: readonly WalRange[]): Promise<void> {
    const known = await list();
    if (isKnown(more, known)) return;
    const ranges = joinRanges([...known, ...more]).map(({ timeline, from, to }) => ({
      timeline,
      from: formatLsn(from),
      to: formatLsn(to),
    }));
    await storage.replaceFile(path, `${formatChecked({ version: 1, ranges })}\n`);
  }

  return { list, add };
}
