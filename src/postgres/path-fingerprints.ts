/** A set of paths that remembers 64 bits of each: enough to notice a path that comes twice, at 8 to 32 bytes a path. */
import { crc32, crc32c } from "../common/index.ts";

export interface PathFingerprints {
  /** Adds the bytes of a path; false when they were added before (or, once in 2^64 pairs, look as if they were). */
  add(path: Uint8Array): boolean;
  readonly size: number;
}

export function createPathFingerprints(): PathFingerprints {
  // Pairs of 32-bit halves, open addressing, never more than half full; a pair of zeros is an empty place.
  let slots = new Uint32Array(2 * 1024);
  let size = 0;

  function place(table: Uint32Array, low: number, high: number): boolean {
    const mask = table.length / 2 - 1;
    let slot = low & mask;
    for (;;) {
      const foundLow = table[2 * slot];
      const foundHigh = table[2 * slot + 1];
      if (foundLow === 0 && foundHigh === 0) break;
      if (foundLow === low && foundHigh === high) return false;
      slot = (slot + 1) & mask;
    }
    table[2 * slot] = low;
    table[2 * slot + 1] = high;
    return true;
  }

  function grow(): void {
    const larger = new Uint32Array(slots.length * 2);
    for (let at = 0; at < slots.length; at += 2) {
      const low = slots[at] ?? 0;
      const high = slots[at + 1] ?? 0;
      if (low !== 0 || high !== 0) place(larger, low, high);
    }
    slots = larger;
  }

  return {
    add(path) {
      if ((size + 1) * 4 > slots.length) grow();
      // Two zeros mean an empty place; 1 in the first half stands for a path that happens to have them.
      const low = crc32c(path);
      const high = crc32(path);
      const added = place(slots, low === 0 && high === 0 ? 1 : low, high);
      if (added) size += 1;
      return added;
    },
    get size() {
      return size;
    },
  };
}
