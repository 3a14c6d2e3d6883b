/** The input with a number: the same one for the same target, seed and number, whatever was run before. */
import { mutate } from "./mutate.ts";
import { createRandom } from "./random.ts";
import type { FuzzTarget, OpenTarget } from "./target.ts";

export interface NumberedInput {
  readonly bytes: Buffer;
  /** For `judge`. */
  readonly seed: string;
}

const wordsOf = new WeakMap<OpenTarget, readonly Buffer[]>();

/** Of so many inputs one is made from the large ones. */
const largeOnceIn = 64;

const usuallyUnrepaired = 4;

/** How many inputs come first as they are. */
export const wholeInputs = ({ corpus, large = [] }: OpenTarget): number => corpus.length + large.length;

export function inputNumber(target: FuzzTarget, open: OpenTarget, seed: string, number: number): NumberedInput {
  const runSeed = `${seed}/${target.name}/${number}`;
  const whole = open.corpus[number] ?? open.large?.[number - open.corpus.length];
  // The corpus itself comes first: a target that refuses it tests nothing.
  if (whole !== undefined) return { bytes: whole, seed: runSeed };
  const random = createRandom(runSeed);
  let words = wordsOf.get(open);
  if (words === undefined) {
    words = (open.words ?? []).map((word) => Buffer.from(word as string));
    wordsOf.set(open, words);
  }
  const generated = open.generate !== undefined && random.once(3) ? open.generate(random) : undefined;
  const list = open.large !== undefined && random.once(largeOnceIn) ? open.large : open.corpus;
  const base = generated ?? list[random.below(list.length)] ?? Buffer.alloc(0);
  let bytes = generated !== undefined && random.once(2) ? generated : mutate(base, open.corpus, words, random);
  if (open.repair !== undefined && !random.once(open.unrepaired ?? usuallyUnrepaired)) bytes = open.repair(bytes, random);
  return { bytes: Buffer.from(bytes), seed: runSeed };
}
