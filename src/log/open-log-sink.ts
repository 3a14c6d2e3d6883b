/** The sink that a configuration asks for. */
import type { Clock } from "../common/index.ts";
import { createConsoleSink, type TextStream } from "./console-sink.ts";
import { createFileSink } from "./file-sink.ts";
import { formatJsonLine } from "./format-json.ts";
import { forJournal } from "./journal.ts";
import { formatTextLine } from "./format-text.ts";
import type { LogRecord } from "./logger.ts";
import type { LineFormat, LogSink } from "./log-sink.ts";
import { redactRecord } from "./redaction.ts";
import { createSyslogSink } from "./syslog-sink.ts";

/** The log keys of a configuration, as it has them, and what the process lends. */
export interface LogSinkOptions {
  readonly logType: "console" | "file" | "syslog";
  readonly logPath: string;
  readonly logMode: "append" | "create";
  /** Bytes; 0 is off. */
  readonly logRotationSize: number;
  /** Seconds; 0 is off. */
  readonly logRotationAge: number;
  /** A strftime(3) pattern. */
  readonly logLinePrefix: string;
  readonly logFormat: "text" | "json";
  readonly clock: Pick<Clock, "now" | "monotonic">;
  readonly stdout: TextStream;
  readonly stderr: TextStream;
  /** The name in syslog. */
  readonly tag: string;
  /** Whether standard output goes to the journal of systemd; default false. */
  readonly journal?: boolean;
}

/** Opens the sink of a daemon or client; `LOG_NOT_OPENED` when the log file cannot be opened. */
export function openLogSink(options: LogSinkOptions): LogSink {
  const clean =
    (format: LineFormat): LineFormat =>
    (record) =>
      format(redactRecord(record));
  const text = (prefix: string) => (record: LogRecord) => formatTextLine(record, prefix);
  const format = clean(options.logFormat === "json" ? formatJsonLine : text(options.logLinePrefix));
  const complain = (line: string): void => {
    options.stderr.write(line);
  };
  const { clock, logType } = options;
  if (logType === "console") return createConsoleSink(options.stdout, options.journal === true ? forJournal(format) : format);
  if (logType === "syslog")
    return createSyslogSink({
      format: clean(syslogLine(options)),
      complain,
      monotonic: () => clock.monotonic(),
      tag: options.tag,
      pid: process.pid,
    });
  const file = {
    path: options.logPath,
    mode: options.logMode,
    rotationSize: options.logRotationSize,
    rotationAge: options.logRotationAge,
    now: () => clock.now(),
    complain,
  };
  return createFileSink(file, format);
}

/** Syslog has its own time and severity in front of each line. */
function syslogLine({ logFormat }: LogSinkOptions): LineFormat {
  if (logFormat === "json") return formatJsonLine;
  return (record) => formatTextLine(record, "").trimStart();
}
