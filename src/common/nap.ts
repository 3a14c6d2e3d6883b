/** A wait that somebody may cut short, again and again under one signal that ends it for good. */
import type { Clock } from "./clock.ts";

export interface Nap {
  /** Resolves after `ms`, or when it is cut short. Rejects when the signal fires. One at a time. */
  sleep(ms: number): Promise<"elapsed" | "woken">;
  /** Cuts the wait short that is on; later ones are as long as they are asked for. */
  wake(): void;
}

export function createNap(clock: Pick<Clock, "sleep">, signal: AbortSignal): Nap {
  let current = new AbortController();
  return {
    async sleep(ms) {
      const own = new AbortController();
      current = own;
      // Not AbortSignal.any: the signal lives as long as the process, and would remember every wait.
      const end = (): void => own.abort(signal.reason);
      signal.addEventListener("abort", end, { once: true });
      if (signal.aborted) end();
      try {
        await clock.sleep(ms, own.signal);
        return "elapsed";
      } catch (error) {
        if (signal.aborted) throw error;
        return "woken";
      } finally {
        signal.removeEventListener("abort", end);
      }
    },
    wake: () => current.abort(),
  };
}
