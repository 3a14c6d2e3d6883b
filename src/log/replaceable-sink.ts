/** A sink whose destination can be exchanged while lines come: none is lost, none is written twice. */
import type { LogSink } from "./log-sink.ts";

export interface ReplaceableSink extends LogSink {
  /** From the next line on this one gets them; the one before is closed when it has written what it holds. */
  replace(next: LogSink): void;
}

export function createReplaceableSink(first: LogSink): ReplaceableSink {
  let current = first;
  /** Those that still write what they hold. */
  let closing: Promise<unknown> = Promise.resolve();
  return {
    write: (record) => current.write(record),
    reopen: () => current.reopen(),
    replace(next) {
      const before = current;
      current = next;
      closing = Promise.all([closing, before.close()]);
      // What it could not write it has complained of; whoever closes hears of anything else.
      closing.catch(() => undefined);
    },
    async close() {
      await closing;
      await current.close();
    },
  };
}
