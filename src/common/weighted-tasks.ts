/** Tasks of different weight beside one another, within a bound: many small ones, or one large one that fills it. */
import { throwIfAborted } from "./deadline.ts";
import { createSemaphore } from "./semaphore.ts";

export interface WeightedTasks {
  /** Fires with the first failure, and with the signal of the caller: what is under way ends. */
  readonly signal: AbortSignal;
  /** Waits for room, then begins `task`; throws the first failure. A weight beyond the bound counts as all of it. */
  start(weight: number, task: () => Promise<void>): Promise<void>;
  /** Throws the first failure, if there is one. */
  check(): void;
  /** Resolves when nothing is under way. Never rejects. */
  idle(): Promise<void>;
  /** Runs `source`, which starts tasks, and waits for them. Throws that the caller has aborted, else the first failure. */
  run(source: () => Promise<void>): Promise<void>;
}

/** `bound`: the weight of all tasks that are under way at a time. */
export function createWeightedTasks(bound: number, signal: AbortSignal): WeightedTasks {
  const stop = new AbortController();
  const all = AbortSignal.any([signal, stop.signal]);
  const semaphore = createSemaphore(bound);
  const running = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | undefined;

  const fail = (error: unknown): void => {
    failure ??= { error };
    stop.abort(error);
  };
  const check = (): void => {
    if (failure !== undefined) throw failure.error;
  };
  const idle = async (): Promise<void> => {
    await Promise.all(running);
  };
  return {
    signal: all,
    check,
    idle,
    async start(weight, task) {
      check();
      const own = Math.min(bound, Math.max(1, weight));
      await semaphore.acquire(own, all);
      const started = task()
        .catch(fail)
        .finally(() => {
          semaphore.release(own);
          running.delete(started);
        });
      running.add(started);
    },
    async run(source) {
      try {
        await source();
      } catch (error) {
        fail(error);
      }
      await idle();
      throwIfAborted(signal);
      check();
    },
  };
}
