/** Lines on a stream, usually standard output. */
import type { LineFormat, LogSink } from "./log-sink.ts";

/** The part of a stream that is needed; `process.stdout` has it. */
export interface TextStream {
  write(text: string): unknown;
}

export function createConsoleSink(stream: TextStream, format: LineFormat): LogSink {
  return {
    write: (record) => {
      stream.write(`${format(record)}\n`);
    },
    reopen: () => undefined,
    close: () => Promise.resolve(),
  };
}
