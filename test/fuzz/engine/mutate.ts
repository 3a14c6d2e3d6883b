/** Changes of bytes that have broken parsers before: lying numbers, cut and doubled pieces, words in the wrong place. */
import type { Random } from "./random.ts";

/** Numbers at the borders of what lengths and counters can hold. */
const borders: readonly [bigint, ...bigint[]] = [
  0n, 1n, 2n, 3n, 4n, 7n, 8n, 15n, 16n, 127n, 128n, 255n, 256n, 511n, 512n, 513n, 4095n, 4096n, 8191n, 8192n, 32767n,
  32768n, 65535n, 65536n, 0xffffffn, 0x100_0000n, 0x3fff_ffffn, 0x7fff_fffen, 0x7fff_ffffn, 0x8000_0000n, 0xffff_fffen,
  0xffff_ffffn, 0x1_0000_0000n, 0x1f_ffff_ffff_ffffn, 0x20_0000_0000_0000n, 0x7fff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n, 0xffff_ffff_ffff_ffffn,
];

const numerals: readonly [string, ...string[]] = [
  "0", "-1", "-0", "1", "00", "08", "2147483647", "2147483648", "4294967295", "4294967296", "9007199254740991",
  "9007199254740993", "18446744073709551615", "18446744073709551616", "1e3", "1e999", "0x10", "1.5", "NaN", "Infinity",
  "99999999999999999999999999",
];

const foreign: readonly [string, ...string[]] = [
  "\0", "\n", "\r\n", "\t", " ", "\"", "'", "\\", "\\u0000", "\\ud800", "../", "/", "..", "=", ":", ",", ";", "#", "{", "}",
  "[", "]", "{}", "[]", "null", "true", "__proto__", "constructor", "hasOwnProperty", "\u00e9", "\u{1f600}", "\ufeff", "\u2028",
  "%s", "$1", "$&", "2026-13-45T99:99:99.999Z", "0/0", "FFFFFFFF/FFFFFFFF",
];

/** No input grows beyond this by a change, in bytes. */
const longest = 96 * 1024;

const replaced = (input: Buffer, from: number, to: number, middle: Uint8Array): Buffer =>
  Buffer.concat([input.subarray(0, from), middle, input.subarray(to)]);

function border(random: Random): Buffer {
  const length = random.pick([1, 2, 3, 4, 4, 4, 8, 8]);
  const value = random.pick(borders) + BigInt(random.below(3) - 1);
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt.asUintN(64, value));
  const number = bytes.subarray(8 - length);
  return random.once(2) ? number : Buffer.from(number).reverse();
}

/** A piece from `input`, from another input, or of the words of the format. */
function piece(input: Buffer, others: readonly Buffer[], words: readonly Buffer[], random: Random): Buffer {
  const kind = random.below(4);
  if (kind === 0 && words.length > 0) return words[random.below(words.length)] ?? Buffer.alloc(0);
  if (kind === 1) return Buffer.from(random.pick(foreign), "utf8");
  const from = kind === 2 ? input : (others[random.below(others.length)] ?? input);
  const start = random.below(from.length + 1);
  return from.subarray(start, start + 1 + random.below(random.once(4) ? 4096 : 64));
}

/** The first run of decimal digits from `from` on. */
function digits(input: Buffer, from: number): { from: number; to: number } | undefined {
  let start = from;
  const isDigit = (at: number): boolean => (input[at] ?? 0) >= 0x30 && (input[at] ?? 0) <= 0x39;
  while (start < input.length && !isDigit(start)) start += 1;
  if (start === input.length) return undefined;
  let end = start;
  while (isDigit(end)) end += 1;
  return { from: start, to: end };
}

function change(input: Buffer, others: readonly Buffer[], words: readonly Buffer[], random: Random): Buffer {
  const at = random.below(input.length + 1);
  const span = 1 + random.below(random.once(3) ? 512 : 8);
  switch (random.below(14)) {
    case 0:
    case 1: {
      const flipped = Buffer.from(input);
      if (at < flipped.length) flipped[at] = (flipped[at] ?? 0) ^ (1 << random.below(8));
      return flipped;
    }
    case 2: {
      const set = Buffer.from(input);
      if (at < set.length) set[at] = random.below(256);
      return set;
    }
    case 3: {
      const number = border(random);
      return replaced(input, at, Math.min(input.length, at + number.length), number);
    }
    case 4:
      return replaced(input, at, Math.min(input.length, at + span), Buffer.alloc(0));
    case 5:
      return input.subarray(0, at);
    case 6:
      return replaced(input, at, at, input.subarray(at, at + span));
    case 7:
      return replaced(input, at, at, piece(input, others, words, random));
    case 8: {
      const inserted = piece(input, others, words, random);
      return replaced(input, at, Math.min(input.length, at + inserted.length), inserted);
    }
    case 9: {
      // Two stretches change places.
      const end = Math.min(input.length, at + span);
      const third = Math.min(input.length, end + span);
      return Buffer.concat([input.subarray(0, at), input.subarray(end, third), input.subarray(at, end), input.subarray(third)]);
    }
    case 10: {
      const found = digits(input, at) ?? digits(input, 0);
      return found === undefined ? input : replaced(input, found.from, found.to, Buffer.from(random.pick(numerals)));
    }
    case 11: {
      const other = others[random.below(others.length)] ?? input;
      return Buffer.concat([input.subarray(0, at), other.subarray(random.below(other.length + 1))]);
    }
    case 12: {
      const noise = Buffer.alloc(span);
      for (let index = 0; index < span; index += 1) noise[index] = random.below(256);
      return replaced(input, at, at, noise);
    }
    default: {
      // What costs more than its length shows only when there is much of it.
      const unit = input.subarray(at, at + (random.once(2) ? 1 : 1 + random.below(24)));
      if (unit.length === 0) return input;
      const times = random.once(24) ? Math.floor(longest / 2 / unit.length) : random.below(64);
      return replaced(input, at, at, Buffer.alloc(unit.length * times, unit));
    }
  }
}

/** A changed `input`; `others` and `words` lend pieces. The input itself stays as it is. */
export function mutate(input: Buffer, others: readonly Buffer[], words: readonly Buffer[], random: Random): Buffer {
  let changed = input;
  const rounds = random.once(3) ? 1 + random.below(12) : 1 + random.below(3);
  for (let round = 0; round < rounds; round += 1) {
    changed = change(changed, others, words, random);
    if (changed.length > longest) changed = changed.subarray(0, longest);
  }
  return changed;
}

/** As many as each has a place of its own. */
function cutAt(input: Buffer, borders: Iterable<number>): Buffer[] {
  const places = [...new Set([0, ...borders, input.length])].sort((a, b) => a - b);
  return places.slice(1).map((end, index) => Buffer.from(input.subarray(places[index], end)));
}

/** Bytes at the beginning and at the end in which headers and checksums lie. */
const edge = 24;

/**
 * `input` cut at up to four places, most of them near its beginning and its end: for whoever waits for a thread with each
 * piece. Once in 48 times as `cut` does it.
 */
export function cutSeldom(input: Buffer, random: Random): Buffer[] {
  if (random.once(48)) return cut(input, random);
  const near = Math.min(edge, input.length);
  const borders = Array.from({ length: 1 + random.below(4) }, () =>
    random.pick([random.below(near), input.length - random.below(near), random.below(input.length)]),
  );
  return cutAt(input, borders);
}

/** `input` cut at random places; the pieces are copies, so that nobody can read beyond its piece unnoticed. */
export function cut(input: Buffer, random: Random): Buffer[] {
  if (input.length === 0) return [];
  // Byte by byte now and then; not so many pieces of a long input that cutting it is all that is measured.
  const least = Math.ceil(input.length / 256);
  const most = random.once(8) && input.length <= 512 ? 1 : least + random.below(random.once(2) ? 16 : input.length);
  const pieces: Buffer[] = [];
  for (let at = 0; at < input.length; ) {
    const length = 1 + random.below(most);
    pieces.push(Buffer.from(input.subarray(at, at + length)));
    at += length;
  }
  return pieces;
}
