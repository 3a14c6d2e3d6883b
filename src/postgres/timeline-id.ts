import type { Brand } from "../common/index.ts";
import { postgresErrors } from "./errors.ts";

/** The number of a timeline (`TimeLineID`): 1 after initdb, higher after each promotion; 32 bits, never 0. */
export type TimelineId = Brand<number, "TimelineId">;

/** A number as a timeline. Throws TIMELINE_INVALID when it is not a whole number from 1 to 4294967295. */
export function timelineId(value: number): TimelineId {
  if (!Number.isInteger(value) || value < 1 || value > 0xffff_ffff) {
    throw postgresErrors.timelineInvalid(`${value} is not a timeline`);
  }
  return value as TimelineId;
}

/** The eight hexadecimal digits that stand for a timeline in the names of WAL and history files. */
export function timelineDigits(timeline: TimelineId): string {
  return hexDigits(timeline);
}

/** Eight upper-case hexadecimal digits of an unsigned 32-bit number (`%08X`). */
export function hexDigits(value: number): string {
  return value.toString(16).toUpperCase().padStart(8, "0");
}
