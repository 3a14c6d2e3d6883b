/** What is fuzzed: a parser of ours with inputs to begin from and what must hold for every input. */
import { isDeepStrictEqual, inspect } from "node:util";
import type { Random } from "./random.ts";

/** Undefined: the input was accepted. A word: it was refused by that, without an exception. */
export type Verdict = string | undefined;

/** A target that is ready to run; what it opened is closed by `close`. */
export interface OpenTarget {
  /** Inputs that our writers, pgmoneta or PostgreSQL made; all others are made from them. */
  readonly corpus: readonly Buffer[];
  /** More of them that take much longer than the rest: few inputs are made from these. */
  readonly large?: readonly Buffer[];
  /** Words of the format that chance would take long to spell. */
  readonly words?: readonly (string | Buffer)[];
  /** Makes an input from the grammar of the format. */
  readonly generate?: (random: Random) => Buffer;
  /** Makes checksums right again, so that what lies behind them is reached. */
  readonly repair?: (input: Buffer, random: Random) => Buffer;
  /** Of so many inputs one is left without repair. Default 4. */
  readonly unrepaired?: number;
  /**
   * Gives the input to the parser. An error of the catalogue is a refusal; any other error is a defect, and so is
   * what `mustHold` and `mustEqual` find.
   */
  readonly run: (input: Buffer, random: Random) => Verdict | Promise<Verdict>;
  readonly close?: () => Promise<void> | void;
}

export interface FuzzTarget {
  readonly name: string;
  /** A short run has so many times fewer inputs: 1 for what is quick, more for what starts processes or threads. */
  readonly cost?: number;
  /** Inputs that may be under way at a time, for what waits for threads or disks and shares nothing. Default 1. */
  readonly atOnce?: number;
  /** Each input leaves large buffers: collected while they are young they cost a fraction of what a full collection takes. */
  readonly leavesBuffers?: boolean;
  /** Largest single allocation for an input, in bytes, beyond sixteen times its length. Default 1 MiB. */
  readonly allocation?: number;
  open(): Promise<OpenTarget> | OpenTarget;
}

/** A promise of the parser was not kept. */
export class BrokenPromise extends Error {
  override readonly name = "BrokenPromise";
}

export function mustHold(condition: boolean, promise: string): void {
  if (!condition) throw new BrokenPromise(promise);
}

export function mustEqual(found: unknown, expected: unknown, promise: string): void {
  if (isDeepStrictEqual(found, expected)) return;
  const show = (value: unknown): string => inspect(value, { depth: 6, breakLength: Infinity, maxStringLength: 300 }).slice(0, 600);
  throw new BrokenPromise(`${promise}\n  found    ${show(found)}\n  expected ${show(expected)}`);
}
