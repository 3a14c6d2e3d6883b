/**
 * The limit of a backup, `max_rate`: a bucket of bytes that the rate empties. It is kept by reading no faster, so that the server
 * sends no faster, and not by BASE_BACKUP's MAX_RATE, which cannot be changed any more once the server sends.
 */
import type { Clock } from "../common/index.ts";
import type { Pressure } from "./back-pressure.ts";

/** As PostgreSQL's MAX_RATE has it, bytes a second: a slower reader would be taken for one that is gone. */
const LOWEST_RATE = 32 * 1024;
/** How long a wait lasts before the rate is looked at again, milliseconds. */
const LOOK_EVERY_MS = 1000;
/** How long a new rate goes unnoticed while bytes come, milliseconds: asking with each piece took a fifteenth of the processor time. */
const ASK_EVERY_MS = 100;
/** What was not used is not saved up beyond this: after a pause the server is not overrun, milliseconds. */
const CREDIT_MS = 100;

export interface RateLimit {
  /** So many bytes arrived. */
  arrived(bytes: number): void;
  /** A promise while more arrived than the rate allows. */
  readonly pressure: Pressure;
}

export interface RateLimitOptions {
  /** Bytes a second at the moment; 0 is no limit. */
  readonly rate: () => number;
  /** Another rate holds from now on, in bytes a second. */
  readonly changed: (rate: number) => void;
  readonly clock: Pick<Clock, "monotonic" | "sleep">;
  readonly signal: AbortSignal;
}

export function createRateLimit({ rate, changed, clock, signal }: RateLimitOptions): RateLimit {
  const wanted = (): number => {
    const configured = rate();
    return configured <= 0 ? 0 : Math.max(LOWEST_RATE, configured);
  };
  let current = wanted();
  let asked = clock.monotonic();
  /** Bytes that came too early; below 0 what may come at once. */
  let excess = 0;
  let seen = clock.monotonic();

  /** Brings everything up to now, at the rate that held until now. */
  const settle = (): void => {
    const now = clock.monotonic();
    excess = Math.max((-current * CREDIT_MS) / 1000, excess - (current * (now - seen)) / 1000);
    seen = now;
    if (now - asked >= ASK_EVERY_MS) ask(now);
    if (current === 0) excess = 0;
  };
  const ask = (now: number): void => {
    asked = now;
    const next = wanted();
    if (next === current) return;
    current = next;
    changed(next);
  };
  const wait = async (): Promise<void> => {
    try {
      while (excess > 0) {
        await clock.sleep(Math.min(LOOK_EVERY_MS, Math.max(1, (excess * 1000) / current)), signal);
        settle();
      }
    } catch {
      // The backup ends: nobody reads any more.
    }
  };
  return {
    arrived(bytes) {
      settle();
      if (current > 0) excess += bytes;
    },
    pressure() {
      if (signal.aborted) return undefined;
      settle();
      return excess > 0 ? wait() : undefined;
    },
  };
}
