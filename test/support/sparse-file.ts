import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { sampleBytes } from "./sample-bytes.ts";

/**
 * A file of `size` bytes that takes little room: noise at the beginning, at the end, and before and behind every place
 * where an offset outgrows 31, 32 or 33 bits; holes between. Each page of noise looks like a page that PostgreSQL has
 * not initialised, so that page checksums have nothing to say.
 */
export function writeSparseFile(path: string | Buffer, size: number): void {
  const file = openSync(path, "wx", 0o600);
  try {
    ftruncateSync(file, size);
    const piece = 3 * pageSize;
    const places = [0, 2 ** 31 - piece, 2 ** 31, 2 ** 32 - piece, 2 ** 32, 2 ** 33 - piece, 2 ** 33, size - (size % pageSize) - piece, size - (size % pageSize)];
    for (const [index, at] of places.entries()) {
      if (at < 0 || at >= size) continue;
      const bytes = sampleBytes(Math.min(piece, size - at), "noise", index + 1);
      for (let page = 0; page + 16 <= bytes.length; page += pageSize) bytes.writeUInt16LE(0, page + 14);
      writeSync(file, bytes, 0, bytes.length, at);
    }
  } finally {
    closeSync(file);
  }
}

const pageSize = 8192;
