/** From figures to verdicts. */
import { median } from "../measure/index.ts";
import type { Contest, Sample } from "../measure/index.ts";
import type { Verdict, VerdictState } from "./line.ts";

/** What two runs of one program differ by: below it two figures are equal. */
const EQUAL_WITHIN = 1.1;

export type Figure = (sample: Sample) => number | undefined;

export const wall: Figure = (sample) => sample.wallSeconds;
export const cpu: Figure = (sample) => sample.cpuSeconds;
export const value: Figure = (sample) => sample.value;
export const stored: Figure = (sample) => sample.storedBytes;
export const largest: Figure = (sample) => sample.largestResident;

/** The median of a figure over the runs that count; a reason instead when there are none. */
export function figureOf(contests: readonly Contest[], name: string, figure: Figure): number | { readonly reason: string } {
  const contest = contests.find((one) => one.name === name);
  if (contest === undefined) return { reason: `nobody is called ${name}` };
  const values = contest.samples.map(figure).filter((one) => one !== undefined);
  if (values.length > 0) return median(values);
  const why = contest.missing ?? (contest.failure === undefined ? "no run" : "failed");
  return { reason: `${name}: ${why}` };
}

export interface Limit {
  readonly atMost?: number;
  readonly atLeast?: number;
}

/** A goal on a ratio of two contenders. */
export function ratioGoal(goal: string, contests: readonly Contest[], of: string, to: string, figure: Figure, limit: Limit): Verdict {
  const [above, below] = [figureOf(contests, of, figure), figureOf(contests, to, figure)];
  if (typeof above !== "number") return { goal, unit: "×", state: "no figure", reason: above.reason };
  if (typeof below !== "number") return { goal, unit: "×", state: "no figure", reason: below.reason };
  return { goal, unit: "×", measured: above / below, state: judge(above / below, limit) };
}

/** A goal on a figure itself. */
export function absoluteGoal(goal: string, unit: Verdict["unit"], measured: number | { readonly reason: string }, limit: Limit): Verdict {
  if (typeof measured !== "number") return { goal, unit, state: "no figure", reason: measured.reason };
  return { goal, unit, measured, state: judge(measured, limit) };
}

export const withoutFigure = (goal: string, reason: string): Verdict => ({ goal, unit: "×", state: "no figure", reason });

export function judge(measured: number, { atMost = Number.POSITIVE_INFINITY, atLeast = Number.NEGATIVE_INFINITY }: Limit): VerdictState {
  if (measured <= atMost && measured >= atLeast) return "met";
  return measured <= atMost * EQUAL_WITHIN && measured >= atLeast / EQUAL_WITHIN ? "close" : "not met";
}
