/** The order of levels. */
import { logLevels, type LogLevel } from "./logger.ts";

/** True when a line of `level` is written while `threshold` is the least severe level that is. */
export function isLogged(level: LogLevel, threshold: LogLevel): boolean {
  return logLevels.indexOf(level) <= logLevels.indexOf(threshold);
}
