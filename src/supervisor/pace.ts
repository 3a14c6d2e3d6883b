/** How fast something goes, and how long it still takes. */
import type { JobSummary } from "../management/index.ts";

/** From what was done so far, on the average; nothing is said of the time left while nothing sensible can be. Bytes and milliseconds. */
export function paceOf(done: number, total: number, elapsedMs: number): Pick<JobSummary, "bytesPerSecond" | "remainingMs"> {
  const rate = elapsedMs > 0 ? (done * 1000) / elapsedMs : 0;
  return { bytesPerSecond: rate, ...(rate > 0 && total > done ? { remainingMs: ((total - done) * 1000) / rate } : {}) };
}
