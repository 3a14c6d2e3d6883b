/** Long work on the event loop in short steps. */
import { setImmediate } from "node:timers/promises";

/** Longest time that others wait for such work, milliseconds. */
const longestMs = 4;

/**
 * Makes the pause of one piece of work: awaited between its steps, it lets everybody else in the process have a turn once
 * the steps since the last one took so long.
 */
export function createBreather(): () => Promise<void> {
  let since = performance.now();
  return async () => {
    if (performance.now() - since < longestMs) return;
    await setImmediate();
    since = performance.now();
  };
}
