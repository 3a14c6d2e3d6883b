/** Waiting for the disk where nobody may be kept waiting for ever. */
import type { Clock } from "../common/index.ts";

/** How long storage that does not answer may hold up what is told of a job, milliseconds. */
const PATIENCE_MS = 5000;

/** Resolves when it is written, or when that has taken too long. `written` must not reject. */
export async function inPatience(written: Promise<void>, clock: Clock): Promise<void> {
  const over = new AbortController();
  try {
    await Promise.race([written, clock.sleep(PATIENCE_MS, over.signal).catch(() => undefined)]);
  } finally {
    over.abort();
  }
}
