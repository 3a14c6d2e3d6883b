/**
 * The checksum of a page, written down as its description reads and as slowly as it may be, to hold the fast one
 * against: 32 sums in 64-bit arithmetic, cut to 32 bits after each step.
 */

// The same 32 numbers as in PostgreSQL's checksum_impl.h, as text, so that a slip in one list shows.
const offsets =
  "5B1F36E9 B8525960 02AB50AA 1DE66D2A 79FF467A 9BB9F8A3 217E7CD2 83E13D2C F8D4474F E39EB970 42C6AE16 993216FA " +
  "7B093B5D 98DAFF3C F718902A 0B1C9CDB E58F764B 187636BC 5D7B3BB1 E73DE7DE 92BEC979 CCA6C0B2 304A0979 85AA43D4 " +
  "783125BB 6CA8EAA2 E407EAC6 4B5CFC3E 9FBF8C76 15CA20BE F2CA9FD3 959BD756";

function step(sum: bigint, word: bigint): bigint {
  const mixed = sum ^ word;
  return ((mixed * 16777619n) & 0xffff_ffffn) ^ (mixed >> 17n);
}

export function checksumAsDescribed(page: Uint8Array, block: number): number {
  const copy = Buffer.from(page);
  copy.writeUInt16LE(0, 8);
  const sums = offsets.split(" ").map((text) => BigInt(`0x${text}`));
  for (let at = 0; at < copy.length; at += 4) {
    const lane = (at / 4) % 32;
    sums[lane] = step(sums[lane] ?? 0n, BigInt(copy.readUInt32LE(at)));
  }
  const mixed = sums.map((sum) => step(step(sum, 0n), 0n)).reduce((all, sum) => all ^ sum, 0n);
  return Number((mixed ^ BigInt(block)) % 65535n) + 1;
}
