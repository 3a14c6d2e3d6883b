/** Notices a process that still exists and does nothing any more: stopped, or stuck in the kernel. */
import type { Clock } from "../common/index.ts";

export interface BeatWatch {
  /** It said something. */
  heard(): void;
  stop(): void;
}

const TICK_MS = 5_000;
/** So many ticks make a minute. */
const SILENT_TICKS = 12;

/**
 * Calls `onSilent` once nothing was heard for a minute, and again after every further one. Ticks are counted instead
 * of time: when the supervisor itself stood still, the messages that wait in its socket are read before the next one.
 */
export function watchBeats(clock: Clock, onSilent: () => void): BeatWatch {
  const stopped = new AbortController();
  let silent = 0;
  const tick = (): void => {
    clock.sleep(TICK_MS, stopped.signal).then(
      () => {
        silent += 1;
        if (silent % SILENT_TICKS === 0) onSilent();
        tick();
      },
      () => undefined, // Only `stop` ends the wait.
    );
  };
  tick();
  return {
    heard() {
      silent = 0;
    },
    stop: () => stopped.abort(),
  };
}
