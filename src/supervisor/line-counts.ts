/** Counts the lines of the log on their way, for the metrics. */
import { logLevels, type LogLevel, type LogRecord, type LogSink } from "../log/index.ts";
import type { LineCounts } from "../metrics/index.ts";

const noLines = (): Record<LogLevel, number> =>
  Object.fromEntries(logLevels.map((level) => [level, 0])) as Record<LogLevel, number>;

/** Codes are those of the catalogue; should something else put texts there, memory stays bounded. */
const mostCodes = 1000;

export interface CountingSink extends LogSink {
  /** Since the start. */
  readonly lines: LineCounts;
  /** Since the start or the last reset. */
  readonly linesSinceReset: LineCounts;
  /** Lines of severity WARN and above by their code. */
  readonly errors: ReadonlyMap<string, number>;
  reset(): void;
}

/** A sink that counts what goes through it. */
export function countLines(sink: LogSink): CountingSink {
  const lines = noLines();
  let since = noLines();
  const errors = new Map<string, number>();
  const note = ({ level, fields }: LogRecord): void => {
    lines[level] += 1;
    since[level] += 1;
    const { code } = fields;
    if (typeof code !== "string" || !["fatal", "error", "warn"].includes(level)) return;
    if (errors.has(code) || errors.size < mostCodes) errors.set(code, (errors.get(code) ?? 0) + 1);
  };
  return {
    write(record) {
      note(record);
      sink.write(record);
    },
    reopen: () => sink.reopen(),
    close: () => sink.close(),
    lines,
    get linesSinceReset() {
      return since;
    },
    errors,
    reset() {
      since = noLines();
    },
  };
}
