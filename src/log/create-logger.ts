/** The logger of a process: levels, scopes, redaction; where lines go is the sink's business. */
import { redactRecord } from "./redaction.ts";
import { isLogged } from "./severity.ts";
import type { LogFields, Logger, LogLevel, LogRecord } from "./logger.ts";

/** A logger whose level can change while it runs; loggers derived from it follow. */
export interface AdjustableLogger extends Logger {
  setLevel(level: LogLevel): void;
  child(scope: string): AdjustableLogger;
}

/**
 * Makes a logger.
 *
 * @param sink gets each line that the level lets through, already free of secrets; it must not throw
 */
export function createLogger(
  scope: readonly string[],
  level: LogLevel,
  sink: (record: LogRecord) => void,
): AdjustableLogger {
  const state = { level };
  return derive(scope, state, sink);
}

function derive(
  scope: readonly string[],
  state: { level: LogLevel },
  sink: (record: LogRecord) => void,
): AdjustableLogger {
  const at =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      if (!isLogged(level, state.level)) return;
      sink(redactRecord({ time: Date.now(), level, scope, message, fields, pid: process.pid }));
    };
  return {
    fatal: at("fatal"),
    error: at("error"),
    warn: at("warn"),
    info: at("info"),
    debug: at("debug"),
    trace: at("trace"),
    child: (word) => derive([...scope, word], state, sink),
    setLevel: (level) => {
      state.level = level;
    },
  };
}

/** A logger that says nothing, for callers without one. */
export const silentLogger: AdjustableLogger = createLogger([], "fatal", () => undefined);
