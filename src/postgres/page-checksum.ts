/**
 * The checksum of a page of data (checksum_impl.h; PostgreSQL manual, "Data Checksums"): 32 sums of the FNV-1a
 * family run side by side over the page, each over every 32nd word, with the field of the checksum itself taken
 * as zero. Words are read in the byte order of this machine, which must be little-endian as the server's.
 */
import { postgresErrors } from "./errors.ts";

const sums = 32;
export const prime = 16777619;
/** The word that holds `pd_checksum` in its lower half, and its upper half (`pd_flags`), which counts. */
const checksumWord = 2;
const flagsMask = 0xffff_0000;

/** Throws BLOCK_SIZE_INVALID unless a server can be built with pages of this many bytes (1 kB to 32 kB). */
export function checkBlockSize(bytes: number): void {
  const power = Number.isInteger(bytes) && (bytes & (bytes - 1)) === 0;
  if (!power || bytes < 1024 || bytes > 32_768) throw postgresErrors.blockSizeInvalid(`no page has ${bytes} bytes`);
}

/** `checksumBaseOffsets`: what each sum begins with. */
// prettier-ignore
export const baseOffsets = Int32Array.of(
  0x5b1f36e9, 0xb8525960, 0x02ab50aa, 0x1de66d2a, 0x79ff467a, 0x9bb9f8a3, 0x217e7cd2, 0x83e13d2c,
  0xf8d4474f, 0xe39eb970, 0x42c6ae16, 0x993216fa, 0x7b093b5d, 0x98daff3c, 0xf718902a, 0x0b1c9cdb,
  0xe58f764b, 0x187636bc, 0x5d7b3bb1, 0xe73de7de, 0x92bec979, 0xcca6c0b2, 0x304a0979, 0x85aa43d4,
  0x783125bb, 0x6ca8eaa2, 0xe407eac6, 0x4b5cfc3e, 0x9fbf8c76, 0x15ca20be, 0xf2ca9fd3, 0x959bd756,
);

/**
 * The sums of the page that begins at word `from` of `words` and has `length` words (a multiple of 32), folded into one.
 * Four sums are kept in registers at a time: their multiplications do not wait for each other. What streams by is summed
 * by page-memory.ts, which is faster.
 */
export function foldWords(words: Int32Array, from: number, length: number): number {
  const end = from + length;
  let result = 0;
  for (let lane = 0; lane < sums; lane += 4) {
    let at = from + lane;
    const third = words[at + checksumWord]!;
    let t = baseOffsets[lane]! ^ words[at]!;
    let a = Math.imul(t, prime) ^ (t >>> 17);
    t = baseOffsets[lane + 1]! ^ words[at + 1]!;
    let b = Math.imul(t, prime) ^ (t >>> 17);
    t = baseOffsets[lane + 2]! ^ (lane === 0 ? third & flagsMask : third);
    let c = Math.imul(t, prime) ^ (t >>> 17);
    t = baseOffsets[lane + 3]! ^ words[at + 3]!;
    let d = Math.imul(t, prime) ^ (t >>> 17);
    for (at += sums; at < end; at += sums) {
      t = a ^ words[at]!;
      a = Math.imul(t, prime) ^ (t >>> 17);
      t = b ^ words[at + 1]!;
      b = Math.imul(t, prime) ^ (t >>> 17);
      t = c ^ words[at + 2]!;
      c = Math.imul(t, prime) ^ (t >>> 17);
      t = d ^ words[at + 3]!;
      d = Math.imul(t, prime) ^ (t >>> 17);
    }
    // Two rounds of zeros mix the last row as well as the others.
    for (let round = 0; round < 2; round += 1) {
      a = Math.imul(a, prime) ^ (a >>> 17);
      b = Math.imul(b, prime) ^ (b >>> 17);
      c = Math.imul(c, prime) ^ (c >>> 17);
      d = Math.imul(d, prime) ^ (d >>> 17);
    }
    result ^= a ^ b ^ c ^ d;
  }
  return result;
}

/** The checksum (1 to 65535) of a page at `blockNumber` of its relation, whose sums fold into `folded`. */
export function checksumOf(folded: number, blockNumber: number): number {
  return (((folded ^ blockNumber) >>> 0) % 65535) + 1;
}

/**
 * The checksum (1 to 65535) that `page` should carry at `blockNumber` of its relation (counted over all files of
 * the relation). What the page carries is ignored. Throws BLOCK_SIZE_INVALID for a length that no page has.
 */
export function checksumPage(page: Uint8Array, blockNumber: number): number {
  checkBlockSize(page.length);
  const aligned = page.byteOffset % 4 === 0 ? page : Uint8Array.from(page);
  const words = new Int32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
  return checksumOf(foldWords(words, 0, words.length), blockNumber);
}
