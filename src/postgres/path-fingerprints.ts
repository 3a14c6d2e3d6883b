/** A set of paths that remembers 64 bits of each: enough to notice a path that comes twice, at 8 to 32 bytes a path. */
import { crc32, crc32c } from "../common/index.ts";

export interface PathFingerprints {
  /** Adds the bytes of a path; false when they were added before (or, once in 2^64 pairs, look as if they were). */
  add(path: Uint8Array): boolean;
  /** True for the bytes of a path that was added, and for one in 2^64 others. */
  has(path: Uint8Array): boolean;
  readonly size: number;
}

export function createPathFingerprints(): PathFingerprints {
  // Pairs of 32-bit halves, open addressing, never more than half full; a pair of zeros is an empty place.
  let slots = new Uint32Array(2 * 1024);
  let size = 0;

  /** The slot that holds the pair, or would: then it is empty. */
  function slotOf(table: Uint32Array, low: number, high: number): { readonly slot: number; readonly taken: boolean } {
    const mask = table.length / 2 - 1;
    let slot = low & mask;
    for (;;) {
      const foundLow = table[2 * slot];
      const foundHigh = table[2 * slot + 1];
      if (foundLow === 0 && foundHigh === 0) return { slot, taken: false };
      if (foundLow === low && foundHigh === high) return { slot, taken: true };
      slot = (slot + 1) & mask;
    }
  }

  function place(table: Uint32Array, low: number, high: number): boolean {
    const { slot, taken } = slotOf(table, low, high);
    if (taken) return false;
    table[2 * slot] = low;
    table[2 * slot + 1] = high;
    return true;
  }

  /** Two zeros mean an empty place; 1 in the first half stands for a path that happens to have them. */
  function pairOf(path: Uint8Array): readonly [low: number, high: number] {
    const low = crc32c(path);
    const high = crc32(path);
    return [low === 0 && high === 0 ? 1 : low, high];
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
      const added = place(slots, ...pairOf(path));
      if (added) size += 1;
      return added;
    },
    has: (path) => slotOf(slots, ...pairOf(path)).taken,
    get size() {
      return size;
    },
  };
}
