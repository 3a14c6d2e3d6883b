/** Native compression calls in flight over all files, first come first served. */

export interface CompressQueue {
  /** Runs `work` when one of the places is free. */
  run<T>(work: () => Promise<T>): Promise<T>;
}

/** @param places calls in flight: more than there are threads to run them only costs memory */
export function createCompressQueue(places: number): CompressQueue {
  let free = Math.max(1, places);
  const waiting: (() => void)[] = [];
  const leave = (): void => {
    const next = waiting.shift();
    if (next === undefined) free++;
    else next();
  };
  const start = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } finally {
      leave();
    }
  };
  return {
    run(work) {
      if (free > 0) {
        free--;
        return start(work);
      }
      return new Promise((resolve, reject) => {
        waiting.push(() => void start(work).then(resolve, reject));
      });
    },
  };
}
