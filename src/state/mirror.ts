/**
 * Carries one record of a child's segment to the supervisor's: changes of state at once, counters at most ten
 * times a second, and nothing at all while nothing changes.
 */
import type { Clock } from "../common/index.ts";
import { encodeDelta, type Delta } from "./delta.ts";
import type { FieldTable, RecordOf } from "./field.ts";
import type { ChangeListener } from "./writer.ts";

export interface MirrorOptions<T extends FieldTable> {
  readonly table: T;
  /** The fields that travel: those that belong to this side. */
  readonly names: readonly (keyof T & string)[];
  readonly read: () => RecordOf<T>;
  /** Sends a delta; resolves when the next one may be sent (back-pressure of the channel). */
  readonly send: (delta: Delta) => Promise<void>;
  readonly clock: Clock;
  /** Shortest time between two deltas that carry counters only, milliseconds. */
  readonly intervalMs?: number;
  /** True when worker threads add to counts on their own: then the record is looked at every interval. */
  readonly poll?: boolean;
}

export interface Mirror {
  /** To be called with the names of changed fields: hand it to the writer as its listener. */
  readonly changed: ChangeListener;
  /** Sends what is not sent yet. */
  flush(): Promise<void>;
  /** Sends the rest and stops. */
  close(): Promise<void>;
}

export function createMirror<T extends FieldTable>(options: MirrorOptions<T>): Mirror {
  const interval = options.intervalMs ?? 100;
  const closing = new AbortController();
  let sent: RecordOf<T> | undefined;
  let last: Promise<void> = Promise.resolve();
  let armed = false;

  const flush = (): Promise<void> => {
    last = last.then(async () => {
      // Read only when the channel is free: however many changes came meanwhile, one delta carries them.
      const now = options.read();
      const delta = encodeDelta(options.table, sent, now, options.names);
      if (delta === undefined) return;
      await options.send(delta);
      sent = now;
    });
    return last;
  };
  const arm = (): void => {
    if (armed || closing.signal.aborted) return;
    armed = true;
    options.clock.sleep(interval, closing.signal).then(
      () => {
        armed = false;
        if (options.poll === true) arm();
        void flush().catch(ended);
      },
      () => undefined, // Only `close` ends the wait, and `close` sends the rest itself.
    );
  };
  // The channel reports its own end to whoever owns it; a mirror without a channel has nobody to tell.
  const ended = (): void => closing.abort();

  if (options.poll === true) arm();
  return {
    changed(names) {
      if (!names.some((name) => options.names.includes(name))) return;
      const urgent = names.some((name) => options.table[name]?.kind !== "count" && options.table[name]?.kind !== "lsn");
      if (urgent) void flush().catch(ended);
      else arm();
    },
    flush,
    async close() {
      closing.abort();
      await flush();
    },
  };
}
