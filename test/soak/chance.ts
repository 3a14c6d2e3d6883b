/** Chance that can be had again: everything random of a loop comes from one seed. */
import { seededNumbers } from "../support/sample-bytes.ts";

export interface Chance {
  readonly seed: number;
  /** From 0 up to, but not including, `limit`; not whole. */
  below(limit: number): number;
  oneOf<T>(list: readonly T[]): T;
  shuffled<T>(list: readonly T[]): T[];
}

/** The seed of the environment, or one of its own; the caller prints it. */
export function chanceFrom(text: string | undefined): Chance {
  const seed = text === undefined || text === "" ? Math.floor(Math.random() * 1e9) : Number(text);
  const numbers = seededNumbers(seed);
  // The first numbers of small seeds are small as well.
  for (let skipped = 0; skipped < 20; skipped += 1) numbers();
  const below = (limit: number): number => (numbers() / 2 ** 32) * limit;
  return {
    seed,
    below,
    oneOf: <T>(list: readonly T[]): T => list[Math.floor(below(list.length))] as T,
    shuffled<T>(list: readonly T[]): T[] {
      const rest = [...list];
      const result: T[] = [];
      while (rest.length > 0) result.push(...rest.splice(Math.floor(below(rest.length)), 1));
      return result;
    },
  };
}
