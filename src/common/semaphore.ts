/** A counting semaphore, first come first served: bounds how much of something (chunks, files, bytes) is in hand. */
import { commonErrors } from "./errors.ts";

export interface Semaphore {
  /**
   * Takes `count` permits (default 1), waiting in line for them. A count above the total is taken as the total,
   * so that one large request cannot wait for ever. Rejects with `ABORTED` when `signal` fires.
   */
  acquire(count?: number, signal?: AbortSignal): Promise<void>;
  /** Takes permits if they are free right now and nobody waits; returns whether it did. */
  tryAcquire(count?: number): boolean;
  release(count?: number): void;
  /** Runs `task` holding one permit. */
  run<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  readonly available: number;
  readonly waiting: number;
}

interface Waiter {
  readonly count: number;
  readonly grant: () => void;
}

export function createSemaphore(permits: number): Semaphore {
  let available = permits;
  const line: Waiter[] = [];
  const serve = (): void => {
    for (;;) {
      const first = line[0];
      if (first === undefined || first.count > available) return;
      line.shift();
      available -= first.count;
      first.grant();
    }
  };
  const semaphore: Semaphore = {
    acquire(count = 1, signal) {
      const wanted = Math.min(count, permits);
      if (signal?.aborted === true) return Promise.reject(commonErrors.aborted("cancelled before its turn came", {}, signal.reason));
      if (line.length === 0 && available >= wanted) {
        available -= wanted;
        return Promise.resolve();
      }
      return new Promise((resolve, reject) => {
        const onAbort = (): void => {
          const place = line.indexOf(waiter);
          if (place >= 0) line.splice(place, 1);
          reject(commonErrors.aborted("cancelled while waiting in line", {}, signal?.reason));
          serve();
        };
        const waiter: Waiter = {
          count: wanted,
          grant: () => {
            signal?.removeEventListener("abort", onAbort);
            resolve();
          },
        };
        line.push(waiter);
        signal?.addEventListener("abort", onAbort, { once: true });
      });
    },
    tryAcquire(count = 1) {
      const wanted = Math.min(count, permits);
      if (line.length > 0 || available < wanted) return false;
      available -= wanted;
      return true;
    },
    release(count = 1) {
      available = Math.min(permits, available + Math.min(count, permits));
      serve();
    },
    async run(task, signal) {
      await semaphore.acquire(1, signal);
      try {
        return await task();
      } finally {
        semaphore.release();
      }
    },
    get available() {
      return available;
    },
    get waiting() {
      return line.length;
    },
  };
  return semaphore;
}
