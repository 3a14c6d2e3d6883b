/** What a file of a WAL directory is, judged by its name alone (`IsXLogFileName` and its relatives in xlog_internal.h). */
import type { TimelineId } from "./timeline-id.ts";
import { timelineDigits, timelineId } from "./timeline-id.ts";

/**
 * - `segment`: a complete segment; `base` is the name itself.
 * - `partial`: the unfinished segment `base` of a receiver, or the last one of a timeline that ended.
 * - `history`: the history file of `timeline`.
 * - `backup-history`: the note that a backup began in segment `base`, `offset` bytes into it.
 * - `other`: anything else, names on timeline 0 included.
 */
export type WalFileName =
  | { readonly kind: "segment"; readonly timeline: TimelineId; readonly base: string }
  | { readonly kind: "partial"; readonly timeline: TimelineId; readonly base: string }
  | { readonly kind: "history"; readonly timeline: TimelineId; readonly base?: undefined }
  | { readonly kind: "backup-history"; readonly timeline: TimelineId; readonly base: string; readonly offset: number }
  | { readonly kind: "other"; readonly timeline?: undefined; readonly base?: undefined };

const segment = /^[0-9A-F]{24}$/;
const partial = /^([0-9A-F]{24})\.partial$/;
const history = /^([0-9A-F]{8})\.history$/;
const backupHistory = /^([0-9A-F]{24})\.([0-9A-F]{8})\.backup$/;

/** Classifies a file name that carries no suffix of compression or encryption. Never throws. */
export function classifyWalFile(name: string): WalFileName {
  const digits = Number.parseInt(name.slice(0, 8), 16);
  if (!(digits > 0)) return { kind: "other" };
  if (segment.test(name)) return { kind: "segment", timeline: timelineId(digits), base: name };
  const base = name.slice(0, 24);
  if (partial.test(name)) return { kind: "partial", timeline: timelineId(digits), base };
  if (history.test(name)) return { kind: "history", timeline: timelineId(digits) };
  const note = backupHistory.exec(name);
  if (note === null) return { kind: "other" };
  return { kind: "backup-history", timeline: timelineId(digits), base, offset: Number.parseInt(note[2] ?? "", 16) };
}

/** Name of the history file of a timeline, for example `00000002.history`. */
export function historyFileName(timeline: TimelineId): string {
  return `${timelineDigits(timeline)}.history`;
}

/** Name under which a receiver keeps the unfinished segment called `segmentName`. */
export function partialFileName(segmentName: string): string {
  return `${segmentName}.partial`;
}
