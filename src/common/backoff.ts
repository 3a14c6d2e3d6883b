/** Waiting times between attempts that fail: growing, capped, and spread so that many clients do not return at once. */

export interface BackoffOptions {
  /** First wait, milliseconds. */
  readonly firstMs: number;
  /** Each wait is the one before times this. */
  readonly factor: number;
  readonly maxMs: number;
  /** Share of a wait that is random, 0 to 1: 0.2 makes 1000 ms fall anywhere from 800 to 1000 ms. */
  readonly jitter: number;
  /** Source of randomness in [0, 1), for tests. */
  readonly random?: () => number;
}

export interface Backoff {
  /** The wait before the next attempt, milliseconds. */
  next(): number;
  /** Call it after a success: the next wait is the first one again. */
  reset(): void;
  /** Waits handed out since the last reset. */
  readonly attempts: number;
}

export function createBackoff(options: BackoffOptions): Backoff {
  const random = options.random ?? Math.random;
  let attempts = 0;
  return {
    next() {
      const plain = Math.min(options.maxMs, options.firstMs * options.factor ** attempts);
      attempts += 1;
      return Math.round(plain * (1 - options.jitter * random()));
    },
    reset() {
      attempts = 0;
    },
    get attempts() {
      return attempts;
    },
  };
}
