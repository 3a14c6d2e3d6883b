/** A generator of numbers that gives the same ones for the same words, whatever the machine. */
export interface Random {
  /** A whole number from 0 up to, not including, `limit`. */
  below(limit: number): number;
  /** True once in `times` on the average. */
  once(times: number): boolean;
  pick<T>(list: readonly [T, ...T[]]): T;
  /** 32 bits. */
  word(): number;
}

/** The hash of Jenkins, 32 bits: enough to tell seeds apart. */
function hash(text: string, start: number): number {
  let value = start;
  for (let at = 0; at < text.length; at += 1) {
    value = Math.imul(value ^ text.charCodeAt(at), 0x9e3779b1);
    value ^= value >>> 15;
  }
  return value >>> 0;
}

/** sfc32 (Chris Doty-Humphrey), begun from the words. */
export function createRandom(...words: readonly (string | number)[]): Random {
  const text = words.join("/");
  let a = hash(text, 0x243f6a88);
  let b = hash(text, 0x85a308d3);
  let c = hash(text, 0x13198a2e);
  let count = 1;
  const word = (): number => {
    const sum = (a + b + count) | 0;
    count = (count + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return sum >>> 0;
  };
  for (let round = 0; round < 12; round += 1) word();
  const below = (limit: number): number => (limit <= 1 ? 0 : Math.floor((word() / 0x1_0000_0000) * limit));
  return {
    word,
    below,
    once: (times) => below(times) === 0,
    pick: (list) => list[below(list.length)] ?? list[0],
  };
}
