/** Waiting for a full disk to have room again. */
import type { Backoff, Clock } from "../common/index.ts";
import type { Storage } from "../storage/index.ts";

/**
 * Returns when two segments fit below `path`: less would only lead to the next pause. The waits grow, because a quota
 * or a lack of inodes does not show in the free space. Rejects with ABORTED.
 */
export async function waitForSpace(storage: Storage, path: string, segmentSize: number, waits: Backoff, clock: Clock, signal: AbortSignal): Promise<void> {
  const needed = 2 * segmentSize;
  do await clock.sleep(waits.next(), signal);
  while ((await storage.freeSpace(path)).free < needed);
}
