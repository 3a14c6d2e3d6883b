/**
 * By which a file of a copy is known to be untouched since it was written, without reading it: 16 bytes out of its path,
 * its digest and what the file system says of it. Whoever writes to a file changes its times, and thereby its seal; one
 * that does not fit only costs the reading of the file.
 */
import { hash } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { pathToBytes } from "../../postgres/index.ts";

const sealSize = 16;

/** What of `lstat` counts. */
export type SealedStats = Pick<BigIntStats, "ino" | "size" | "mode" | "mtimeNs" | "ctimeNs">;

/** The seal of a file with this content. */
export function sealOf(path: string, { ino, size, mode, mtimeNs, ctimeNs }: SealedStats, digest: string): Buffer {
  const facts = Buffer.from(`\0${ino} ${size} ${mode} ${mtimeNs} ${ctimeNs} ${digest}`);
  return hash("sha256", Buffer.concat([pathToBytes(path), facts]), "buffer").subarray(0, sealSize);
}

export interface FileSeals {
  has(seal: Buffer): boolean;
}

export const noSeals: FileSeals = { has: () => false };

/** The set that `createSealList` wrote: 16 bytes a file and 4 to 16 for the index. */
export function openFileSeals(content: Buffer): FileSeals {
  const count = Math.floor(content.length / sealSize);
  let capacity = 1024;
  while (capacity < 2 * count) capacity *= 2;
  // Open addressing over the first four bytes, which are as good as random; 0 is an empty place.
  const numbers = new Uint32Array(capacity);
  const slotOf = (seal: Buffer): number => {
    let slot = seal.readUInt32LE(0) & (capacity - 1);
    for (;;) {
      const number = numbers[slot] ?? 0;
      if (number === 0 || content.compare(seal, 0, sealSize, (number - 1) * sealSize, number * sealSize) === 0) return slot;
      slot = (slot + 1) & (capacity - 1);
    }
  };
  for (let number = 0; number < count; number += 1) {
    const slot = slotOf(content.subarray(number * sealSize, (number + 1) * sealSize));
    numbers[slot] = number + 1;
  }
  return { has: (seal) => (numbers[slotOf(seal)] ?? 0) !== 0 };
}

export interface SealList {
  add(seal: Buffer): void;
  content(): Buffer;
}

/** Collects the seals of a copy. */
export function createSealList(): SealList {
  let content = Buffer.alloc(sealSize * 1024);
  let end = 0;
  return {
    add(seal) {
      if (end + sealSize > content.length) content = Buffer.concat([content], content.length * 2);
      seal.copy(content, end);
      end += sealSize;
    },
    content: () => content.subarray(0, end),
  };
}
