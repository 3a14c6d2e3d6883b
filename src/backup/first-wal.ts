/**
 * The WAL where a backup begins, looked for while its files still come. On a standby a backup begins at the last
 * restart point, which can lie before everything that was ever received: no need to find that out hours later.
 */
import { lsnPlus, type Lsn, type TimelineId } from "../postgres/index.ts";
import type { WalDurability } from "./backup-options.ts";

export interface FirstWal {
  /** Begins to wait for the segment that holds `start`. */
  expect(timeline: TimelineId, start: Lsn, segmentSize: number): void;
  /** Aborted with the reason why this WAL will not come: time to stop the source. */
  readonly signal: AbortSignal;
  /** Nobody is interested any more. */
  end(): void;
}

export function watchFirstWal(wal: WalDurability): FirstWal {
  const missing = new AbortController();
  const ended = new AbortController();
  return {
    expect(timeline, start, segmentSize) {
      wal.waitUntilDurable({ timeline, from: start, to: lsnPlus(start, 1), segmentSize }, ended.signal).catch((error: unknown) => {
        if (!ended.signal.aborted) missing.abort(error);
      });
    },
    signal: missing.signal,
    end() {
      ended.abort();
    },
  };
}
