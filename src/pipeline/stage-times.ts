/** How long the stages of a pipeline have worked, over all files. */

/** Seconds of work. Compression works on several threads at once: its seconds can be more than those that pass. */
export interface StageTimes {
  readonly hash: number;
  readonly compression: number;
  readonly encryption: number;
}

export interface StageClock {
  /** Runs a step of a stage and counts its time. */
  run<T>(stage: keyof StageTimes, work: () => T): T;
  /** The same for a step that ends later. */
  runAsync<T>(stage: keyof StageTimes, work: () => Promise<T>): Promise<T>;
  /** Counts time that was measured elsewhere. */
  add(stage: keyof StageTimes, milliseconds: number): void;
  /** As counted so far. */
  times(): StageTimes;
}

export function createStageClock(): StageClock {
  const milliseconds: Record<keyof StageTimes, number> = { hash: 0, compression: 0, encryption: 0 };
  return {
    run(stage, work) {
      const began = performance.now();
      const result = work();
      milliseconds[stage] += performance.now() - began;
      return result;
    },
    async runAsync(stage, work) {
      const began = performance.now();
      try {
        return await work();
      } finally {
        milliseconds[stage] += performance.now() - began;
      }
    },
    add(stage, time) {
      milliseconds[stage] += time;
    },
    times: () => ({
      hash: milliseconds.hash / 1000,
      compression: milliseconds.compression / 1000,
      encryption: milliseconds.encryption / 1000,
    }),
  };
}
