/**
 * The logger that every operation takes. It is passed in and scoped, never global; the processes decide
 * where lines go (children send them to the supervisor, the only writer of the log file).
 */

/** pgmoneta's levels, most severe first; `trace` stands for its debug1 to debug5. */
export const logLevels = ["fatal", "error", "warn", "info", "debug", "trace"] as const;
export type LogLevel = (typeof logLevels)[number];

/** Facts beside the sentence; values must be printable and never secret. */
export type LogFields = Readonly<Record<string, string | number | boolean | bigint | null | undefined>>;

/** One line as it travels from a child to the sink. */
export interface LogRecord {
  /** Milliseconds since 1970, UTC. */
  readonly time: number;
  readonly level: LogLevel;
  /** Where it comes from, outermost first, for example `["receiver", "primary"]`. */
  readonly scope: readonly string[];
  readonly message: string;
  readonly fields: LogFields;
  readonly pid: number;
}

export interface Logger {
  fatal(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  trace(message: string, fields?: LogFields): void;
  /** A logger whose lines carry one more scope word. */
  child(scope: string): Logger;
}
