/** The order of levels, and their numbers in syslog. */
import { logLevels, type LogLevel } from "./logger.ts";

/** True when a line of `level` is written while `threshold` is the least severe level that is. */
export function isLogged(level: LogLevel, threshold: LogLevel): boolean {
  return logLevels.indexOf(level) <= logLevels.indexOf(threshold);
}

/** Severities of RFC 5424, section 6.2.1. */
export const syslogSeverities: Readonly<Record<LogLevel, number>> = { fatal: 2, error: 3, warn: 4, info: 6, debug: 7, trace: 7 };
