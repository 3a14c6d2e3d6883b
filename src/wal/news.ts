/** Announcements of work for somebody who may be busy when they come: none is missed, many are one. */
import type { Clock } from "../common/index.ts";

export interface News {
  reset(): void;
  /** True when a segment was announced since `reset`, or within `ms`. */
  wait(ms: number, clock: Clock, signal: AbortSignal): Promise<boolean>;
  close(): void;
}

/** @param subscribe has its listener called for each announcement, and returns how to stop that */
export function createNews(subscribe: (listener: () => void) => () => void): News {
  let announced = false;
  let wake = new AbortController();
  const close = subscribe(() => {
    announced = true;
    wake.abort();
  });
  return {
    reset() {
      announced = false;
      wake = new AbortController();
    },
    async wait(ms, clock, signal) {
      if (announced) return true;
      await clock.sleep(ms, AbortSignal.any([signal, wake.signal])).catch((error: unknown) => {
        // Woken by a segment is the good end; cancelled is not.
        if (signal.aborted) throw error;
      });
      return announced;
    },
    close,
  };
}
