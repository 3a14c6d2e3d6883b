/** Time as the operations see it: injected, so that tests decide what time it is. */
import { commonErrors } from "./errors.ts";

export interface Clock {
  /** Wall clock, milliseconds since 1970 UTC. May jump; never use it to measure. */
  now(): number;
  /** Monotonic milliseconds from an arbitrary origin, for durations and deadlines. */
  monotonic(): number;
  /** Resolves after `ms`; rejects with `ABORTED` as soon as `signal` is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(commonErrors.aborted("the wait was cancelled", {}, signal.reason));
        return;
      }
      const onAbort = (): void => {
        clearTimeout(timer);
        reject(commonErrors.aborted("the wait was cancelled", {}, signal?.reason));
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      }, ms);
      signal?.addEventListener("abort", onAbort, { once: true });
    }),
};
