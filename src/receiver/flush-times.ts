/** How long the system takes to make WAL durable, counted in the server's record as it happens. */
import type { Clock } from "../common/index.ts";
import { flushBounds, flushBuckets, type openStateWriter } from "../state/index.ts";
import { systemSegmentCalls, type SegmentCalls } from "../wal/index.ts";

type ServerRecord = ReturnType<ReturnType<typeof openStateWriter>["server"]>;

/** The bucket of a duration. */
export function flushBucket(seconds: number): (typeof flushBuckets)[number] {
  const place = flushBounds.findIndex((bound) => seconds <= bound);
  return flushBuckets[place] ?? "flushesLonger";
}

/** The calls of the system, of which each sync is timed; also one that fails took its time. */
export function timedCalls(record: Pick<ServerRecord, "add">, clock: Pick<Clock, "monotonic">): SegmentCalls {
  return {
    ...systemSegmentCalls,
    datasync(fd) {
      const began = clock.monotonic();
      try {
        systemSegmentCalls.datasync(fd);
      } finally {
        const ms = clock.monotonic() - began;
        record.add(flushBucket(ms / 1000), 1);
        record.add("flushMicros", Math.max(0, Math.round(ms * 1000)));
      }
    },
  };
}
