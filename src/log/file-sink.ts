/** Lines to the log file. */
import { openLogFile, type LogFileOptions } from "./log-file.ts";
import type { LineFormat, LogSink } from "./log-sink.ts";

/** Opens the log file (`LOG_NOT_OPENED` when that fails) and writes formatted lines to it. */
export function createFileSink(options: LogFileOptions, format: LineFormat): LogSink {
  const file = openLogFile(options);
  return {
    write: (record) => {
      file.write(format(record));
    },
    reopen: () => {
      file.reopen();
    },
    close: async () => {
      file.close();
    },
  };
}
