/** Work that nobody waits for gives way to the server beside it and to whoever receives its WAL. */
import { readdirSync } from "node:fs";
import { setPriority } from "node:os";

/**
 * What the processor share of this process falls to where others want it: a third of theirs (sched(7), "The nice value"). It still
 * takes all that is left over.
 */
const BACKGROUND_NICE = 5;

/** For the whole process: Linux has the value per thread, and threads that begin later inherit it (setpriority(2), "BUGS"). */
export function lowerPriority(): void {
  try {
    for (const thread of readdirSync("/proc/self/task")) setPriority(Number(thread), BACKGROUND_NICE);
  } catch {
    // A thread has just ended, or the system knows no such files: the work is the same, only less modest.
  }
}
