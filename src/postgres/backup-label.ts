/**
 * backup_label: from which checkpoint recovery of a base backup begins (PostgreSQL manual, "Making a Base Backup
 * Using the Low Level API"; xlogbackup.c). The same lines, with three more, make a backup history file.
 */
import { postgresErrors } from "./errors.ts";
import { pathFromBytes, pathToBytes } from "./file-path.ts";
import type { Lsn } from "./lsn.ts";
import { formatLsn, parseLsn } from "./lsn.ts";
import type { TimelineId } from "./timeline-id.ts";
import { timelineDigits, timelineId } from "./timeline-id.ts";

export interface BackupLabel {
  readonly startLsn: Lsn;
  /** Name of the segment that holds `startLsn`. */
  readonly startSegment: string;
  readonly checkpointLsn: Lsn;
  /** `streamed` for BASE_BACKUP and the low-level API, `pg_start_backup` for the exclusive mode of old. */
  readonly method: string;
  /** 13 calls a primary `master`. */
  readonly from: "primary" | "standby";
  /** As written: the server's local time with the name of its zone. */
  readonly startTime: string;
  readonly label: string;
  readonly timeline: TimelineId;
  /** Set in an incremental backup: what the backup it builds on began with. */
  readonly incrementalFrom?: { readonly lsn: Lsn; readonly timeline: TimelineId };
  /** Set in a backup history file only. */
  readonly stop?: { readonly lsn: Lsn; readonly segment: string; readonly time: string; readonly timeline: TimelineId };
}

const refuse = (why: string) => postgresErrors.backupLabelDamaged(`backup_label ${why}`);

/** The lines as keys and values; a line without a known form belongs to a label text with line ends in it. */
function linesOf(text: string): Map<string, string> {
  const lines = new Map<string, string>();
  for (const line of text.split("\n")) {
    const match = /^([A-Z][A-Z ]+): ([^]*)$/.exec(line);
    if (match?.[1] === undefined || match[2] === undefined) continue;
    if (lines.has(match[1])) throw refuse(`has the line ${match[1]} twice`);
    lines.set(match[1], match[2]);
  }
  return lines;
}

function required(lines: Map<string, string>, key: string): string {
  const value = lines.get(key);
  if (value === undefined) throw refuse(`lacks the line ${key}`);
  return value;
}

function location(value: string, key: string): { lsn: Lsn; segment: string } {
  const match = /^([0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8}) \(file ([0-9A-F]{24})\)$/.exec(value);
  if (match?.[1] === undefined || match[2] === undefined) throw refuse(`has no position and file in ${key}`);
  return { lsn: parseLsn(match[1]), segment: match[2] };
}

function position(value: string, key: string): Lsn {
  if (!/^[0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8}$/.test(value)) throw refuse(`has no position in ${key}`);
  return parseLsn(value);
}

function timelineOf(value: string, key: string): TimelineId {
  const number = /^[0-9]{1,10}$/.test(value) ? Number(value) : 0;
  if (number < 1 || number > 0xffff_ffff) throw refuse(`has no timeline in ${key}`);
  return timelineId(number);
}

/**
 * Reads backup_label, or a backup history file. Throws BACKUP_LABEL_DAMAGED when a line that recovery needs is
 * missing, double or contradicts another one, and when the last line has no end.
 */
export function parseBackupLabel(content: Uint8Array | string): BackupLabel {
  const text = typeof content === "string" ? content : pathFromBytes(content);
  if (!text.endsWith("\n")) throw refuse("is cut off");
  const lines = linesOf(text);
  const start = location(required(lines, "START WAL LOCATION"), "START WAL LOCATION");
  const timeline = timelineOf(required(lines, "START TIMELINE"), "START TIMELINE");
  if (!start.segment.startsWith(timelineDigits(timeline))) {
    throw refuse(`names the file ${start.segment}, which is not on its timeline ${timeline}`);
  }
  const source = required(lines, "BACKUP FROM");
  const from = source === "master" ? "primary" : source;
  if (from !== "primary" && from !== "standby") throw refuse(`comes from ${JSON.stringify(from)}`);
  const label: BackupLabel = {
    startLsn: start.lsn,
    startSegment: start.segment,
    checkpointLsn: position(required(lines, "CHECKPOINT LOCATION"), "CHECKPOINT LOCATION"),
    method: required(lines, "BACKUP METHOD"),
    from,
    startTime: required(lines, "START TIME"),
    label: required(lines, "LABEL"),
    timeline,
  };
  return { ...label, ...incrementalOf(lines), ...stopOf(lines) };
}

function incrementalOf(lines: Map<string, string>): Pick<BackupLabel, "incrementalFrom"> {
  const lsn = lines.get("INCREMENTAL FROM LSN");
  const timeline = lines.get("INCREMENTAL FROM TLI");
  if (lsn === undefined && timeline === undefined) return {};
  if (lsn === undefined || timeline === undefined) throw refuse("names only half of the backup it builds on");
  return {
    incrementalFrom: {
      lsn: position(lsn, "INCREMENTAL FROM LSN"),
      timeline: timelineOf(timeline, "INCREMENTAL FROM TLI"),
    },
  };
}

function stopOf(lines: Map<string, string>): Pick<BackupLabel, "stop"> {
  const written = lines.get("STOP WAL LOCATION");
  if (written === undefined) return {};
  const { lsn, segment } = location(written, "STOP WAL LOCATION");
  const timeline = timelineOf(required(lines, "STOP TIMELINE"), "STOP TIMELINE");
  return { stop: { lsn, segment, time: required(lines, "STOP TIME"), timeline } };
}

/** Writes the file the way PostgreSQL does from 14 on, byte for byte. Throws BACKUP_LABEL_DAMAGED for a text with a line end. */
export function formatBackupLabel(label: BackupLabel): Buffer {
  if ([label.label, label.method, label.startTime].some((text) => text.includes("\n"))) {
    throw refuse("cannot hold a text of several lines");
  }
  const { incrementalFrom, stop } = label;
  const lines = [`START WAL LOCATION: ${formatLsn(label.startLsn)} (file ${label.startSegment})`];
  if (stop) lines.push(`STOP WAL LOCATION: ${formatLsn(stop.lsn)} (file ${stop.segment})`);
  lines.push(
    `CHECKPOINT LOCATION: ${formatLsn(label.checkpointLsn)}`,
    `BACKUP METHOD: ${label.method}`,
    `BACKUP FROM: ${label.from}`,
    `START TIME: ${label.startTime}`,
    `LABEL: ${label.label}`,
    `START TIMELINE: ${label.timeline}`,
  );
  if (stop) lines.push(`STOP TIME: ${stop.time}`, `STOP TIMELINE: ${stop.timeline}`);
  if (incrementalFrom) {
    lines.push(`INCREMENTAL FROM LSN: ${formatLsn(incrementalFrom.lsn)}`);
    lines.push(`INCREMENTAL FROM TLI: ${incrementalFrom.timeline}`);
  }
  return pathToBytes(lines.map((line) => `${line}\n`).join(""));
}
