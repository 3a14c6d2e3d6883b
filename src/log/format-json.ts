/** A line of the log for programs. */
import type { LogRecord } from "./logger.ts";

/** One JSON object without the line end; 64-bit numbers are texts, because JSON readers round them. */
export function formatJsonLine(record: LogRecord): string {
  const { time, level, scope, message, fields, pid } = record;
  return JSON.stringify(
    { time: new Date(time).toISOString(), level, scope, message, pid, fields },
    (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value),
  );
}
