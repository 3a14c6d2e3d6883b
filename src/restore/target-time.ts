/**
 * Moments as people write them. PostgreSQL reads a time without a zone in its own TimeZone, which after a restore can
 * be another one: so the moment is fixed here and handed over in UTC. What is not exactly one moment is refused.
 */
import { restoreErrors } from "./errors.ts";

/** Microseconds since 1970 UTC: PostgreSQL's resolution, which a number does not hold exactly. */
export type Micros = bigint;

export interface TargetTime {
  /** As it was given. */
  readonly written: string;
  /** The date and time of day, in microseconds, as if they were UTC. */
  readonly local: Micros;
  /** Seconds east of Greenwich, or the name of a zone; undefined when none was given. */
  readonly zone: number | string | undefined;
}

const form =
  /^([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:(?:[Tt]|[ ]+)([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,6}))?)?)?[ ]*([^ ].*)?$/;
const offsetForm = /^([+-])([0-9]{1,2})(?::?([0-9]{2})(?::?([0-9]{2}))?)?$/;
const expected = "expected a time such as 2026-11-20 09:00:00.25+01 (ISO 8601; offset, zone name or none)";

const refuse = (text: string, why: string) =>
  restoreErrors.position(`time=${text}: ${why}`, { token: "time", value: text });

/** Reads a time with or without a zone. Throws RESTORE_POSITION_INVALID. */
export function parseTargetTime(text: string): TargetTime {
  const match = form.exec(text.trim());
  if (match === null) throw refuse(text, expected);
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map((part) => Number(part ?? "0"));
  const ms = Date.UTC(year, month - 1, day, hour, minute, second);
  const date = new Date(ms);
  const exists =
    date.getUTCMonth() === month - 1 && date.getUTCDate() === day && hour < 24 && minute < 60 && second < 60 && year >= 1970;
  if (!exists) throw refuse(text, "there is no such date or time of day");
  const local = BigInt(ms) * 1000n + BigInt((match[7] ?? "").padEnd(6, "0"));
  return { written: text, local, zone: match[8] === undefined ? undefined : parseZone(match[8].trim(), text) };
}

function parseZone(zone: string, text: string): number | string {
  if (/^(?:z|utc|gmt)$/i.test(zone)) return 0;
  const offset = offsetForm.exec(zone);
  if (offset === null) {
    // An abbreviation means different offsets to PostgreSQL and to others (AST, IST, BST, …): nobody should guess.
    if (!zone.includes("/") || !isZoneName(zone)) throw refuse(text, `${JSON.stringify(zone)} is not a known time zone; ${expected}`);
    return zone;
  }
  const [hours, minutes, seconds] = [offset[2], offset[3], offset[4]].map((part) => Number(part ?? "0"));
  if ((hours ?? 0) > 15 || (minutes ?? 0) > 59 || (seconds ?? 0) > 59) throw refuse(text, `${zone} is not an offset from UTC`);
  const total = (hours ?? 0) * 3600 + (minutes ?? 0) * 60 + (seconds ?? 0);
  return offset[1] === "-" ? -total : total;
}

/** True for the names of the IANA database, as PostgreSQL's TimeZone usually holds one. */
export function isZoneName(zone: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_+\-/]*$/.test(zone)) return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return true;
  } catch {
    // RangeError: there is no zone of that name.
    return false;
  }
}

/** Seconds east of Greenwich that a zone has at an instant. */
function offsetAt(zone: string, ms: number): number {
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  }).formatToParts(ms);
  const part = (type: string): number => Number(parts.find((each) => each.type === type)?.value);
  const local = Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"), part("second"));
  return Math.round((local - Math.floor(ms / 1000) * 1000) / 1000);
}

const dayMs = 86_400_000;

/**
 * The instant that is meant. Throws RESTORE_POSITION_INVALID for a time of day that the clocks of the zone show twice
 * or never, and for one without a zone when that of the source is not known.
 */
export function instantOf(time: TargetTime, sourceZone: string | undefined): Micros {
  const zone = time.zone ?? sourceZone;
  if (zone === undefined) throw refuse(time.written, "the time zone of the source server is not known; add an offset such as +00");
  if (typeof zone === "number") return time.local - BigInt(zone) * 1_000_000n;
  if (!isZoneName(zone)) {
    throw refuse(time.written, `the time zone of the source server, ${JSON.stringify(zone)}, is not a known one; add an offset such as +00`);
  }
  const localMs = Number(time.local / 1000n);
  const offsets = new Set([offsetAt(zone, localMs - dayMs), offsetAt(zone, localMs), offsetAt(zone, localMs + dayMs)]);
  const fitting = [...offsets].filter((offset) => offsetAt(zone, localMs - offset * 1000) === offset).sort((a, b) => b - a);
  const [first, second] = fitting;
  if (first === undefined) throw refuse(time.written, `the clocks of ${zone} skipped this time of day`);
  if (second !== undefined) {
    const both = [first, second].map((offset) => formatInstant(time.local - BigInt(offset) * 1_000_000n)).join(" and ");
    throw refuse(time.written, `the clocks of ${zone} showed this time twice, at ${both}; add the offset that you mean`);
  }
  return time.local - BigInt(first) * 1_000_000n;
}

/** An instant as PostgreSQL reads it: `2026-11-20 08:00:00.25+00`. */
export function formatInstant(instant: Micros): string {
  const micros = ((instant % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const seconds = new Date(Number((instant - micros) / 1000n)).toISOString().slice(0, 19).replace("T", " ");
  const fraction = micros === 0n ? "" : `.${String(micros).padStart(6, "0").replace(/0+$/, "")}`;
  return `${seconds}${fraction}+00`;
}

/** Milliseconds since 1970, with their fraction, as an instant. */
export function instantFromMs(ms: number): Micros {
  return BigInt(Math.round(ms * 1000));
}
