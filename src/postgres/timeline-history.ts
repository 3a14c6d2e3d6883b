/**
 * History files: which timelines a timeline descends from, and where it left each of them
 * (PostgreSQL manual, "Timelines"; timeline.c). A position belongs to exactly one timeline of a history:
 * the older one up to, and not including, the switch point; the younger one from there on.
 */
import { postgresErrors } from "./errors.ts";
import type { Lsn } from "./lsn.ts";
import { formatLsn, invalidLsn, parseLsn } from "./lsn.ts";
import type { TimelineId } from "./timeline-id.ts";
import { timelineId } from "./timeline-id.ts";

/** One ancestor: `timeline` ended, for its descendants, at `switchLsn`. */
export interface TimelineHistoryEntry {
  readonly timeline: TimelineId;
  /** First byte that no longer belongs to this ancestor. */
  readonly switchLsn: Lsn;
  /** Free text that PostgreSQL adds, for example `no recovery target specified`. */
  readonly reason: string;
}

/** A timeline with its ancestors, oldest first; a timeline without ancestors (usually 1) has no entries. */
export interface TimelineHistory {
  readonly timeline: TimelineId;
  readonly entries: readonly TimelineHistoryEntry[];
}

/** The history of a timeline that began with initdb: it has no history file. */
export function rootHistory(timeline: TimelineId): TimelineHistory {
  return { timeline, entries: [] };
}

/** On a trimmed line: the server may send one of megabytes, and nothing here may be tried twice. */
const line = /^([0-9]{1,10})\s+([0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8})(?:\s+(\S[^]*))?$/;

/**
 * Reads the content of the history file of `timeline` (the file does not hold its own number, its name does).
 * Empty lines and lines that begin with `#` are skipped, as PostgreSQL does.
 * Throws TIMELINE_HISTORY_DAMAGED naming the line when the content is not one that PostgreSQL would follow.
 */
export function parseHistory(text: string, timeline: TimelineId): TimelineHistory {
  const refuse = (number: number, why: string) =>
    postgresErrors.historyDamaged(`history of timeline ${timeline}, line ${number}: ${why}`, {
      timeline,
      line: number,
    });
  const entries: TimelineHistoryEntry[] = [];
  for (const [index, written] of text.split("\n").entries()) {
    const trimmed = written.trim();
    if (trimmed === "" || trimmed.startsWith("#")) continue;
    const match = line.exec(trimmed);
    if (match === null) throw refuse(index + 1, "expected a timeline, a switch point and a reason");
    const number = Number(match[1]);
    if (number < 1 || number > 0xffff_ffff) throw refuse(index + 1, `${match[1]} is not a timeline`);
    const entry = { timeline: timelineId(number), switchLsn: parseLsn(match[2] ?? ""), reason: match[3] ?? "" };
    const previous = entries.at(-1);
    if (previous !== undefined && entry.timeline <= previous.timeline) {
      throw refuse(index + 1, `timeline ${entry.timeline} does not come after ${previous.timeline}`);
    }
    if (previous !== undefined && entry.switchLsn < previous.switchLsn) {
      throw refuse(index + 1, `${formatLsn(entry.switchLsn)} lies before ${formatLsn(previous.switchLsn)}`);
    }
    if (entry.timeline >= timeline) throw refuse(index + 1, `timeline ${entry.timeline} is not older than ${timeline}`);
    entries.push(entry);
  }
  // PostgreSQL ends each line; without the last end the switch point itself may have lost digits.
  if (text !== "" && !text.endsWith("\n")) throw refuse(text.split("\n").length, "the end of the line is missing");
  // Only timelines that were forked have a history file, so an empty one was cut off.
  if (entries.length === 0) throw refuse(1, "no ancestor is named");
  return { timeline, entries };
}

/** Writes the content of a history file the way PostgreSQL does (an empty line between entries included). */
export function formatHistory(history: TimelineHistory): string {
  return history.entries.map((e) => `${e.timeline}\t${formatLsn(e.switchLsn)}\t${e.reason}\n`).join("\n");
}

/** The history of `child`, which leaves the timeline of `parent` at `switchLsn`. */
export function extendHistory(
  parent: TimelineHistory,
  child: TimelineId,
  switchLsn: Lsn,
  reason: string,
): TimelineHistory {
  if (child <= parent.timeline) {
    throw postgresErrors.timelineInvalid(`timeline ${child} cannot descend from ${parent.timeline}`);
  }
  return { timeline: child, entries: [...parent.entries, { timeline: parent.timeline, switchLsn, reason }] };
}

/** The timeline that owns the byte at `lsn` in this history. */
export function timelineContaining(history: TimelineHistory, lsn: Lsn): TimelineId {
  return history.entries.find((entry) => lsn < entry.switchLsn)?.timeline ?? history.timeline;
}

/** First byte that belongs to `timeline` in this history; undefined when it is not part of it. */
export function timelineBegin(history: TimelineHistory, timeline: TimelineId): Lsn | undefined {
  const chain = [...history.entries.map((entry) => entry.timeline), history.timeline];
  const index = chain.indexOf(timeline);
  if (index < 0) return undefined;
  return index === 0 ? invalidLsn : history.entries[index - 1]?.switchLsn;
}

/** First byte that no longer belongs to `timeline` in this history; undefined for the youngest one and for strangers. */
export function timelineEnd(history: TimelineHistory, timeline: TimelineId): Lsn | undefined {
  return history.entries.find((entry) => entry.timeline === timeline)?.switchLsn;
}

/**
 * True when the history passes through the position `lsn` of `timeline`: everything that `timeline` holds before
 * `lsn` is part of the history, so that a backup which ends there can be recovered along it. The point where a
 * timeline is left belongs to both sides.
 */
export function descendsFrom(history: TimelineHistory, timeline: TimelineId, lsn: Lsn): boolean {
  const begin = timelineBegin(history, timeline);
  if (begin === undefined || lsn < begin) return false;
  const end = timelineEnd(history, timeline);
  return end === undefined || lsn <= end;
}

/**
 * The last position that two histories share: after it they are different worlds. Undefined when they have no
 * timeline in common; no `lsn` when one continues the other without an end in sight (same timeline).
 */
export function commonPast(a: TimelineHistory, b: TimelineHistory): { timeline: TimelineId; lsn?: Lsn } | undefined {
  const chain = [...b.entries.map((entry) => entry.timeline), b.timeline].reverse();
  const timeline = chain.find((candidate) => timelineBegin(a, candidate) !== undefined);
  if (timeline === undefined) return undefined;
  const ends = [timelineEnd(a, timeline), timelineEnd(b, timeline)].filter((end) => end !== undefined);
  const [first, second] = ends;
  if (first === undefined) return { timeline };
  return { timeline, lsn: second !== undefined && second < first ? second : first };
}
