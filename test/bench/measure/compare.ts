/** Contenders for the same work, run in turn (A B A B …), so that whatever else the machine does hits all alike. */
import { consume } from "./consumption.ts";
import type { Consumption, Surroundings } from "./consumption.ts";

export type Role = "moneta" | "peer" | "floor";

/** What one run yields beside its costs. */
export interface Yield {
  /** Bytes that lie in the store afterwards. */
  readonly storedBytes?: number;
  /** What the line compares instead of seconds, for instance commits in a second. */
  readonly value?: number;
}

export interface Contender {
  readonly name: string;
  readonly role: Role;
  /** Why it cannot take part, for instance that the program is not installed. It is reported, never dropped. */
  readonly missing?: string;
  readonly surroundings?: Surroundings;
  /** Before each run; not measured. */
  readonly prepare?: () => Promise<void>;
  readonly run: () => Promise<void>;
  /** After each run, whether it failed or not; not measured. Takes away what the run left. */
  readonly after?: () => Promise<Yield | void>;
}

export interface Sample extends Consumption, Yield {}

export interface Contest {
  readonly name: string;
  readonly role: Role;
  /** The runs that count. */
  readonly samples: readonly Sample[];
  /** The run before them, whose clock does not count: memory was looked at closely. */
  readonly warmUp?: Sample;
  /** Why there are no samples, or fewer than asked for. */
  readonly missing?: string;
  readonly failure?: string;
}

export interface CompareOptions {
  readonly runs: number;
  /** Default: one run of each that does not count. */
  readonly warmUp?: boolean;
  /** Before each run, after its preparation: lets the disk come to rest. */
  readonly settle: () => Promise<void>;
  readonly onSample?: (contender: Contender, sample: Sample, round: number) => void;
  readonly signal?: AbortSignal;
}

/** Who runs when: round 0 is the warm-up. */
export function* order<T>(contenders: readonly T[], { runs, warmUp = true }: { runs: number; warmUp?: boolean }): Generator<{ contender: T; round: number }> {
  for (let round = warmUp ? 0 : 1; round <= runs; round += 1) {
    for (const contender of contenders) yield { contender, round };
  }
}

/** Runs them all. One that fails is out of the rounds that follow, and the others go on. */
export async function compare(contenders: readonly Contender[], options: CompareOptions): Promise<Contest[]> {
  const samples = new Map<Contender, Sample[]>(contenders.map((one) => [one, []]));
  const warmUps = new Map<Contender, Sample>();
  const failures = new Map<Contender, string>();
  const able = contenders.filter((one) => one.missing === undefined);
  for (const { contender, round } of order(able, options)) {
    options.signal?.throwIfAborted();
    if (failures.has(contender)) continue;
    try {
      const sample = await measureOnce(contender, round === 0, options.settle);
      if (round === 0) warmUps.set(contender, sample);
      else samples.get(contender)?.push(sample);
      options.onSample?.(contender, sample, round);
    } catch (error) {
      failures.set(contender, error instanceof Error ? error.message : String(error));
    }
  }
  return contenders.map((one) => {
    const [warmUp, failure] = [warmUps.get(one), failures.get(one)];
    return {
      name: one.name,
      role: one.role,
      samples: samples.get(one) ?? [],
      ...(warmUp === undefined ? {} : { warmUp }),
      ...(one.missing === undefined ? {} : { missing: one.missing }),
      ...(failure === undefined ? {} : { failure }),
    };
  });
}

async function measureOnce(contender: Contender, closely: boolean, settle: () => Promise<void>): Promise<Sample> {
  let costs: Consumption;
  try {
    await contender.prepare?.();
    await settle();
    costs = await consume({ ...contender.surroundings, closely }, contender.run);
  } catch (error) {
    // The failure of the run is what counts; cleaning up after it is tried all the same.
    await contender.after?.().catch(() => undefined);
    throw error;
  }
  return { ...costs, ...(await contender.after?.()) };
}
