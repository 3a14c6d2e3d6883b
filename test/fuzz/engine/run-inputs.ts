/** Runs numbered inputs of one target and adds up. */
import { collectYoung } from "../../../src/common/index.ts";
import { inputNumber, wholeInputs } from "./input.ts";
import { judge, judgeTogether, type Defect } from "./judge.ts";
import { minimise } from "./minimise.ts";
import type { FuzzTarget, OpenTarget } from "./target.ts";

export interface FoundDefect extends Defect {
  readonly number: number;
  /** Cuts the input where it was cut when it failed. */
  readonly seed: string;
  /** The shortest input that was found to fail in the same way. */
  readonly input: Buffer;
}

export interface Tally {
  readonly target: string;
  readonly inputs: number;
  readonly accepted: number;
  /** How often each code refused. */
  readonly refusals: Readonly<Record<string, number>>;
  readonly slowestMs: number;
  readonly slowestNumber: number;
  /** Bytes of the largest resident set. */
  readonly peakMemory: number;
  /** Bytes by which the heap and what hangs on it grew from the first tenth to the end; 0 where no collection can be asked for. */
  readonly growth: number;
  readonly defects: readonly FoundDefect[];
}

export interface RunOptions {
  readonly seed: string;
  readonly from: number;
  readonly inputs: number;
  /** Ends the run early; milliseconds on the clock of `performance`. */
  readonly until?: number;
  /** Milliseconds of processor time that an input may take; Infinity where times mean nothing. */
  readonly patienceMs?: number;
  /** Inputs under way at a time. Default: as many as the target bears. */
  readonly atOnce?: number;
  /** Told before each input, or the first of those that are under way together, so that one that never ends can be named. */
  readonly onInput?: (number: number) => void;
}

const mostDefects = 5;
/** Inputs after which memory is looked at. */
const inputsBetweenLooks = 1024;
/** Groups of inputs under way together after which buffers are collected. */
const groupsBetweenCollections = 4;
const allowedGrowth = 48 * 1024 * 1024;
const minimising = { attempts: 4000, untilMs: 20_000 };

async function heldMemory(): Promise<number | undefined> {
  const { gc } = globalThis;
  if (gc === undefined) return undefined;
  // What native calls hold is let go of a turn later.
  for (let round = 0; round < 3; round += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    gc();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

export async function runInputs(target: FuzzTarget, open: OpenTarget, options: RunOptions): Promise<Tally> {
  const refusals = new Map<string, number>();
  const defects: FoundDefect[] = [];
  let accepted = 0;
  let slowestMs = 0;
  let slowestNumber = 0;
  let peakMemory = 0;
  let before: number | undefined;
  let done = 0;
  let looked = 0;
  const atOnce = options.atOnce ?? target.atOnce ?? 1;
  const settled = Math.max(wholeInputs(open), Math.floor(options.inputs / 10));
  for (let from = options.from; done < options.inputs && defects.length < mostDefects; from += atOnce) {
    if (options.until !== undefined && performance.now() > options.until) break;
    options.onInput?.(from);
    const count = Math.min(atOnce, options.inputs - done);
    const inputs = Array.from({ length: count }, (_, index) => inputNumber(target, open, options.seed, from + index));
    const judgements = await judgeTogether(target, open, inputs, options.patienceMs);
    const settles = done < settled && done + count >= settled;
    done += count;
    if (target.leavesBuffers === true && (from / atOnce) % groupsBetweenCollections === 0) collectYoung();
    for (const [index, { refusal, defect, elapsedMs }] of judgements.entries()) {
      const input = inputs[index];
      if (elapsedMs > slowestMs) [slowestMs, slowestNumber] = [elapsedMs, from + index];
      if (defect === undefined) {
        if (refusal === undefined) accepted += 1;
        else refusals.set(refusal, (refusals.get(refusal) ?? 0) + 1);
        continue;
      }
      if (input === undefined || defects.length >= mostDefects || defects.some(({ signature }) => signature === defect.signature)) continue;
      const { bytes, seed } = input;
      const fails = async (candidate: Buffer): Promise<boolean> =>
        (await judge(target, open, candidate, seed, options.patienceMs)).defect?.signature === defect.signature;
      defects.push({ ...defect, number: from + index, seed, input: await minimise(bytes, fails, minimising) });
    }
    if (done - looked >= inputsBetweenLooks) {
      looked = done;
      peakMemory = Math.max(peakMemory, process.memoryUsage.rss());
      // Otherwise timers and signals wait for the end of a million synchronous calls.
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (settles) before = await heldMemory();
  }
  peakMemory = Math.max(peakMemory, process.memoryUsage.rss());
  const after = before === undefined ? undefined : await heldMemory();
  const growth = Math.max(0, (after ?? 0) - (before ?? 0));
  if (growth > allowedGrowth) {
    const text = `after ${done} inputs ${Math.round(growth / 1e6)} MB more are held than after ${settled}`;
    defects.push({ signature: "growth", text, number: options.from, seed: "", input: Buffer.alloc(0) });
  }
  return {
    target: target.name,
    inputs: done,
    accepted,
    refusals: Object.fromEntries([...refusals].sort((a, b) => b[1] - a[1])),
    slowestMs,
    slowestNumber,
    peakMemory,
    growth,
    defects,
  };
}
