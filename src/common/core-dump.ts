/** Core dumps of processes that hold passwords and keys. */
import { writeFileSync } from "node:fs";

/**
 * Leaves all memory out of core dumps of this process and of those that it starts (core(5): no kind of mapping is
 * chosen; what remains is where each thread stood). Passwords and keys lie in memory, and a core dump is kept, and sent
 * to others, by people who do not think of them. False where the system has no such switch.
 */
export function keepMemoryOutOfCoreDumps(): boolean {
  try {
    writeFileSync("/proc/self/coredump_filter", "0");
    return true;
  } catch {
    // No Linux, or no /proc: whoever wants to know is told by the result.
    return false;
  }
}
